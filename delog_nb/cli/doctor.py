"""``delog-nb doctor``: what works here, and what to do about what does not."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable
from importlib import metadata


def add_flags(parser: argparse.ArgumentParser) -> None:
    """No flags."""


def run(values: argparse.Namespace) -> int:  # noqa: ARG001
    """Print a line per check; the status is 1 if any failed.

    What only the lessons need may be missing.
    """
    failed = False
    for name, check, remedy in CHECKS:
        try:
            print(f"[OK]   {name}: {check()}")
        except Exception as error:  # noqa: BLE001 - whatever is broken is what we report
            if remedy == LAB and isinstance(error, ModuleNotFoundError):
                print(f"[--]   {name}: not installed, only lessons and pages need it: {LAB}")
                continue
            failed = True
            reason = " ".join(str(error).split()) or type(error).__name__
            print(f"[FAIL] {name}: {reason}. {remedy}")
    return int(failed)


def _versions() -> str:
    from delog_nb.instruments.machine import versions

    return ", ".join(f"{name} {version}" for name, version in versions().items() if version)


def _torch() -> str:
    import torch
    import torchvision

    torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)  # a mismatched pair fails here
    return f"torch {torch.__version__} and torchvision {torchvision.__version__} work together"


def _device() -> str:
    from delog_nb.instruments.machine import machine
    from delog_nb.training import pick_device, pick_precision

    device = pick_device("auto")
    own = pick_precision("auto", device)
    known = {"float32", "bf16"} | ({"tf32"} if device.type == "cuda" else set())
    facts = machine()
    where = facts["gpu"] or facts["processor"]
    return f"{device} ({where}), {own} by itself, {' or '.join(sorted(known - {own}))} on request"


def _threads() -> str:
    import torch

    from delog_nb.experiment import Experiment
    from delog_nb.grids.workers import at_a_time
    from delog_nb.instruments.cores import cores

    runs = at_a_time([Experiment()])
    many = "one run" if runs == 1 else f"{runs} runs"
    return f"{torch.get_num_threads()} of {cores()} cores; compare makes {many} at a time"


def _memory() -> str:
    from delog_nb.instruments.machine import available_bytes

    free = available_bytes() / 2**30
    if free < 1.5:
        raise MemoryError(f"{free:.1f} GiB free")
    return f"{free:.1f} GiB free"


def _data() -> str:
    from delog_nb.data import load
    from delog_nb.data.cache import cache_dir
    from delog_nb.experiment import Experiment

    digits = load(Experiment(dataset="digits"))
    decoded = sorted(path.stem for path in (cache_dir() / "decoded").glob("*.npz"))
    found = f"; decoded in {cache_dir()}: {', '.join(decoded)}" if decoded else ""
    return f"digits ({len(digits.train) + len(digits.val)} training images){found}"


def _cache() -> str:
    from delog_nb.data.cache import cache_dir

    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder} cannot be written")
    return f"{folder}, {shutil.disk_usage(folder).free / 2**30:.0f} GiB free"


def _front_end() -> str:
    from delog_nb.instruments.front_end import front_end

    found = front_end()
    return " - ".join(filter(None, found))


def _plotly() -> str:
    import plotly.graph_objects as go

    length = len(go.Figure(go.Scatter(y=[1, 2])).to_html(include_plotlyjs=True))
    return f"plotly {metadata.version('plotly')} draws a page of {length / 1e6:.1f} MB"


def _widgets() -> str:
    import anywidget  # noqa: F401 - a FigureWidget without it is another kind of error
    import plotly.graph_objects as go

    widget = go.FigureWidget(go.Scatter(y=[1, 2]))
    return f"ipywidgets {metadata.version('ipywidgets')}, {type(widget).__name__} can be made"


def _jupyter() -> str:
    return f"jupyterlab {metadata.version('jupyterlab')}, papermill {metadata.version('papermill')}"


LAB = "pip install 'delog_nb[lab]'"
CHECKS: list[tuple[str, Callable[[], str], str]] = [
    ("versions", _versions, "Install the package: pip install -e '.[lab]'"),
    ("torch", _torch, "Install torch and torchvision of one release"),
    ("device", _device, "Install a torch build for this machine"),
    ("threads", _threads, "Install torch"),
    ("memory", _memory, "Close other programs: a lesson takes up to 1.5 GB"),
    ("cache", _cache, "Point DELOG_NB_CACHE at a folder that can be written"),
    ("data", _data, "Install scikit-learn"),
    ("plotly", _plotly, LAB),
    ("widgets", _widgets, LAB),
    ("jupyter", _jupyter, LAB),
    ("front end", _front_end, "Install psutil"),
]
