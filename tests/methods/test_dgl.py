"""DGL's auxiliary networks, by values from the authors' code."""

from __future__ import annotations

import pytest
import torch.nn.functional as F
from support.reference import BATCH, LABELS, assert_golden, features, filled
from support.runs import tiny

from delog_nb import Experiment, check_method, methods
from delog_nb.components.component import count_parameters
from delog_nb.methods.dgl import DecoupledGreedy, auxiliary


@pytest.mark.parametrize(
    ("kind", "side", "loss", "norm"),
    [
        ("mlp-sr", 8, 1.447279, 0.328395),
        ("mlp", 8, 1.417567, 0.550598),
        ("cnn", 8, 1.376134, 0.339143),
        ("mlp-sr", 4, 1.193866, 0.647859),
        ("mlp", 4, 1.329099, 0.263487),
        ("cnn", 4, 0.927662, 0.304102),
    ],
)
def test_golden_losses(kind: str, side: int, loss: float, norm: float) -> None:
    objective = filled(DecoupledGreedy((8, side, side), 3, dgl_aux=kind))
    assert_golden(lambda r: objective(r, BATCH), features(8, side), loss, norm)
    way_out = objective.way_out()
    assert_golden(lambda r: F.cross_entropy(way_out(r), LABELS), features(8, side), loss, norm)


@pytest.mark.parametrize(
    ("channels", "classes", "count"),
    [(64, 10, 214_154), (128, 10, 846_090), (256, 10, 3_363_338), (512, 10, 13_411_338),
     (8, 3, 3_699)],
)  # fmt: skip
def test_parameters_are_those_of_the_authors_network(
    channels: int, classes: int, count: int
) -> None:
    assert count_parameters(auxiliary("mlp-sr", (channels, 8, 8), classes).parameters()) == count


def test_features_that_are_not_square_keep_their_sides_apart() -> None:
    first = auxiliary("mlp-sr", (8, 9, 4), 10)[0]
    assert first(features(8, 9)[:, :, :, :4]).shape == (6, 8, 3, 1)


def test_it_cuts_at_layers_unless_told_otherwise() -> None:
    run = Experiment(method="dgl", net="vgg")
    assert (run.cut, run.num_components, len(methods.build(run).parts())) == ("layer", 7, 7)
    assert run.but(cut="block").num_components == 5
    assert run.but(method="bp").cut == "block"
    paper = {"preset": "paper", "net": "vgg", "dataset": "cifar10"}
    by_block = methods.build(Experiment(method="dgl", cut="block", **paper))
    assert count_parameters(by_block.affiliated_parameters()) == 43_597_352


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_every_kind_keeps_what_every_method_promises(kind: str) -> None:
    assert check_method("dgl", dgl_aux=kind, width=0.1) == []
    exits = methods.build(tiny(method="dgl", dgl_aux=kind)).ways_out()
    assert None not in exits
