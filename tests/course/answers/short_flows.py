"""Answers to the exercises of short flows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats


def flips(gaps: list[float]) -> np.ndarray:
    signs = np.array(list(itertools.product((1, -1), repeat=len(gaps))))
    return (signs * gaps).mean(1)


def by_scipy(gaps: list[float]) -> float:
    exact = stats.permutation_test(
        (gaps,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    return float(exact.pvalue)


def both_sides(gaps: list[float]) -> float:
    return float((abs(flips(gaps)) >= abs(np.mean(gaps)) - 1e-12).mean())


def one_flow(
    blocks: Any, heads: Any, classifier: Any, images: Any, labels: Any, loss: Any, **cut: bool
) -> torch.Tensor:
    def way(place: str, r: torch.Tensor) -> torch.Tensor:
        return r.detach() if cut.get(place) else r

    r, found = images, []
    for block, head in zip(blocks, heads, strict=True):
        r = block(way("block", r))
        found.append(loss(head(way("head", r)), labels))
    return sum(found) + F.cross_entropy(classifier(way("out", r)), labels)


def all_at_the_end(
    blocks: Any, heads: Any, classifier: Any, images: Any, labels: Any, loss: Any
) -> torch.Tensor:
    """Features first, then all losses."""
    seen = list(itertools.accumulate(blocks, lambda r, block: block(r), initial=images))
    found = [F.cross_entropy(classifier(seen[-1]), labels)]
    found += [loss(head(r), labels) for head, r in zip(heads, seen[1:], strict=True)]
    return torch.stack(found).sum()


def chain(start: dict[str, str], end: dict[str, str], first: str = "") -> list[dict[str, str]]:
    """Losses come before a cut, and go after it; ``first`` is changed before all others."""
    found = [start]
    order = ["losses", "flow"] if end["flow"] == "cut" else ["flow", "losses"]
    order = [*order, *(key for key in start if key not in order)]
    for key in sorted(order, key=lambda key: key != first):
        if start[key] != end[key]:
            found.append(found[-1] | {key: end[key]})
    return found


RIGHT: list[tuple[str, Any]] = [
    ("sign-flips", both_sides),
    ("sign-flips", by_scipy),
    ("find-the-control", one_flow),
    ("find-the-control", all_at_the_end),
    ("chain-of-controls", chain),
    ("chain-of-controls", lambda a, b: tuple(chain(a, b, first="norm"))),
    ("chain-of-controls", lambda a, b: chain(b, a)[::-1]),
]


WRONG: list[tuple[str, Any, str]] = [
    ("sign-flips", lambda g: (flips(g) >= np.mean(g) - 1e-12).mean(), "as far below 0"),
    ("sign-flips", lambda g: (flips(g) >= abs(np.mean(g)) - 1e-12).mean(), "as far below 0"),
    (
        "sign-flips",
        lambda g: (abs(flips(g)) > abs(np.mean(g)) + 1e-12).mean(),
        "are one of the ways, and count",
    ),
    ("sign-flips", lambda g: both_sides(g) * 2 ** len(g), "not their number"),
    ("sign-flips", lambda g: 1 - both_sides(g), "not less"),
    ("sign-flips", lambda g: 0.5, "ways to set the signs"),
    (
        "find-the-control",
        lambda *args: one_flow(*args, head=True, out=True),
        "no loss reaches the blocks",
    ),
    ("find-the-control", lambda *args: one_flow(*args, out=True), "do not hear the cross-entropy"),
    ("find-the-control", lambda *args: one_flow(*args, head=True), "leave it BP"),
    (
        "find-the-control",
        lambda *args: one_flow(*args, block=True, out=True),
        "that is Delog-SCL",
    ),
    ("find-the-control", lambda *args: one_flow(*args, block=True), "between the blocks"),
    ("find-the-control", lambda *args: 2 * one_flow(*args), "are not those of all local losses"),
    ("find-the-control", lambda *args: one_flow(*args) + 1, "the gradients are right, but"),
    ("find-the-control", lambda *args: one_flow(*args).item(), "return the loss, a tensor"),
    ("chain-of-controls", lambda a, b: [a, b], "has 2 suspects"),
    ("chain-of-controls", lambda a, b: chain(a, b, first="flow"), "no gradient reaches"),
    ("chain-of-controls", lambda a, b: [a, *chain(a, b)], "are enough"),
    ("chain-of-controls", lambda a, b: chain(a, b)[1:], "begins with the first setting"),
    (
        "chain-of-controls",
        lambda a, b: [a, {k: v for k, v in a.items() if k != "norm"}, *chain(a, b)[1:]],
        "each setting makes all choices",
    ),
    ("chain-of-controls", lambda a, b: a, "return a list of settings"),
]
