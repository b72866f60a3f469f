"""Lesson 5: what it measures and draws is so, and its checks know right from wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import RidgeClassifier
from support.lessons import defined
from support.runs import same_history, tiny

from delog_nb import data, lab, train
from delog_nb.experiment.identity import identity
from delog_nb.measure.early import BlockWatcher, Look, look, separation
from delog_nb.measure.probes import quick_probe
from delog_nb.records import Record
from delog_nb.training import planned


def test_separation_is_what_an_analysis_of_variance_finds() -> None:
    """With one feature, F = (share between / (K-1)) / (share within / (N-K))."""
    rng = np.random.default_rng(0)
    groups = [rng.normal(mean, 1, count) for mean, count in ((0, 9), (1, 20), (3, 5))]
    f = stats.f_oneway(*groups).statistic
    labels = torch.tensor(np.repeat([0, 4, 2], [9, 20, 5]))
    features = torch.tensor(np.concatenate(groups))[:, None]
    share = separation(features, labels)
    assert (share / 2) / ((1 - share) / 31) == pytest.approx(f)
    turned = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    wide = torch.cat([features, features**2, features.sin()], 1)
    moved = 7 * wide @ turned + 3
    assert separation(moved, labels) == pytest.approx(separation(wide, labels))
    assert 0 < share < 1


def test_looking_changes_nothing_and_sees_each_epoch() -> None:
    run = tiny(method="delog-scl", limit=120)
    looking = BlockWatcher()
    seen = train(run, looking)
    assert same_history(seen.history, train(run).history)
    found = looking.looks[run]
    assert [one.epoch for one in found] == [0, 1, 2]
    assert found[-1] == look(seen, data.load(run), 2, per_class=10)
    assert found[0].probes != found[-1].probes


def test_the_quick_probe_is_a_ridge_classifier() -> None:
    torch.manual_seed(0)
    labels = torch.randint(0, 4, (230,))
    x = 5 + torch.randn(230, 20) + torch.randn(4, 20)[labels]
    x[:, 3] = 1  # constant
    (a, b), (la, lb) = x.split([30, 200]), labels.split([30, 200])
    scaled = [((part - a.mean(0)) / a.std(0).clamp_min(1e-6)).numpy() for part in (a, b)]
    for penalty in (0.01, 1.0):
        theirs = RidgeClassifier(alpha=30 * penalty).fit(scaled[0], la.numpy())
        share = theirs.score(scaled[1], lb.numpy())
        assert quick_probe((a, la), (b, lb), penalty) == pytest.approx(share)
        assert 0.5 < share < 1


def test_one_component_is_bp_to_the_last_bit() -> None:
    one, bp = (train(tiny(**way)) for way in ({"components": 1}, {"method": "bp"}))
    assert same_history(one.history, bp.history)
    pairs = zip(one.model.parameters(), bp.model.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)


def test_the_first_images_of_each_class_are_what_a_probe_learns_from() -> None:
    """A probe on features that hold nothing but noise is near chance; the network is as it was."""
    run = train(tiny(limit=120))
    images = data.load(run.experiment)
    before = [p.clone() for p in run.model.state_dict().values()]
    seen = look(run, images, 2, per_class=3)
    assert not run.model.training
    assert all(map(torch.equal, before, run.model.state_dict().values()))
    assert len(seen.probes) == len(seen.separation) == run.experiment.depth
    assert all(0 <= value <= 1 for value in (*seen.probes, *seen.separation))


def made_up(components: int, seed: int, curve: list[float]) -> Record:
    """A record with the given test accuracies."""
    run = tiny(components=components, seed=seed, epochs=len(curve))
    history: list[Any] = [{"epoch": n, "test_acc": share} for n, share in enumerate(curve, 1)]
    run = planned(run)
    return Record(run, identity(run), {}, history, {}, {}, "")


RUNS = [
    made_up(5, 0, [0.50, 0.60]),
    made_up(5, 1, [0.40, 0.70]),
    made_up(1, 0, [0.30, 0.70]),
    made_up(1, 1, [0.10, 0.70]),
    made_up(2, 1, [0.20, 0.70]),
]


def test_gains_are_differences_of_the_same_seed() -> None:
    assert defined("05_short_flows", "gains")(RUNS) == {
        "5 short gradient flows": {
            1: pytest.approx([0.2, 0.3]),
            2: pytest.approx([-0.1, 0.0]),
        },
        "2 short gradient flows": {1: pytest.approx([0.1]), 2: pytest.approx([0.0])},
    }


def test_cuts_are_compared_with_the_single_flow_by_seed() -> None:
    pairs = defined("05_short_flows", "against_single")(
        RUNS, lambda run: run.history[0]["test_acc"]
    )
    assert pairs == {
        "5 flows - single": ({0: 0.5, 1: 0.4}, {0: 0.3, 1: 0.1}),
        "2 flows - single": ({1: 0.2}, {0: 0.3, 1: 0.1}),
    }


def test_blocks_are_drawn_by_epoch_with_a_value_for_each_seed() -> None:
    looks = {
        tiny(components=k, seed=seed): [
            Look(0, [0.2, 0.4], [0.1, 0.3]),
            Look(1, [0.5 + seed / 10, 0.6], [0.2, k / 10]),
        ]
        for k in (5, 1)
        for seed in (0, 1)
    }
    draw = defined("05_short_flows", "block_lines", lab=lab, MEASURES={"probes": "(%)"})
    table = draw(looks, "probes", "title").table
    assert table["Block 1: 5 short gradient flows"].tolist() == pytest.approx([20, 55])
    assert table["Block 1: 5 short gradient flows ±"].tolist() == pytest.approx([0, 50**0.5])
    assert table["Block 2: single long gradient flow"].tolist() == pytest.approx([40, 60])
