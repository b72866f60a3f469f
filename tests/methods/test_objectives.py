"""Objectives made of others, and ways out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.runs import tiny
from torch import nn

import delog_nb
from delog_nb import ExperimentError, methods
from delog_nb.components import Batch, Component, CrossEntropy
from delog_nb.components.component import Terms


def test_a_long_flow_with_local_losses_has_the_gradients_of_their_sum() -> None:
    """Against one backward pass of the sum in float64."""
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh()), nn.Linear(8, 8),
              nn.Linear(8, 3)]  # fmt: skip

    class Exit(delog_nb.Objective):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = nn.Linear(8, 3)

        def forward(self, r: Any, batch: Batch) -> Any:
            return F.cross_entropy(self.classifier(r), batch.labels)

    first, second = Exit(), Exit()
    whole = Component(layers, CrossEntropy(), inside={2: second, 1: first}).double()
    images, labels = torch.randn(6, 1, 4, 4).double(), torch.arange(6) % 3
    batch = Batch.of(labels)
    loss = whole(images, batch)[2]
    loss.backward()
    found = [p.grad.clone() for p in whole.parameters()]
    whole.zero_grad()
    r1 = layers[0](images)
    r2 = layers[1](r1)
    plain = sum(F.cross_entropy(logits, labels) for logits in (
        layers[2](r2), first.classifier(r1), second.classifier(r2)
    ))  # fmt: skip
    plain.backward()
    assert loss.item() == pytest.approx(plain.item(), abs=1e-12)
    for gradient, p in zip(found, whole.parameters(), strict=True):
        torch.testing.assert_close(gradient, p.grad)
    with pytest.raises(ExperimentError, match="after layer 3, is not allowed: from 1 to 2"):
        Component(layers, CrossEntropy(), inside={3: first})


def test_terms_of_one_objective_are_a_weighted_sum() -> None:
    terms = Terms([(0.25, CrossEntropy()), (2.0, CrossEntropy())])
    logits, batch = torch.randn(5, 3, dtype=torch.float64), Batch.of(torch.arange(5) % 3)
    expected = 2.25 * F.cross_entropy(logits, batch.labels)
    torch.testing.assert_close(terms(logits, batch), expected)


HAS = {"early-exit": 5, "al": 4, "bp": 1, "delog-scl": 1, "dgl": 9, "predsim": 9, "auglocal": 6}


@pytest.mark.parametrize("name", HAS)
def test_exits_are_what_a_way_up_and_out_gives(name: str) -> None:
    method = methods.build(tiny(method=name)).eval()
    images = torch.randn(3, 1, 16, 16)
    exits = method.exits(images)
    assert len(exits) == len(method.parts())
    assert torch.equal(exits[-1], method.predict(images))
    assert sum(logits is not None for logits in exits) == HAS[name]
    r = images
    for part, logits in zip(method.parts(), exits, strict=True):
        r = part.layers(r)
        if name == "early-exit" and part is not method.parts()[-1]:
            assert torch.equal(logits, part.objective.classifier(r))
