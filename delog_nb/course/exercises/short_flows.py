"""Exercises of lesson 5, several short flows or one long one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.course.exercises import Question, exercise, many, seeded
from delog_nb.course.replies import ANYTHING, close, tell
from delog_nb.losses import supervised_contrastive_loss


def _gaps(rng: Random) -> Question:
    """Eighths of a point: sums of them are exact in any order."""
    return ([rng.choice([-1, 1, 1]) * rng.randint(1, 40) / 8 for _ in range(rng.randint(3, 8))],)


_LOWER: list[Question] = [([-2.0, -1.0, -4.0],), ([1.5, 0.5, -3.0, -2.5],)]  # negative means


@exercise("sign-flips", many(10, _gaps, after=_LOWER))
def sign_flips(given: float, gaps: Sequence[float]) -> str | None:
    """The p of a sign-flip test: two-sided, over all 2^n patterns of signs."""
    ways = list(itertools.product((1, -1), repeat=len(gaps)))
    sums = [sum(sign * gap for sign, gap in zip(way, gaps, strict=True)) for way in ways]
    real = sum(gaps)
    right = sum(abs(one) >= abs(real) for one in sums) / len(sums)
    said = f"for the gaps {gaps} it gives {given:.4f}, not {right:.4f}"
    mistakes = [
        (
            sum(abs(one) > abs(real) for one in sums) / len(sums),
            f"{said}: the gaps as they were measured are one of the ways, and count",
        ),
        (
            sum(one >= real for one in sums) / len(sums),
            f"{said}: a mean as far below 0 is as surprising as one above it",
        ),
        (
            sum(one >= abs(real) for one in sums) / len(sums),
            f"{said}: a mean as far below 0 is as surprising as one above it",
        ),
        (right * len(sums), f"{said}: p is a share of all ways, not their number"),
        (1 - right, f"{said}: p is the share of ways that are at least as far from 0, not less"),
    ]
    return tell(given, right, mistakes, f"{said}: there are {len(sums)} ways to set the signs")


Loss = Callable[[Tensor, Tensor], Tensor]
_CLASSES, _WIDTH = 3, 6


def _control(
    blocks: Sequence[nn.Module],
    heads: Sequence[nn.Module],
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    local_loss: Loss,
    cut: tuple[str, ...] = (),
) -> Tensor:
    """All losses of one flow; ``cut``: where it detaches by mistake."""

    def cut_at(place: str, r: Tensor) -> Tensor:
        return r.detach() if place in cut else r

    r, total = images, torch.zeros((), dtype=images.dtype)
    for block, head in zip(blocks, heads, strict=True):
        r = block(cut_at("block", r))
        total = total + local_loss(head(cut_at("head", r)), labels)
    return total + F.cross_entropy(classifier(cut_at("classifier", r)), labels)


Way = Callable[..., Tensor]


def _gradients(way: Way, seed: int, count: int, images: Tensor, labels: Tensor) -> Any:
    """The loss, and its gradients in the first block, the last one, the heads, the classifier."""
    with seeded(seed):
        blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(_WIDTH, _WIDTH), nn.Tanh()) for _ in range(count)
        )
        heads = nn.ModuleList(nn.Linear(_WIDTH, 4) for _ in range(count))
        classifier = nn.Linear(_WIDTH, _CLASSES)
    nn.ModuleList([blocks, heads, classifier]).double()
    loss = way(blocks, heads, classifier, images, labels, supervised_contrastive_loss)
    if not isinstance(loss, Tensor):
        return None
    if loss.requires_grad:
        loss.backward()
    parts = (blocks[0], blocks[-1], heads, classifier)
    with torch.no_grad():
        flat = [
            torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in own])
            for own in (list(part.parameters()) for part in parts)
        ]
    return loss.detach().item(), flat


def _networks(rng: Random) -> Question:
    images = torch.randn(8, _WIDTH, dtype=torch.float64)
    return rng.getrandbits(32), rng.randint(2, 4), images, torch.arange(8) % _CLASSES


_MISTAKES: list[tuple[tuple[str, ...], str]] = [
    (
        ("head", "classifier"),
        "no loss reaches the blocks: they keep their first weights, and only heads and classifier "
        "learn",
    ),
    (
        ("classifier",),
        "the blocks do not hear the cross-entropy: in the control, the loss at the end reaches "
        "them all, as in BP",
    ),
    (
        ("head",),
        "the blocks hear the cross-entropy alone: heads without a way back into their block leave "
        "it BP",
    ),
    (
        ("block", "classifier"),
        "each block hears its own loss alone: that is Delog-SCL, and the control has no cuts",
    ),
    (
        ("block",),
        "the flow is cut between the blocks: the control has Delog-SCL's losses and no cuts",
    ),
]


@exercise("find-the-control", many(4, _networks), _gradients, ANYTHING)
def find_the_control(
    given: Any, seed: int, count: int, images: Tensor, labels: Tensor
) -> str | None:
    """Losses after each block and at the end, in one flow without a cut."""
    if given is None:
        return "return the loss, a tensor"
    value, found = given

    def same(cut: tuple[str, ...]) -> bool:
        _, expected = _gradients(partial(_control, cut=cut), seed, count, images, labels)
        return all(close(a, b) for a, b in zip(found, expected, strict=True))

    if same(()):
        right = _gradients(_control, seed, count, images, labels)[0]
        if abs(value - right) <= 1e-6 * abs(right):
            return None
        return f"the gradients are right, but the loss is {value:.4f} and not {right:.4f}"
    wrong = next((why for cut, why in _MISTAKES if same(cut)), None)
    return wrong or "the gradients are not those of all local losses and the cross-entropy"


Setting = Mapping[str, str]
_CHOICES = {
    "losses": ("none", "contrastive", "cross-entropy"),
    "flow": ("long", "cut"),
    "norm": ("none", "batch"),
    "optimizer": ("adam", "sgd"),
}
_STUCK = {"losses": "none", "flow": "cut"}  # blocks that no gradient reaches


def _possible(setting: Mapping[str, Any]) -> bool:
    return not _STUCK.items() <= setting.items()


def _ends(rng: Random) -> Question:
    while True:
        keys = rng.sample(list(_CHOICES), len(_CHOICES))  # in any order
        start, end = ({key: rng.choice(_CHOICES[key]) for key in keys} for _ in range(2))
        if start != end and _possible(start) and _possible(end):
            return start, end


_BP = {"losses": "none", "flow": "long", "norm": "none"}
_SCL = {"losses": "contrastive", "flow": "cut", "norm": "none"}
_BOTH_WAYS: list[Question] = [
    (_BP, _SCL),
    (_SCL, _BP),
    (dict(reversed(_BP.items())), dict(reversed(_SCL.items()))),
    (dict(reversed(_SCL.items())), dict(reversed(_BP.items()))),
]


@exercise("chain-of-controls", many(12, _ends, after=_BOTH_WAYS), wants=ANYTHING)
def chain_of_controls(given: Any, start: Setting, end: Setting) -> str | None:
    """Settings from one to another, of which neighbours differ in one choice."""
    if not isinstance(given, list | tuple) or not all(isinstance(s, dict) for s in given):
        return "return a list of settings, each a dictionary"
    if not given or given[0] != start or given[-1] != end:
        return (
            f"a chain begins with the first setting and ends with the second: {_ways(start, end)}"
        )
    if any(s.keys() != start.keys() for s in given):
        return f"each setting makes all choices: {', '.join(sorted(start))}"
    for number, (before, after) in enumerate(itertools.pairwise(given), 1):
        changed = sorted(key for key in start if before[key] != after[key])
        if len(changed) > 1:
            return (
                f"step {number} changes {' and '.join(changed)}: a difference there has "
                f"{len(changed)} suspects ({_ways(start, end)})"
            )
    stuck = next((n for n, s in enumerate(given) if not _possible(s)), None)
    if stuck is not None:
        return (
            f"setting {stuck + 1} cuts the flow and has no local losses: no gradient reaches its "
            f"blocks ({_ways(start, end)})"
        )
    needed = 1 + sum(start[key] != end[key] for key in start)
    if len(given) > needed:
        return (
            f"{len(given)} settings, where {needed} are enough: every one costs hours of training"
        )
    return None


def _ways(start: Setting, end: Setting) -> str:
    changed = [
        f"{key} {start[key]} → {end[key]}" for key in sorted(start) if start[key] != end[key]
    ]
    return ", ".join(changed)
