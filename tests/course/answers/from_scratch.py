"""Answers to the exercises of from scratch."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def frugal(network: nn.ModuleList, batch: Tensor, labels: Tensor) -> None:
    r = batch
    for component in network:
        r, loss = component(r, labels)
        r = r.detach()
        loss.backward()
        del loss


def greedy(network: nn.ModuleList, batch: Tensor, labels: Tensor) -> None:
    losses, r = [], batch
    for component in network:
        r, loss = component(r.detach(), labels)
        losses.append(loss)
    for loss in losses:
        loss.backward()


def uncut(network: nn.ModuleList, batch: Tensor, labels: Tensor) -> None:
    for component in network:
        batch, loss = component(batch, labels)
        loss.backward()


def uncut_sum(network: nn.ModuleList, batch: Tensor, labels: Tensor) -> None:
    losses = []
    for component in network:
        batch, loss = component(batch, labels)
        losses.append(loss)
    sum(losses).backward()


def last_only(network: nn.ModuleList, batch: Tensor, labels: Tensor) -> None:
    for component in network:
        batch, loss = component(batch.detach(), labels)
    loss.backward()


RIGHT: list[tuple[str, Any]] = [
    ("cut-the-flow", {"A", "C"}),
    ("cut-the-flow", ["C", "A"]),
    ("one-graph", frugal),
    ("head-size", lambda c, s, h, d: c * s**2 * h + h + h * d + d),
]


WRONG: list[tuple[str, Any, str]] = [
    ("cut-the-flow", "A and C", "give a set of letters"),
    ("cut-the-flow", {"A", "E"}, "give a set of letters"),
    ("cut-the-flow", {"A"}, "line C works as well"),
    ("cut-the-flow", {"C"}, "line A works as well"),
    ("cut-the-flow", {"A", "B", "C"}, "with line B no component gets any gradient"),
    ("cut-the-flow", {"A", "C", "D"}, "with line D no component gets any gradient"),
    ("one-graph", greedy, "the gradients are right, but with"),
    ("one-graph", uncut, "where is the detach?"),
    ("one-graph", uncut_sum, "component 1 of 2 are not those of its own loss alone"),
    ("one-graph", last_only, "component 1 of 2 have no gradient"),
    ("one-graph", lambda network: None, "it raised TypeError"),
    ("head-size", lambda c, s, h, d: c * s**2 * h + h * d, "each linear layer also has a bias"),
    ("head-size", lambda c, s, h, d: c * s * h + h * d, "and the package's head has"),
]
