"""Exercises of lesson 4, Delog-SCL from scratch."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.components.component import count_parameters
from delog_nb.components.heads import projection_head
from delog_nb.course.exercises import Question, exercise, itself, many, once, seeded
from delog_nb.course.replies import ANYTHING, close, tell
from delog_nb.instruments.memory import LiveBytes
from delog_nb.measure.reach import reach


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
    return piece(r.detach(), labels)


def _cut_loss(piece: nn.Module, r: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    r, loss = piece(r, labels)
    return r, loss.detach()


def _cut_output(piece: nn.Module, r: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    r, loss = piece(r, labels)
    return r.detach(), loss


def _no_graph(piece: nn.Module, r: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return piece(r, labels)


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


@exercise("cut-the-flow", once, itself, ANYTHING)
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


def _batches(rng: Random) -> list[Question]:
    return [
        (rng.getrandbits(32), count, torch.randn(4, 1, 16, 16), torch.randint(0, 3, (4,)))
        for count in (2, rng.randint(6, 8))
    ]


def _step(step: Callable[..., Any], seed: int, count: int, images: Tensor, labels: Tensor) -> Any:
    """Most bytes of tensors alive at once in ``step``, and the gradients of each component.

    Or a text, where a loss flowed into a graph that had been freed.
    """
    with seeded(seed):
        pieces = _pieces(count, 8)
    try:
        with LiveBytes() as live:
            step(pieces, images, labels)
    except RuntimeError as error:
        if "second time" not in str(error):
            raise
        return str(error)
    return live.peak, [[p.grad for p in piece.parameters()] for piece in pieces]


@exercise("one-graph", _batches, _step, ANYTHING)
def one_graph(given: Any, seed: int, count: int, images: Tensor, labels: Tensor) -> str | None:
    """Gradients as from the sum of all losses, with one component's graph alive at a time."""
    if isinstance(given, str):
        return (
            "a loss flows back into the component below, whose graph is freed by then: where "
            "is the detach?"
        )
    most, right = _step(_by_sum, seed, count, images, labels)
    least, _ = _step(_one_by_one, seed, count, images, labels)
    found, gradients = given
    for number, (mine, theirs) in enumerate(zip(gradients, right, strict=True), 1):
        for gradient, wanted in zip(mine, theirs, strict=True):
            if gradient is None:
                return f"parameters of component {number} of {count} have no gradient"
            if not close(gradient, wanted, rtol=1e-4, atol=1e-6):
                return (
                    f"the gradients of component {number} of {count} are not those of its own "
                    f"loss alone"
                )
    if count > 2 and not found <= (most + least) / 2:  # nor is it NaN
        return (
            f"the gradients are right, but with {count} components {found / 1e3:.0f} kB of "
            f"tensors are alive at once where {least / 1e3:.0f} are enough: let go of each "
            f"component's graph before the next one begins"
        )
    return None


@exercise("head-size", many(10, lambda rng: tuple(rng.randint(2, 40) for _ in range(4))))
def head_size(given: float, channels: int, side: int, hidden: int, dim: int) -> str | None:
    """Parameters of a projection head: flatten, linear, ReLU, linear."""
    with torch.device("meta"):
        head = projection_head("mlp", (channels, side, side), hidden=hidden, dim=dim)
    right = count_parameters(head.parameters())
    said = (
        f"for {channels} channels of {side} × {side} pixels, {hidden} hidden units, {dim} outputs "
        f"it gives {given:,}"
    )
    mistakes = [(right - hidden - dim, f"{said}: each linear layer also has a bias")]
    otherwise = f"{said}, and the package's head has {right:,}"
    return tell(given, right, mistakes, otherwise, rel_tol=0, abs_tol=0)
