"""The machine: what a measured figure belongs to, and the memory that is free."""

import os
import platform
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

# of control groups, by version: where they are mounted; files of the limit and of what is used;
# what of that is cache, which is dropped where memory is asked for
_GROUPS = {
    1: ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("", "memory.max", "memory.current", "inactive_file"),
}


def machine() -> dict[str, Any]:
    """Processor, cores, threads, memory and GPU of this machine."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def available_bytes(root: Path = Path("/")) -> int:
    """Main memory that can be had: what is free, or what the limits of a container leave.

    ``root`` is where Linux's own files are looked for.
    """
    return min([psutil.virtual_memory().available, *_left_by_limits(root)])


def _left_by_limits(root: Path) -> Iterator[int]:
    """Bytes that each control group above this process leaves, where it has a limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number != "0" and "memory" not in controllers.split(","):
            continue
        mount, limit, used, cache = _GROUPS[2 if number == "0" else 1]
        place = root / "sys/fs/cgroup" / mount
        # a container may see its own group as the topmost one, whatever the path says
        own = Path(path.lstrip("/"))
        for folder in (place / part for part in (own, *own.parents)):
            try:
                most = int((folder / limit).read_text())
                stat = dict(map(str.split, (folder / "memory.stat").read_text().splitlines()))
                yield most - int((folder / used).read_text()) + int(stat.get(cache, 0))
            except (OSError, ValueError):  # no such group here; or its limit is "max"
                continue


def versions(*more: str) -> dict[str, str | None]:
    """Versions of what computed a result, and the git revision of this package's source.

    ``more`` names further packages; one that is not installed has the version None.
    """
    known: dict[str, str | None] = {"python": platform.python_version()}
    for package in ("delog_nb", "torch", "torchvision", "numpy", *more):
        try:
            known[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            known[package] = None
    return known | {"git": git_revision()}


def git_revision() -> str | None:
    """Commit of this package's source, "+" appended if it was changed since; None outside git."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "delog_nb")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
