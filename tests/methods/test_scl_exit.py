"""SCL + Exits against golden values, and whom its exits train."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.reference import LABELS, features, filled, loss_and_gradient
from support.runs import tiny
from torch import Tensor, nn

from delog_nb import methods
from delog_nb.components import Batch, Objective, heads
from delog_nb.components.component import Terms
from delog_nb.methods.delog_scl import ContrastiveObjective
from delog_nb.methods.early_exit import ExitObjective
from delog_nb.methods.scl_exit import ProbeObjective

SHAPE = (8, 4, 4)


def contrast(head: nn.Module) -> Objective:
    return ContrastiveObjective(head, 0.1, "authors")


def identity() -> Objective:
    return contrast(heads.projection_head("identity", SHAPE))


def classifier(hidden: int = 0) -> nn.Module:
    return heads.local_classifier(SHAPE, 3, hidden=hidden)


def small_head() -> nn.Module:
    return heads.projection_head("mlp", SHAPE, hidden=16, dim=32)


# of the authors' functions in float64: the loss, and the length of its gradient in the features
GOLDEN: dict[str, tuple[Any, tuple[float, float]]] = {
    "contrast alone": (identity, (1.027444, 0.341639)),
    "with a probe, the gradient is the same": (
        lambda: Terms([(1.0, identity()), (1.0, ProbeObjective(classifier()))]),
        (2.175070, 0.341639),
    ),
    "with an exit that shapes the block": (
        lambda: Terms([(1.0, identity()), (1.0, ExitObjective(classifier()))]),
        (2.175070, 0.363517),
    ),
    "mlp head and mlp probe": (
        lambda: Terms([(1.0, contrast(small_head())), (1.0, ProbeObjective(classifier(16)))]),
        (2.427403, 0.042371),
    ),
    "exit alone": (lambda: ExitObjective(classifier(16)), (1.615057, 0.019694)),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_values(case: str) -> None:
    make, expected = GOLDEN[case]
    h = features(8, 4)
    loss = filled(make())(h, Batch.of(LABELS))
    assert loss_and_gradient(loss, h) == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize("shaped", [False, True])
def test_the_exit_shapes_the_block_only_if_asked(shaped: bool) -> None:
    """The block's gradient is that of Delog-SCL with the same head, or has the exit's added."""
    method = methods.build(tiny(method="scl-exit", exit_gradient=shaped)).double()
    block, objective = method.parts()[0].layers, method.parts()[0].objective
    images, batch = torch.randn(8, 1, 16, 16).double(), Batch.of(torch.arange(4).repeat(2))
    weight = next(block.parameters())

    def gradient(loss: Tensor) -> Tensor:
        return torch.autograd.grad(loss, weight)[0]

    scl, probe = objective.terms
    whole = gradient(method.parts()[0](images, batch)[2])
    alone = gradient(scl(block(images), batch))
    exits = gradient(F.cross_entropy(probe.classifier(block(images)), batch.labels))
    torch.testing.assert_close(whole, alone + exits if shaped else alone)
    assert exits.norm() > 1e-3 * alone.norm()
    assert all(way is not None for way in method.ways_out())
    assert objective.projection_head() is scl.head
