"""Lesson 6: what its figures and tables say is so, and its checks know right from wrong."""

from __future__ import annotations

import pandas as pd
import pytest
from support.lessons import defined
from support.runs import tiny

from delog_nb import Experiment, lab, train
from delog_nb.measure.cost import parameter_counts
from delog_nb.records import record_of


def rows(*values: tuple[str, str, int, int, float]) -> pd.DataFrame:
    names = ["head", "features", "seed", "block", "accuracy"]
    return pd.DataFrame(values, columns=names).assign(task="flip", chance=0.5)


TWO_SEEDS = rows(
    ("mlp", "z", 0, 1, 0.6),
    ("mlp", "z", 0, 2, 0.7),
    ("mlp", "z", 1, 1, 0.8),
    ("mlp", "r", 0, 1, 0.9),
    ("mlp", "r", 0, 2, 0.8),
    ("mlp", "r", 1, 1, 0.7),
)


def test_pairs_are_means_over_blocks_by_seed() -> None:
    pairs = defined("06_projection_heads", "pairs_by_question")
    (r, z), *others = pairs(TWO_SEEDS, "features", "r", "z").values()
    assert not others
    assert r == pytest.approx({0: 0.85, 1: 0.7})
    assert z == pytest.approx({0: 0.65, 1: 0.8})


def test_probes_near_guessing_are_not_compared() -> None:
    near = TWO_SEEDS.assign(accuracy=0.5 + TWO_SEEDS["accuracy"] / 50)  # up to 1.7 points above
    both = pd.concat([near, TWO_SEEDS.assign(task="colour")])
    pairs = defined("06_projection_heads", "pairs_by_question")
    assert list(pairs(both, "features", "r", "z")) == ["colour"]


def test_probes_are_drawn_by_block_above_guessing() -> None:
    names = {"r": "features", "z": "head"}
    draw = defined("06_projection_heads", "what_probes_read", lab=lab, NAMES=names)
    table = draw(TWO_SEEDS, "features", "title").table
    assert table["flip: features"].to_dict() == pytest.approx({1: 80, 2: 80})
    assert table["flip: features ±"][1] == pytest.approx(10 * 2**0.5)
    assert table["flip: head"].to_dict() == pytest.approx({1: 70, 2: 70})
    assert table["flip: guessing"].to_dict() == {1: 50, 2: 50}


def test_parameters_of_heads_are_those_that_only_training_needs() -> None:
    run = train(tiny(epochs=1, pool=1))
    heads = [part.objective.get_submodule("head") for part in run.model.parts()[:-1]]
    count = sum(p.numel() for head in heads for p in head.parameters())
    results = record_of(run).results
    assert results["train_params"] - results["inference_params"] == count


def test_sizes_are_those_of_the_authors_networks() -> None:
    def counts(net: str, pool: int) -> tuple[int, int]:
        run = Experiment(preset="paper", dataset="cifar10", net=net, pool=pool)
        both = parameter_counts(run)
        return both.training - both.inference, both.inference

    # computed from the definitions of the authors' networks, see the parameter table
    assert counts("convnet", 0)[0] == 33_560_576
    assert counts("vgg", 0) == (57_677_824, 11_938_294)
    assert counts("resnet", 0)[0] == 61_085_696
    channels = (32, 32, 64, 64)
    assert counts("convnet", 1)[0] == sum((c + 1) * 512 + 513 * 1024 for c in channels)
