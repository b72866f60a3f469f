"""Records that nobody trained."""

from __future__ import annotations

from delog_nb import Experiment
from delog_nb.experiment.identity import identity
from delog_nb.records import Record


def made(test_acc: float, **choices: object) -> Record:
    e = Experiment(preset="quick", precision="float32", **choices)
    row = {"epoch": 1, "loss_1": 1.0, "val_acc": None, "test_acc": test_acc, "seconds": 1.0}
    machine = {"processor": "made up", "cores": 2, "threads": 1, "gpu": None}
    versions = {"python": "3", "torch": "2", "git": None}
    results = {
        "epochs": 1,
        "test_acc": test_acc,
        "test_acc_at_best_val": None,
        "train_params": 1234567,
        "inference_params": 1234,
        "sec_per_epoch": 1.5,
    }
    return Record(e, identity(e), results, [row], machine, versions, "")
