"""Seconds until something happens, in fresh processes: commands, training, a kernel, a worker."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from jupyter_client.manager import start_new_kernel

from benchmarks.common import Report, child, command
from delog_nb import Experiment
from delog_nb.grids import job
from delog_nb.grids.workers import Workers
from delog_nb.training import planned

ROUNDS = 3
COMMANDS = (
    "--help",
    "train --help",
    "compare --help",
    "train --epochs 0",
    "runs --out results/cpu",
)
# Prints the seconds since the moment that it is given, whenever something has been reached.
_TRAIN = """
import sys, time
begin, out = float(sys.argv[1]), sys.argv[2]
def reached(what):
    print(f"{what}: {time.time() - begin}", flush=True)
def noted(owner, name, what):
    real = getattr(owner, name)
    def wrapper(*args, **kwargs):
        made = real(*args, **kwargs)
        reached(what)
        return made
    setattr(owner, name, wrapper)
reached("Python")
import torch
reached("import torch")
from delog_nb.measure import estimate
from delog_nb.training import loop
reached("import delog_nb's training")
noted(estimate, "check_memory", "memory checked")
noted(loop, "load", "images read")
noted(loop, "train_step", "first step")
from delog_nb.cli import main
main(["train", "--epochs", "1", "--limit", "64", "--out", out])
"""
_KERNEL = (
    ("import torch", "import torch"),
    ("first figure", "from delog_nb import lab; lab.lines({'a': [1, 2, 3]}, 'A', 'x', 'y')"),
)
_WORKER = (
    "import json; from benchmarks.start import worker_phases; print(json.dumps(worker_phases()))"
)


def train_phases() -> dict[str, float]:
    """Seconds of each phase of ``delog-nb train``, up to its first step."""
    with tempfile.TemporaryDirectory() as folder:
        lines = child(_TRAIN, str(time.time()), folder).splitlines()
    ends: dict[str, float] = {}
    for line in lines:
        what, _, seconds = line.partition(": ")
        try:
            ends[what] = float(seconds)
        except ValueError:  # the command's own lines
            continue
        if what == "first step":
            break
    return _lasted(ends)


def kernel_phases() -> dict[str, float]:
    """Seconds of each phase of a kernel, up to its first figure."""
    begin = time.time()
    manager, client = start_new_kernel(stderr=subprocess.DEVNULL)
    ends = {"kernel ready": time.time() - begin}
    try:
        for what, code in _KERNEL:
            reply = client.execute_interactive(code, output_hook=lambda _: None)
            if reply["content"]["status"] != "ok":
                raise SystemExit(f"{what}: {reply['content']}")
            ends[what] = time.time() - begin
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return _lasted(ends)


def worker_phases() -> dict[str, float]:
    """Seconds until a worker runs something, and of its first run beyond those of a second one.

    Of a process's first worker: the later ones are copies of what it has loaded.
    """
    begin = time.time()
    with Workers(1) as workers, tempfile.TemporaryDirectory() as folder:
        workers.submit(time.time).result()
        ends = {"process": time.time() - begin}
        taken = []
        for seed in range(2):
            run = planned(Experiment(preset="quick", epochs=1, seed=seed))
            start = time.time()
            workers.submit(job.run, job.Job.of(run, Path(folder))).result()
            taken.append(time.time() - start)
    return ends | {"first run beyond a second one": taken[0] - taken[1]}


def _lasted(ends: dict[str, float]) -> dict[str, float]:
    times = [0.0, *ends.values()]
    return {what: end - start for what, start, end in zip(ends, times, times[1:], strict=False)}


def command_seconds(words: str) -> float:
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "delog_nb", *words.split()], check=False, capture_output=True
    )
    return time.perf_counter() - begin


def medians(found: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each phase over the rounds."""
    return {what: statistics.median(phases[what] for phases in found) for what in found[0]}


def measure() -> Report:
    report = Report(
        "start",
        "Start",
        f"Seconds of each phase, medians of {ROUNDS} fresh processes. train: `delog-nb train`, up "
        "to its first step; kernel: up to the first figure of `lab`; worker: a process of "
        "`compare` and `sweep`. The first optimizer, or the first network on the meta device, "
        "makes torch import its compiler, which takes a second: in train while the memory is "
        "checked, in a worker in its first run.",
    )
    for name, phases in (
        ("train", train_phases),
        ("kernel", kernel_phases),
        ("worker", lambda: json.loads(child(_WORKER))),
    ):
        found = medians([phases() for _ in range(ROUNDS)])
        report.rows += [{"of": name, "phase": what, "s": s} for what, s in found.items()]
        report.rows.append({"of": name, "phase": "all", "s": sum(found.values())})
        if name == "kernel":
            report.at_most("first figure at most 1.5 s after torch", [found["first figure"]], 1.5)
    for words in COMMANDS:
        seconds = statistics.median(command_seconds(words) for _ in range(ROUNDS))
        report.rows.append({"of": f"delog-nb {words}", "phase": "all", "s": seconds})
    commands = [row["s"] for row in report.rows if row["of"].startswith("delog-nb")]
    report.at_most("commands that train nothing at most 0.7 s", commands, 0.7)
    return report


if __name__ == "__main__":
    command(measure)
