"""Losses and weights of every method on every net, as they were written down.

``PYTHONPATH=tests python -m support.golden write`` writes ``golden.json`` anew, in plain training,
in a pipeline, in data parallelism and resumed from a checkpoint; ``check`` compares with it, to the
last bit. On the machine that wrote it a change that should change nothing changes nothing there; on
another processor sums are rounded otherwise, so the test compares within a tolerance.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from delog_nb import Experiment, train
from delog_nb.experiment import experiments_of
from delog_nb.experiment.registry import METHODS
from support.runs import PAIRS, narrow

GOLDEN = Path(__file__).with_name("golden.json")
SMALL = {
    "preset": "quick",
    "precision": "float32",
    "width": 0.125,
    "lr": 0.002,
    "limit": 80,
    "batch_size": 32,
    "epochs": 2,
    "head_hidden": 16,
    "head_dim": 8,
    "exit_hidden": 16,
    "al_hidden": 8,
}


def experiments(several: bool = False) -> dict[str, Experiment]:
    """By "method net"; those that can be pipelined where ``several``."""
    names = [(m, n) for m, n in PAIRS if not several or METHODS[m].components.default != 1]
    wider = {"cwcomp"}
    made = experiments_of(
        [
            {**SMALL, "method": m, "net": n} | ({"width": narrow(n)} if m in wider else {})
            for m, n in names
        ]
    )
    return {f"{m} {n}": e for (m, n), e in zip(names, made, strict=True)}


def figures(run: Any) -> dict[str, Any]:
    """The history without the clock's readings, the weights' digest and their squared norm."""
    clock = ("seconds", "eval_seconds", "images_per_s")
    digest = hashlib.sha256()
    for _, weight in sorted(run.model.state_dict().items()):
        digest.update(weight.detach().contiguous().numpy().tobytes())
    return {
        "history": [{k: v for k, v in row.items() if k not in clock} for row in run.history],
        "weights": digest.hexdigest()[:16],
        "square": math.fsum(
            float(weight.detach().double().square().sum()) for weight in run.model.parameters()
        ),
    }


def plain(pairs: Collection[tuple[str, str]] = PAIRS) -> dict[str, Any]:
    names = {f"{m} {n}" for m, n in pairs}
    return {name: figures(train(e)) for name, e in experiments().items() if name in names}


def resumed(folder: Path) -> dict[str, Any]:
    """Stopped in the second epoch, then taken up from the checkpoint."""
    found = {}
    for name, experiment in experiments().items():
        path = folder / f"{name}.pt"
        asked = itertools.count()
        stopped = train(experiment, should_stop=lambda: next(asked) > 5, checkpoint=path)  # noqa: B023
        assert (stopped.stopped, len(stopped.history)) == (True, 1)
        found[name] = figures(train(experiment, checkpoint=path))
    return found


def in_processes(way: str, folder: Path) -> dict[str, Any]:
    from support.ranks import run_ranks

    run_ranks(2, f"golden_{way}", str(folder), folder=folder)
    found: dict[str, Any] = json.loads((folder / f"{way}.json").read_text())
    return found


def be_rank(way: str, folder: Path) -> None:
    """One of two ranks; the one that reports writes what was found."""
    from delog_nb.pipeline import DataParallel, Pipeline

    found = {}
    for name, experiment in experiments(way == "pipeline").items():
        team = Pipeline() if way == "pipeline" else DataParallel()
        run = train(experiment, team=team)
        if team.reports:
            found[name] = figures(run)
            (folder / f"{way}.json").write_text(json.dumps(found))


def all_figures() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        return {
            "plain": plain(),
            "resumed": resumed(folder),
            "pipeline": in_processes("pipeline", folder),
            "data parallel": in_processes("data_parallel", folder),
        }


def main() -> int:
    torch.set_num_threads(1)
    found = all_figures()
    if sys.argv[1:] == ["write"]:
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
        return 0
    known = json.loads(GOLDEN.read_text())
    differ = [
        f"{way}: {name}"
        for way, cases in known.items()
        for name in cases
        if found[way].get(name) != cases[name]
    ]
    print("\n".join(differ) or f"all {sum(map(len, known.values()))} cases are the same")
    return bool(differ)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.exit(main())
