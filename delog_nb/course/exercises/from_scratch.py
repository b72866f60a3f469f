"""Exercises of lesson 4, Delog-SCL from scratch."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.course.exercises import exercise
from delog_nb.instruments.memory import LiveBytes
from delog_nb.measure.reach import reach
from delog_nb.methods.component import count_parameters
from delog_nb.methods.heads import projection_head


class Piece(nn.Module):
    """A component such as the lesson builds: ``piece(r, labels) -> (features, loss)``."""

    def __init__(self, inputs: int, outputs: int, classes: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.Tanh())
        self.head = nn.Linear(outputs, classes)

    def forward(self, r: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        r = self.block(r)
        return r, F.cross_entropy(self.head(r.mean((2, 3))), labels)


def _pieces(count: int, width: int) -> nn.ModuleList:
    return nn.ModuleList([Piece(1 if n == 0 else width, width, 3) for n in range(count)])


def _cut_input(piece: nn.Module, r: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    r, loss = piece(r.detach(), labels)
    return r, loss


def _cut_loss(piece: nn.Module, r: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    r, loss = piece(r, labels)
    return r, loss.detach()


def _cut_output(piece: nn.Module, r: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    r, loss = piece(r, labels)
    return r.detach(), loss


def _no_graph(piece: nn.Module, r: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        r, loss = piece(r, labels)
    return r, loss


LINES = {"A": _cut_input, "B": _cut_loss, "C": _cut_output, "D": _no_graph}


def _what_is_wrong(line: Callable[..., tuple[Tensor, Tensor]]) -> str | None:
    """What a line does to the gradients of three components, or None where it isolates them."""
    pieces, labels = _pieces(3, 4), torch.randint(0, 3, (6,))
    r, losses = torch.randn(6, 1, 5, 5), []
    for piece in pieces:
        r, loss = line(piece, r, labels)
        losses.append(loss)
    if not all(loss.requires_grad for loss in losses):
        return "no component gets any gradient"
    own = torch.eye(3, dtype=torch.bool)
    arrives = ~reach(losses, list(pieces)).isnan()
    return "a loss reaches other components" if (arrives & ~own).any() else None


@exercise("cut-the-flow")
def cut_the_flow(answer: set[str]) -> str | None:
    """Which of the lines A to D keep each gradient in its own component."""
    if not isinstance(answer, set | frozenset | list | tuple) or not set(answer) <= set(LINES):
        return "give a set of letters from A to D, such as {'A', 'B'}"
    for letter, line in LINES.items():
        wrong = _what_is_wrong(line)
        if letter in answer and wrong:
            return f"with line {letter} {wrong}"
        if letter not in answer and not wrong:
            return f"line {letter} works as well: follow r from one component into the next"
    return None


def _by_sum(pieces: nn.ModuleList, images: Tensor, labels: Tensor) -> None:
    r, losses = images, []
    for piece in pieces:
        r, loss = piece(r.detach(), labels)
        losses.append(loss)
    torch.stack(losses).sum().backward()


def _one_by_one(pieces: nn.ModuleList, images: Tensor, labels: Tensor) -> None:
    r = images
    for piece in pieces:
        r, loss = piece(r.detach(), labels)
        loss.backward()


def _peak(step: Callable[..., Any], *given: Any) -> int:
    """Most bytes of tensors that are alive at once in a call of ``step``."""
    with LiveBytes() as live:
        step(*given)
    return live.peak


@exercise("one-graph")
def one_graph(answer: Callable[[nn.ModuleList, Tensor, Tensor], Any]) -> str | None:
    """Gradients as from the sum of all losses, with one component's graph alive at a time."""
    for count in (2, random.randint(6, 8)):
        pieces = _pieces(count, 8)
        reference, spare = copy.deepcopy(pieces), copy.deepcopy(pieces)
        images, labels = torch.randn(4, 1, 16, 16), torch.randint(0, 3, (4,))
        most = _peak(_by_sum, reference, images, labels)
        least = _peak(_one_by_one, spare, images, labels)
        try:
            found = _peak(answer, pieces, images, labels)
        except RuntimeError as error:
            if "second time" not in str(error):
                raise
            return (
                "a loss flows back into the component below, whose graph is freed by then: where "
                "is the detach?"
            )
        for number, (mine, theirs) in enumerate(zip(pieces, reference, strict=True), 1):
            for p, q in zip(mine.parameters(), theirs.parameters(), strict=True):
                if p.grad is None or q.grad is None:
                    return f"parameters of component {number} of {count} have no gradient"
                if not torch.allclose(p.grad, q.grad, rtol=1e-4, atol=1e-6):
                    return (
                        f"the gradients of component {number} of {count} are not those of its own "
                        f"loss alone"
                    )
        if count > 2 and found > (most + least) / 2:
            return (
                f"the gradients are right, but with {count} components {found / 1e3:.0f} kB of "
                f"tensors are alive at once where {least / 1e3:.0f} are enough: let go of each "
                f"component's graph before the next one begins"
            )
    return None


@exercise("head-size")
def head_size(answer: Callable[[int, int, int, int], int]) -> str | None:
    """Parameters of a projection head: flatten, linear, ReLU, linear."""
    for _ in range(10):
        channels, side, hidden, dim = (random.randint(2, 40) for _ in range(4))
        with torch.device("meta"):
            head = projection_head("mlp", (channels, side, side), hidden=hidden, dim=dim)
        right, found = count_parameters(head.parameters()), int(answer(channels, side, hidden, dim))
        said = (
            f"{channels} channels of {side} × {side} pixels, {hidden} hidden units, {dim} outputs"
        )
        if found == right - hidden - dim:
            return f"for {said} it gives {found:,}: each linear layer also has a bias"
        if found != right:
            return f"for {said} it gives {found:,}, and the package's head has {right:,}"
    return None
