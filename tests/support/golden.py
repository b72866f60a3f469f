"""Losses and weights of every method on every net, as they were written down.

``PYTHONPATH=tests python -m support.golden write`` writes ``golden.json`` anew, in plain training
and, every method and every net once, in data parallelism; ``check`` compares with it, to the last
bit. That a pipeline and a resumed run end as the plain one does is tested by itself. On the machine
that wrote it a change that should change nothing changes nothing there; on another processor sums
are rounded otherwise, so the test compares within a tolerance.
"""

from __future__ import annotations

import hashlib
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
from support.runs import ONCE, PAIRS, narrow

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


def experiments(pairs: Collection[tuple[str, str]] = PAIRS) -> dict[str, Experiment]:
    """By "method net"."""
    wider = {"cwcomp"}
    made = experiments_of(
        [
            {**SMALL, "method": m, "net": n} | ({"width": narrow(n)} if m in wider else {})
            for m, n in pairs
        ]
    )
    return {f"{m} {n}": e for (m, n), e in zip(pairs, made, strict=True)}


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
    return {name: figures(train(e)) for name, e in experiments(pairs).items()}


def data_parallel(folder: Path) -> dict[str, Any]:
    from support.ranks import run_ranks

    run_ranks(2, "golden", str(folder), folder=folder)
    found: dict[str, Any] = json.loads((folder / "golden.json").read_text())
    return found


def be_rank(folder: Path) -> None:
    """One of two ranks; the one that reports writes what was found."""
    from delog_nb.pipeline import DataParallel

    found = {}
    for name, experiment in experiments(ONCE).items():
        team = DataParallel()
        run = train(experiment, team=team)
        if team.reports:
            found[name] = figures(run)
            (folder / "golden.json").write_text(json.dumps(found))


def all_figures() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as text:
        return {"plain": plain(), "data parallel": data_parallel(Path(text))}


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
