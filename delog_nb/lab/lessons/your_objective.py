"""Attempts that are kept, and the recorded runs that they are compared with."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pandas as pd

from delog_nb import records
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import FIELDS, end_to_end
from delog_nb.instruments.course_files import OWN_RUNS, RESULTS
from delog_nb.lab.charts.played import headless
from delog_nb.records import Record, mean_and_std
from delog_nb.records.summary import diverged, percent

# like an objective in a cell: short flows, and a loss of a block's features and the labels
NEAREST = ("early-exit", "delog-scl", "predsim", "dgl", "infopro", "scl-exit")
_OWN = ("method", "seed", "lr", "cut", "components", "device")  # what methods may differ in


def attempts_folder() -> Path:
    """Where attempts stay: ``runs/attempts``; without a front end, a folder that goes again.

    >>> attempts_folder().is_dir()
    True
    """
    folder = _for_now() if headless() else OWN_RUNS / "attempts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def _for_now() -> Path:
    folder = tempfile.mkdtemp(prefix="delog-nb-attempts-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def attempts(folder: Path) -> pd.DataFrame:
    """A row for each setting whose runs are in ``folder``, in the order in which they were made.

    A source that was changed is a row of its own. Nothing of what is kept there is run.

    >>> attempts(RESULTS / "digits")["Seeds"].unique().tolist()
    [3]
    """
    groups: dict[str, list[Record]] = {}
    for record in sorted(records.readable(folder), key=lambda record: record.finished):
        setting = {name: part for name, part in record.identity.items() if name != "seed"}
        groups.setdefault(json.dumps(setting, sort_keys=True), []).append(record)
    return pd.DataFrame([_row(runs) for runs in groups.values()])


def _row(runs: list[Record]) -> dict[str, object]:
    e, ended = runs[0].experiment, [run for run in runs if not diverged(run)]
    test, chosen = (
        percent(*mean_and_std([float(run.results[name]) for run in ended]))
        for name in ("test_acc", "val_acc")
    )
    return {
        "Attempt": e.method_label,
        "Source": runs[0].identity.get("code", {}).get("method", "package")[:7],
        "Net, epochs": f"{e.net_label}, {e.epochs}",
        "Learning rate": e.lr,
        "Seeds": len(ended),
        "Diverged": len(runs) - len(ended),
        "Validation (%)": chosen,
        "Test, last epoch (%)": test,
        "First run": str(runs[0].folder and runs[0].folder.name),
    }


def nearest(run: Experiment) -> list[Record]:
    """Recorded runs of BP and of the six methods that are most like an objective in a cell.

    Their choices are those of ``run``, but for the learning rate, where a method has its own, and
    where it cuts. There are none where nothing was recorded at these choices.

    >>> found = nearest(Experiment(preset="lesson", method="bp", precision="float32"))
    >>> [run.experiment.seed for run in found if run.experiment.method == "bp"]
    [3, 4, 5]
    """
    there = records.readable(RESULTS / "digits")
    seeds = sorted({record.experiment.seed for record in there})
    of_net = {o.name for noun in ("net", "dataset") for o in run.entries[noun].options}
    shared = (FIELDS.keys() | of_net) - {*_OWN}
    same = {name: value for name, value in run.choices().items() if name in shared}
    wanted = [
        Experiment(**same, method=method, seed=seed)
        for method in (end_to_end(), *NEAREST)
        for seed in seeds
    ]
    return records.matching(wanted, there)
