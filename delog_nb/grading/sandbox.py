"""A sandbox for answers, made by bubblewrap.

Inside is `delog_nb.grading.runner`. It has no network and no files but the interpreter, packages,
this package, recorded runs and an empty folder in memory; no notebook is among them. What comes out
is data.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from delog_nb.experiment import ExperimentError
from delog_nb.instruments.course_files import RESULTS

_CONTAINER = (
    'docker run --rm --privileged -v "$PWD:/course" -w /course python:3.12 sh -c '
    '"apt-get update && apt-get install -y bubblewrap && '
    "pip install '.[lab]' && delog-nb check-submissions submitted\""
)
_PLACE = "/answers"
_START = 120  # seconds: torch from a slow disk
_STOP, _LEAVE = 10, 1  # seconds: until nothing is left of an answer; and of all
_PACKAGE = Path(__file__).resolve().parents[1]
_SYSTEM = (
    "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/etc/localtime",
    "/etc/ld.so.cache", "/sys/devices/system/cpu",
)  # fmt: skip
_DEVICES = tuple(Path("/dev", name) for name in ("null", "zero", "urandom"))
# without what the environment and the user's folder would add
_PYTHON = (os.path.realpath(sys.executable), "-I", "-S", "-B")
_ENVIRONMENT = {  # all that answers see, and their folder
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "USER": "answer",
    "DELOG_NB_PRESET": "quick",
    "PLOTLY_RENDERER": "plotly_mimetype",
    "OMP_NUM_THREADS": "1",
    "LOKY_MAX_CPU_COUNT": "1",  # runs are made in the process of the answer: it may start none
}
_BEGIN = """
import json, os, sys
from pathlib import Path
path, user, place, limits, guarded = json.loads(sys.argv[1])
sys.path[:] = path
if user is not None:
    os.setgroups([]); os.setresgid(user, user, user); os.setresuid(user, user, user)
from delog_nb.grading.runner import serve
serve(Path(place), limits, guarded)
"""
_started = itertools.count()


@dataclass(frozen=True)
class Limits:
    """What the code of one exercise may use: seconds, and bytes.

    Memory is beyond what the imports take; ``disk`` is a folder in memory that counts besides.
    """

    seconds: int = 60
    memory: int = 2 * 10**9
    disk: int = 64 * 10**6


def _refusal(reason: str) -> str:
    return (
        f"answers cannot be kept in a sandbox here ({reason}): run this in a container, "
        f"{_CONTAINER}, or add --no-sandbox if you trust every answer"
    )


class Sandbox:
    """A process that runs answers, one at a time.

    Args:
        folder: the submissions, which it never sees
        guarded: whether bubblewrap is between it and the rest; without it, answers can do what
            the user of this program can

    Attributes:
        late: seconds after which the last answer was stopped, or 0
        ended: how the process of the last answer ended

    Raises:
        ExperimentError: it cannot be started here.
    """

    def __init__(self, limits: Limits, folder: Path, guarded: bool = True) -> None:
        self._limits, self._folder, self._guarded = limits, folder, guarded
        self.late, self.ended = 0, ""
        self._start()

    def _start(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="delog-nb-", ignore_cleanup_errors=True)
        # root is bound by no number of processes, so the runner becomes another user
        root = self._guarded and os.geteuid() == 0
        user = 65000 + (os.getpid() + next(_started)) % 500 if root else None
        place = _PLACE if self._guarded else self._home.name
        command = _bubblewrap(self._folder, user, self._limits.disk) if self._guarded else []
        settings = [_paths(), user, place, asdict(self._limits), self._guarded]
        command += [*_PYTHON, "-c", _BEGIN, json.dumps(settings)]
        self._control, inside = socket.socketpair()
        with inside, tempfile.TemporaryFile() as errors:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=inside.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    cwd="/",
                    env=_ENVIRONMENT | {"HOME": place, "TMPDIR": place},
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise ExperimentError(_refusal(f"there is no {command[0]}")) from None
            inside.close()
            if self._status(_START) is None:
                self.close()
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip().splitlines()[-1:]
                raise ExperimentError((_refusal if self._guarded else str)(*said or ["no start"]))

    def close(self) -> None:
        """End the process, and with it whatever runs in it."""
        self._control.close()
        try:
            self._process.wait(_LEAVE)  # it ends its answer, and itself
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._home.cleanup()

    def _status(self, seconds: float, said: bytes = b"") -> int | None:
        """Exit status of the answer before, once it is time for the next; None: that cannot be."""
        self._control.settimeout(seconds)
        try:
            self._control.sendall(said)
            return int(self._control.recv(4))
        except (OSError, ValueError):
            return None

    @contextmanager
    def line(self) -> Iterator[socket.socket]:
        """A line to a new process for an answer, of which nothing is left afterwards."""
        ours, theirs = socket.socketpair()
        watch = threading.Timer(self._limits.seconds, self._hang_up, [ours])
        self.late = 0
        with ours:
            watch.start()
            try:
                with theirs:
                    socket.send_fds(self._control, [b"r"], [theirs.fileno()])
                yield ours
            finally:
                watch.cancel()
                watch.join()
                ours.close()
                self._end()

    def _hang_up(self, line: socket.socket) -> None:
        self.late = self._limits.seconds
        line.shutdown(socket.SHUT_RDWR)

    def _end(self) -> None:
        status = self._status(_STOP, b"e")
        if status is None:  # such as after a folder that cannot be emptied
            self.close()
            self._start()
        killed = signal.strsignal(-status) if status and status < 0 else None
        self.ended = killed or f"status {'unknown' if status is None else status}"


def _paths() -> list[str]:
    """Where modules are found: this package first, then Python's own and packages."""
    found = [Path(path).resolve() for path in sys.path if path]
    roots = _readable()
    inside = [str(path) for path in found if any(path.is_relative_to(root) for root in roots)]
    return [str(_PACKAGE.parent), *inside]


def _readable() -> list[Path]:
    """What the interpreter and the lessons need of the file system."""
    prefixes = (sys.prefix, sys.base_prefix)
    libraries = [Path(prefix).resolve() / lib for prefix in prefixes for lib in ("lib", "lib64")]
    packages = [Path(path).resolve() for path in sys.path if path.endswith("-packages")]
    wanted = [*map(Path, _SYSTEM), *libraries, *packages, Path(_PYTHON[0]), _PACKAGE, RESULTS]
    return [path for path in dict.fromkeys(wanted) if path.exists()]


def _bubblewrap(hidden: Path, user: int | None, disk: int) -> list[str]:
    """The command before a command that runs it in a sandbox without the folder ``hidden``."""
    words = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--new-session", "--as-pid-1"]
    words += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    words += ["--unshare-cgroup-try", "--cap-drop", "ALL"]
    if user is None:
        words += ["--unshare-user"]
    else:
        words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    readable = _readable()
    above = {folder for path in [*readable, *_DEVICES] for folder in path.parents[:-1]}
    for folder in sorted(above):  # else some are for root alone
        if not any(folder.is_relative_to(path) for path in readable):
            words += ["--perms", "0755", "--dir", str(folder)]
    for path in sorted(readable):
        words += ["--ro-bind", str(path), str(path)]
    if any(hidden.is_relative_to(path) for path in readable):
        words += ["--tmpfs", str(hidden), "--remount-ro", str(hidden)]
    for device in _DEVICES:
        words += ["--dev-bind", str(device), str(device)]
    words += ["--proc", "/proc", "--perms", "1777", "--size", str(disk), "--tmpfs", _PLACE]
    return [*words, "--remount-ro", "/", "--chdir", _PLACE, "--"]
