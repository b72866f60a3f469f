"""Leaving early against a way through all exits, sample by sample."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.runs import tiny
from torch import Tensor, nn

from delog_nb import ExperimentError, data, methods, train
from delog_nb.components import CrossEntropy, Method, Objective
from delog_nb.components.component import Component
from delog_nb.data import Views
from delog_nb.measure.exits import (
    agreeing,
    confident,
    exit_accuracies,
    leave_early,
    leaving,
    multiply_adds,
)


class Counting:
    """How many samples each component's layers have seen."""

    def __init__(self, method: Method) -> None:
        self.seen = [0] * len(method.parts())
        for place, part in enumerate(method.parts()):
            part.layers.register_forward_pre_hook(self._count(place))

    def _count(self, place: int) -> Any:
        def hook(_: nn.Module, args: tuple[Tensor]) -> None:
            self.seen[place] += len(args[0])

        return hook


def by_hand(exits: list[Tensor | None], rule: Any) -> tuple[list[list[float]], list[int]]:
    """Sample by sample, of the logits of all exits."""
    answers, taken = [], []
    open_exits = [(number, e) for number, e in enumerate(exits, 1) if e is not None]
    for sample in range(len(open_exits[0][1])):
        before: list[float] | None = None
        for number, logits in open_exits:
            said = logits[sample].tolist()
            if number == len(exits) or rule(said, before):
                break
            before = said
        answers.append(said)
        taken.append(number)
    return answers, taken


def sure(threshold: float) -> Any:
    def rule(said: list[float], before: list[float] | None) -> bool:
        del before
        return max(math.exp(x) for x in said) / sum(math.exp(x) for x in said) > threshold

    return rule


def agree(said: list[float], before: list[float] | None) -> bool:
    if before is None or said.index(max(said)) != before.index(max(before)):
        return False
    dot = sum(a * b for a, b in zip(said, before, strict=True))
    return dot / math.hypot(*said) / math.hypot(*before) > 0.8


def check_leaving(method: Method, images: Tensor, rule: Any, plain: Any) -> list[int]:
    """``leave_early`` against the logits of all exits; the exits that were taken."""
    with torch.no_grad():
        all_exits = method.eval().exits(images)
    answers, taken = by_hand(all_exits, plain)
    counting = Counting(method.train())
    found = leave_early(method, images, rule)
    assert method.training
    assert found.exits.tolist() == taken
    torch.testing.assert_close(found.logits, torch.tensor(answers).double())
    assert counting.seen == [
        sum(number >= place for number in taken) for place in range(1, len(all_exits) + 1)
    ]
    return taken


@pytest.mark.parametrize("name", ["scl-exit", "early-exit", "al", "delog-scl", "bp"])
@pytest.mark.parametrize("net", ["convnet", "vgg"])
def test_leaving_early_answers_as_all_exits_would(name: str, net: str) -> None:
    method = methods.build(tiny(method=name, net=net, width=0.1)).double()
    images = torch.randn(40, 1, 16, 16, generator=torch.Generator().manual_seed(0)).double()
    torch.manual_seed(0)
    with torch.no_grad():
        for p in method.parameters():
            p.normal_(0, 0.2)  # untrained exits say nearly the same of all images
        method.train().exits(images)  # statistics of BatchNorm that are not those of the beginning
        logits = next(logits for logits in method.eval().exits(images) if logits is not None)
    threshold = round(logits.softmax(1).amax(1).median().item(), 6)
    taken = check_leaving(method, images, confident(threshold), sure(threshold))
    if name in ("scl-exit", "early-exit", "al"):
        assert 10 < taken.count(1) < 30
    else:
        assert set(taken) == {len(method.parts())}


def test_rows_of_samples_that_left_are_left_out() -> None:
    """Where features have several rows a sample: first row 1 of all."""

    class Twice(nn.Module):
        def forward(self, r: Tensor) -> Tensor:
            return torch.cat([r, 10 * r])

    class Mean(nn.Module):
        def forward(self, r: Tensor) -> Tensor:
            return r.unflatten(0, (2, -1)).mean(0)

    class Exit(CrossEntropy):
        def way_out(self) -> nn.Module:
            return Mean()

    method = Method([Component([Twice()], Exit()), Component([Mean()], CrossEntropy())])
    images = torch.tensor([[3.0, 0.0], [0.1, 0.0], [0.0, 2.0], [0.0, 0.2]])
    found = leave_early(method, images, confident(0.99))
    assert found.exits.tolist() == [1, 2, 1, 2]
    torch.testing.assert_close(found.logits, 5.5 * images)


def test_the_rule_of_agreement() -> None:
    before = torch.tensor([[2.0, 1, 0], [0, 1, 3]])
    logits = torch.tensor([[1.0, 0, 0], [1, 2, 0]])
    cosines = F.cosine_similarity(before, logits, dim=1).tolist()
    assert cosines == pytest.approx([0.894427, 0.282843], abs=1e-6)
    assert agreeing()(logits, before).tolist() == [True, False]
    assert agreeing(0.9)(logits, before).tolist() == [False, False]
    # the same class, in another direction; another class, in nearly the same
    before = torch.tensor([[5.0, 4, 0], [1.0, 0.99, 0]])
    logits = torch.tensor([[5.0, 0, 4], [0.99, 1.0, 0]])
    assert agreeing()(logits, before).tolist() == [False, False]
    assert agreeing()(logits, None).tolist() == [False, False]


def test_what_is_refused() -> None:
    with pytest.raises(ExperimentError, match=r"threshold = 1\.5 is not allowed: a number from 0"):
        confident(1.5)
    with pytest.raises(ExperimentError, match="cosine = -2 is not allowed: a number from -1"):
        agreeing(-2)
    blind = Method([Component([nn.Flatten()], Objective())])
    with pytest.raises(ExperimentError, match="the last component has no way out"):
        leave_early(blind, torch.zeros(1, 2), confident(0.5))


def test_multiply_adds_are_those_of_the_layers_up_to_an_exit() -> None:
    """ConvNet by hand: 3x3 convolutions on 16x16 images, exits on features pooled to 4 x 4."""
    experiment = tiny(method="scl-exit", width=0.25, pool=4, exit_hidden=8, depth=2)
    method = methods.build(experiment)
    one = 16 * 16 * 9 * (1 * 8 + 8 * 8)  # block 1: 8 channels
    two = 9 * 8 * 8 * (16 * 16 + 8 * 8)  # block 2 halves the side
    way = 8 * 16 * 8 + 8 * 10
    last = 8 * 8 * 8 * 375 + 375 * 10
    sums = [one + way, one + two + 2 * way, one + two + 2 * way + last]
    assert multiply_adds(method, (1, 16, 16)) == sums


def test_what_comes_of_leaving_early() -> None:
    experiment = tiny(method="scl-exit", width=0.25, epochs=3)
    images = data.load(experiment)
    run = train(experiment, data=images)
    by_exit, costs = exit_accuracies(run, images), multiply_adds(run.model, images.shape)
    first, last = leaving(run, images, confident(0.0)), leaving(run, images, confident(1.0))
    assert first.accuracy == pytest.approx(by_exit[0])
    assert (first.mean_exit, first.multiply_adds) == (1, costs[0])
    assert last.accuracy == pytest.approx(run.test_acc)
    assert (last.mean_exit, last.multiply_adds) == (5, costs[-1])
    some = leaving(run, images, agreeing())
    assert 2 < some.mean_exit < 5
    assert costs[1] <= some.multiply_adds < costs[-1]
    views = Views.of(experiment, images.mean, images.std)
    test = views.normalize(images.test.images).double()
    taken = check_leaving(run.model.double(), test, agreeing(), agree)
    assert sum(taken) / len(taken) == pytest.approx(some.mean_exit)
    assert len(set(taken)) > 1
