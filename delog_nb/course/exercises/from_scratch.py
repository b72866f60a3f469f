"""Exercises of lesson 4, Delog-SCL from scratch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.course.exercises import Question, exercise, itself, once, seeded
from delog_nb.course.replies import ANYTHING, TENSOR, close, names_in, tell
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


# What the lesson goes on with where a blank is not filled in yet.


def local_scl(z: Tensor, labels: Tensor, tau: float) -> Tensor:
    """Eq. 2, a mean over anchors."""
    z = F.normalize(z)  # (N, D), rows of norm 1
    itself = torch.eye(len(z), dtype=torch.bool)
    log_share = (z @ z.T / tau).masked_fill(itself, -torch.inf).log_softmax(1)
    positive = (labels[:, None] == labels) & ~itself  # row i: P(i)
    return -(log_share.where(positive, 0).sum(1) / positive.sum(1)).mean()


def local_step(
    network: Iterable[nn.Module],
    optimizers: Iterable[torch.optim.Optimizer],
    batch: Tensor,
    labels: Tensor,
) -> None:
    """A training step in which no gradient leaves its component."""
    r = batch
    for component, optimizer in zip(network, optimizers, strict=True):
        r, loss = component(r.detach(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def predict_past_heads(network: Iterable[nn.Module], batch: Tensor) -> Tensor:
    """Eq. 6: through the blocks, past every head."""
    for component in network:
        batch = component.get_submodule("block")(batch)
    return batch


GIVEN: dict[str, Callable[..., Any]] = {
    "local-scl": local_scl,
    "local-step": local_step,
    "predict-past-heads": predict_past_heads,
}


def _embeddings(rng: Random) -> list[Question]:
    made = []
    for _ in range(8):
        images, width = rng.randint(3, 8), rng.randint(2, 6)
        labels = torch.randint(0, 3, (images,)).repeat(2)  # two views: each has a positive
        made.append((3 * torch.randn(2 * images, width), labels, rng.uniform(0.1, 1.0)))
    return made


def _slow_scl(z: Tensor, labels: Tensor, tau: float, unit: bool, self_too: bool) -> float:
    """Eq. 2 term by term."""
    rows = [row / row.norm() if unit else row for row in z.double()]
    total = 0.0
    for i, anchor in enumerate(rows):
        others = [j for j in range(len(rows)) if j != i]
        scores = {j: float(anchor @ rows[j]) / tau for j in range(len(rows))}
        counted = [*scores] if self_too else others
        top = max(scores[j] for j in counted)
        below = sum(math.exp(scores[j] - top) for j in counted)
        positives = [j for j in others if labels[j] == labels[i]]
        total -= sum(scores[p] - top - math.log(below) for p in positives) / len(positives)
    return total / len(rows)


@exercise("local-scl", _embeddings)
def judge_local_scl(given: float, z: Tensor, labels: Tensor, tau: float) -> str | None:
    """Eq. 2 as a mean over anchors."""
    right = _slow_scl(z, labels, tau, unit=True, self_too=False)
    mistakes = [
        (right * len(z), "it is the sum over anchors, and the mean is asked for"),
        (_slow_scl(z, labels, tau, unit=False, self_too=False), "rows of z have norm 1 first"),
        (_slow_scl(z, labels, tau, unit=True, self_too=True), "the sum below leaves j = i out"),
        (_slow_scl(z, labels, 1.0, unit=True, self_too=False), "the similarities are over tau"),
        (-right, "its sign is the wrong way round: a loss falls as the shares of positives rise"),
    ]
    otherwise = f"for {len(z)} views it gives {given:.4f}, and Eq. 2 {right:.4f}"
    return tell(given, right, mistakes, otherwise, rel_tol=1e-4)


def _batches(rng: Random) -> list[Question]:
    return [
        (rng.getrandbits(32), count, torch.randn(4, 1, 8, 8), torch.randint(0, 3, (4,)))
        for count in (1, 3)
    ]


def _twice(step: Callable[..., Any], seed: int, count: int, images: Tensor, labels: Tensor) -> Any:
    """By component, its parameters after two steps; or a text, where a freed graph was needed."""
    with seeded(seed):
        pieces = _pieces(count, 4)
    optimizers = [torch.optim.SGD(piece.parameters(), 0.1) for piece in pieces]
    try:
        for _ in range(2):
            step(pieces, optimizers, images, labels)
    except RuntimeError as error:
        if "second time" not in str(error):
            raise
        return str(error)
    return [[p.detach() for p in piece.parameters()] for piece in pieces]


def _uncut(
    pieces: Iterable[nn.Module],
    optimizers: Iterable[torch.optim.Optimizer],
    batch: Tensor,
    labels: Tensor,
) -> None:
    losses = []
    for piece in pieces:
        batch, loss = piece(batch, labels)
        losses.append(loss)
    for optimizer in optimizers:
        optimizer.zero_grad()
    torch.stack(losses).sum().backward()
    for optimizer in optimizers:
        optimizer.step()


def _piled_up(
    pieces: Iterable[nn.Module],
    optimizers: Iterable[torch.optim.Optimizer],
    batch: Tensor,
    labels: Tensor,
) -> None:
    for piece, optimizer in zip(pieces, optimizers, strict=True):
        batch, loss = piece(batch.detach(), labels)
        loss.backward()
        optimizer.step()


@exercise("local-step", _batches, _twice, ANYTHING)
def judge_local_step(
    given: Any, seed: int, count: int, images: Tensor, labels: Tensor
) -> str | None:
    """A step that changes each component by its own loss, and by nothing else."""
    if isinstance(given, str):
        return (
            "a loss flows back into the component below, whose graph is freed by then: where "
            "is the detach?"
        )

    def same_as(step: Callable[..., Any]) -> bool:
        expected = _twice(step, seed, count, images, labels)
        pairs = list(zip(given, expected, strict=True))
        return all(
            close(torch.as_tensor(p), q, rtol=1e-4, atol=1e-6)
            for mine, theirs in pairs
            for p, q in zip(mine, theirs, strict=True)
        )

    if same_as(local_step):
        return None
    if same_as(lambda *_: None):
        return "no parameter changes: the optimizers have to take a step"
    if same_as(_piled_up):
        return "the second step still has the first one's gradients: zero_grad before backward"
    if same_as(_uncut):
        return f"with {count} components, a loss also changes the components below its own"
    return f"with {count} components, the parameters are not those that each one's own loss gives"


@exercise(
    "predict-past-heads",
    _batches,
    lambda predict, seed, count, images, _: predict(_without_heads(seed, count), images),
    TENSOR,
)
def judge_predict(given: Tensor, seed: int, count: int, images: Tensor, _: Tensor) -> str | None:
    """The output of the last block, without heads and labels."""
    network = _without_heads(seed, count)
    if close(given, predict_past_heads(network, images), rtol=1e-4, atol=1e-6):
        return None
    if count > 1 and close(given, predict_past_heads([network[0]], images), rtol=1e-4, atol=1e-6):
        return "it is the output of the first block: a prediction goes through all of them"
    return f"with {count} components it is not what comes out of the last block"


def _without_heads(seed: int, count: int) -> nn.ModuleList:
    with seeded(seed):
        network = _pieces(count, 4)
    for piece in network:
        del piece.head  # training is over
    return network


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


# Five blocks and a classifier, cut after the first and the third.
_DRAWN = {"SCL1": {"f1", "g1"}, "SCL3": {"f2", "f3", "g3"}, "CE6": {"f4", "f5", "f6"}}


@exercise("drawn", once, itself, ANYTHING._replace(words="give a dictionary of sets of names"))
def drawn(answer: dict[str, Any]) -> str | None:
    """Which modules each loss changes in a network with two cuts."""
    found = {loss: names_in(names) for loss, names in answer.items()}
    if len(found) != len(_DRAWN):
        return (
            f"it has {len(found)} losses: two cuts make three pieces, and each piece has one loss, "
            "at its end"
        )
    if found.keys() != _DRAWN.keys():
        return f"its losses are {', '.join(found)}: each is named after the last block it has"
    for loss, right in _DRAWN.items():
        more, less = sorted(found[loss] - right), sorted(right - found[loss])
        if any(name.startswith("g") for name in more):
            return f"{loss} does not change {more[0]}: a piece has one head, below its loss"
        if more:
            return f"{loss} does not change {more[0]}: a cut is in between, or it lies above"
        if less:
            return f"{loss} also changes {less[0]}, which lies between it and the cut below"
    return None


# The first thing to try in each case, and why it is not each of the others.
_CASES = {
    "A": ("rescale", "the features vanish on their way up as well, which no cut changes"),
    "B": ("recompute", "it has to have the very gradient of BP, with less memory"),
    "C": ("cut", "each machine waits for the other, and only a cut ends the waiting"),
    "D": ("leave", "neither memory nor waiting is in the way, and BP is the simplest"),
    "E": (
        "cut",
        "small heads cost less time than a second forward pass, and the gradient need not be BP's",
    ),
    "F": ("leave", "with BatchNorm and shortcuts gradients do not vanish, and the loss falls"),
}


@exercise("cut-or-not", once, itself, ANYTHING._replace(words="give a dictionary of words"))
def cut_or_not(answer: dict[str, str]) -> str | None:
    """When a cut is the first thing to try, and when something else is."""
    choices = sorted({choice for choice, _ in _CASES.values()})
    if answer.keys() != _CASES.keys() or not names_in(answer.values()) <= set(choices):
        return f"give one of {', '.join(choices)} for each of {', '.join(_CASES)}"
    for case, (right, why) in _CASES.items():
        if answer[case] != right:
            return f"{case} is not a case for {answer[case]}: {why}"
    return None
