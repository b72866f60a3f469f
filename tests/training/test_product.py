"""Every method on every net, both from the registries: what joins them is tested by itself."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from support.runs import ONCE, PAIRS, narrow, same_history, tiny

from delog_nb import Experiment, train
from delog_nb.training import Run

pytestmark = pytest.mark.long


def small(method: str, net: str, **changes: object) -> Experiment:
    return tiny(method=method, net=net, width=narrow(net), limit=80, epochs=3, **changes)


def assert_same(one: Run, other: Run) -> None:
    """To the last bit."""
    assert same_history(one.history, other.history)
    weights = one.model.state_dict()
    assert weights.keys() == other.model.state_dict().keys()
    assert all(torch.equal(weights[k], v) for k, v in other.model.state_dict().items())


@pytest.mark.parametrize(
    ("method", "net", "cut"), [(*p, "block") for p in PAIRS] + [(*p, "layer") for p in ONCE]
)
def test_a_run_stopped_twice_ends_as_a_whole_one(
    method: str, net: str, cut: str, tmp_path: Path
) -> None:
    experiment = small(method, net, cut=cut)
    whole = train(experiment)
    assert not whole.stopped
    path = tmp_path / "checkpoint.pt"
    for epochs in (1, 2):  # each time in the middle of the next one
        asked = itertools.count()
        stopped = train(experiment, should_stop=lambda: next(asked) > 5, checkpoint=path)  # noqa: B023
        assert (stopped.stopped, len(stopped.history)) == (True, epochs)
    assert_same(train(experiment, checkpoint=path), whole)


@pytest.mark.parametrize(("method", "net"), PAIRS)
def test_each_loss_falls_on_the_images_that_are_trained_on(method: str, net: str) -> None:
    run = train(small(method, net).but(epochs=10))
    first, last = run.history[0], run.history[-1]
    assert all(last[key] < first[key] for key in first if key.startswith("loss_"))
