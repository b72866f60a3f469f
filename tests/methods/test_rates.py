"""A method's learning rate in preset lesson is the best of those that were tried."""

from __future__ import annotations

import pytest
from support.runs import ROOT

from delog_nb import Experiment, records
from delog_nb.experiment.registry import METHODS

TRIES = [
    record
    for record in records.readable(ROOT / "results" / "rates")
    if record.experiment.dataset == "digits"
]
RATES = {0.001, 0.002, 0.005, 0.01}


@pytest.mark.parametrize("method", METHODS.own)
def test_the_rate_is_the_best_of_the_tries_on_validation_images(method: str) -> None:
    """The lower one of two that are alike."""
    found = {
        record.experiment.lr: record.results["val_acc"]
        for record in TRIES
        if record.experiment.method == method
    }
    assert set(found) == RATES
    best = max(sorted(found), key=found.__getitem__)
    assert Experiment(method=method, preset="lesson").lr == best
    assert Experiment(method=method, preset="paper").lr == 0.001


def test_all_methods_had_the_same_tries() -> None:
    runs = {record.experiment.but(method="bp", lr=0.001) for record in TRIES}
    assert len(runs) == 1
    assert len(TRIES) == len(METHODS.own) * len(RATES)
