"""PredSim, by values from the authors' code."""

from __future__ import annotations

import pytest
import torch
from support.reference import BATCH, assert_golden, features, filled
from torch import nn

from delog_nb import Experiment, ExperimentError, check_method, methods
from delog_nb.components.component import count_parameters
from delog_nb.methods.predsim import PredSim, pooled_sides


@pytest.mark.parametrize(
    ("kind", "loss", "norm"),
    [
        ("sim", 0.823916, 0.237930),
        ("pred", 0.883813, 0.115985),
        ("predsim", 0.824515, 0.235551),
    ],
)
def test_golden_losses(kind: str, loss: float, norm: float) -> None:
    objective = filled(PredSim((8, 4, 4), 3, predsim_loss=kind, dim_in_decoder=32))
    assert_golden(lambda r: objective(r, BATCH), features(8, 4), loss, norm)


def test_the_classifier_starts_at_zero() -> None:
    objective = PredSim((8, 4, 4), 3, dim_in_decoder=32)
    start = objective.decoder[-1].weight.clone()
    assert not start.any()
    filled(objective)
    with torch.no_grad():
        objective.decoder[-1].weight.zero_()
    assert_golden(lambda r: objective(r, BATCH), features(8, 4), 0.826663, 0.235550)


@pytest.mark.parametrize(
    ("dimensions", "kernels"),
    [
        (2048, [(8, 8), (16, 8), (8, 4), (8, 8), (4, 4), (2, 2)]),
        (4096, [(8, 4), (8, 8), (4, 4), (8, 4), (4, 2), (2, 1)]),
    ],
)
def test_pooling_is_that_of_the_authors_on_vgg8b(
    dimensions: int, kernels: list[tuple[int, int]]
) -> None:
    layers = [(128, 32), (256, 32), (256, 16), (512, 16), (512, 8), (512, 4)]
    for (channels, side), (high, wide) in zip(layers, kernels, strict=True):
        found = pooled_sides((channels, side, side), dimensions)
        assert found == (side // high, side // wide)
        pool = PredSim((channels, side, side), 10, dim_in_decoder=dimensions).decoder[0]
        r = torch.randn(2, 3, side, side)
        torch.testing.assert_close(pool(r), nn.AvgPool2d((high, wide))(r))
    assert pooled_sides((5000, 3, 3), 2048) == (1, 1)
    assert pooled_sides((100, 28, 28), 2048) == (4, 4)


@pytest.mark.parametrize(
    ("shape", "count"),
    [((256, 16, 16), 610_314), ((512, 8, 8), 2_379_786), ((512, 2, 2), 2_379_786)],
)
def test_parameters_after_a_block_of_vgg(shape: tuple[int, int, int], count: int) -> None:
    assert count_parameters(PredSim(shape, 10).parameters()) == count


def test_parameters_at_the_layers_of_vgg8b() -> None:
    run = Experiment(method="predsim", preset="paper", net="vgg", dataset="cifar10")
    assert (run.cut, run.num_components) == ("layer", 6 + 1)
    method = methods.build(run)
    assert count_parameters(method.affiliated_parameters()) == 8_527_932


@pytest.mark.parametrize("kind", ["pred", "sim"])
def test_one_term_alone_keeps_what_every_method_promises(kind: str) -> None:
    """With V = 0 ``pred`` has no gradient for the layer until V has moved."""
    assert check_method("predsim", predsim_loss=kind, width=0.1) == []
    objective = PredSim((8, 4, 4), 3, predsim_loss=kind)
    assert (objective.way_out() is None, objective.projection_head() is None) == (
        kind == "sim",
        kind == "pred",
    )


def test_beta_is_read_where_there_are_two_terms() -> None:
    with pytest.raises(ExperimentError, match="predsim_beta is not read with predsim_loss = sim"):
        Experiment(method="predsim", predsim_loss="sim", predsim_beta=0.5)
    with pytest.raises(ExperimentError, match="dim_in_decoder is not read with predsim_loss = sim"):
        Experiment(method="predsim", predsim_loss="sim", dim_in_decoder=64)
