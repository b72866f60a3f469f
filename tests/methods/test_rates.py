"""A method's learning rate in preset lesson is the best of those that were tried."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.runs import ROOT

from delog_nb import Experiment, ExperimentError, method, records
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


@pytest.mark.parametrize(
    ("presets", "said"),
    [
        (
            {"lesson": {"lr": 99}},
            "method 'own-rate', preset lesson: lr = 99 is not allowed: a",
        ),
        ({"lesson": {"rate": 1}}, "method 'own-rate' has a value of its own for 'rate': one of "),
        ({"lesson": {"net": "vgg"}}, "method 'own-rate' has a value of its own for 'net': one of "),
        (
            {"lessons": {"lr": 0.1}},
            "preset = 'lessons' is not allowed: one of quick, lesson",
        ),
    ],
)
def test_values_of_a_methods_own_are_checked(presets: dict[str, Any], said: str) -> None:
    with pytest.raises(ExperimentError, match=re.escape(said)):
        method("own-rate", label="Own rate", presets=presets)
