"""Answers to the exercises of from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Steps = Sequence[torch.optim.Optimizer]


def by_mask(z: Tensor, labels: Tensor, tau: float) -> Tensor:
    z = z / z.norm(dim=1, keepdim=True)
    scores = (z @ z.T / tau).exp()
    scores = scores - torch.diag(scores.diag())
    logs = (scores / scores.sum(1, keepdim=True)).clamp_min(1e-30).log()
    same = (labels[:, None] == labels).float() - torch.eye(len(z))
    return -((same * logs).sum(1) / same.sum(1)).mean()


def with_itself(z: Tensor, labels: Tensor, tau: float) -> Tensor:
    logs = (F.normalize(z) @ F.normalize(z).T / tau).log_softmax(1)
    same = (labels[:, None] == labels).float() - torch.eye(len(z))
    return -((same * logs).sum(1) / same.sum(1)).mean()


def on_the_way_out(network: nn.ModuleList, steps: Steps, batch: Tensor, labels: Tensor) -> None:
    for component, step in zip(network, steps, strict=True):
        batch, loss = component(batch, labels)
        batch = batch.detach()
        step.zero_grad()
        loss.backward()
        step.step()


def all_at_once(network: nn.ModuleList, steps: Steps, batch: Tensor, labels: Tensor) -> None:
    losses, r = [], batch
    for component in network:
        r, loss = component(r.detach(), labels)
        losses.append(loss)
    for step in steps:
        step.zero_grad()
    sum(losses).backward()
    for step in steps:
        step.step()


def without_zero(network: nn.ModuleList, steps: Steps, batch: Tensor, labels: Tensor) -> None:
    for component, step in zip(network, steps, strict=True):
        batch, loss = component(batch.detach(), labels)
        loss.backward()
        step.step()


def uncut(network: nn.ModuleList, steps: Steps, batch: Tensor, labels: Tensor) -> None:
    for component, step in zip(network, steps, strict=True):
        batch, loss = component(batch, labels)
        step.zero_grad()
        loss.backward()
        step.step()


def uncut_sum(network: nn.ModuleList, steps: Steps, batch: Tensor, labels: Tensor) -> None:
    losses = []
    for component in network:
        batch, loss = component(batch, labels)
        losses.append(loss)
    for step in steps:
        step.zero_grad()
    sum(losses).backward()
    for step in steps:
        step.step()


def last_only(network: nn.ModuleList, steps: Steps, batch: Tensor, labels: Tensor) -> None:
    for component in network:
        batch, loss = component(batch.detach(), labels)
    steps[-1].zero_grad()
    loss.backward()
    steps[-1].step()


DRAWN = {"SCL1": {"f1", "g1"}, "SCL3": {"f2", "f3", "g3"}, "CE6": {"f4", "f5", "f6"}}
CASES = {"A": "rescale", "B": "recompute", "C": "cut", "D": "leave", "E": "cut", "F": "leave"}

RIGHT: list[tuple[str, Any]] = [
    ("local-scl", by_mask),
    ("local-step", on_the_way_out),
    ("local-step", all_at_once),
    ("predict-past-heads", lambda network, r: nn.Sequential(*(c.block for c in network))(r)),
    ("cut-the-flow", {"A", "C"}),
    ("cut-the-flow", ["C", "A"]),
    ("drawn", DRAWN),
    ("drawn", {loss: sorted(names) for loss, names in DRAWN.items()}),
    ("cut-or-not", CASES),
]


WRONG: list[tuple[str, Any, str]] = [
    ("local-scl", with_itself, "leaves j = i out"),
    ("local-scl", lambda z, y, tau: by_mask(z, y, 1.0), "the similarities are over tau"),
    ("local-scl", lambda z, y, tau: -by_mask(z, y, tau), "its sign is the wrong way round"),
    ("local-scl", lambda z, y, tau: len(z) * by_mask(z, y, tau), "the mean is asked for"),
    ("local-scl", lambda z, y, tau: 0.0, "it gives 0.0000, and Eq. 2"),
    ("local-scl", lambda z, y, tau: None, "return a number"),
    ("local-step", uncut, "where is the detach?"),
    ("local-step", uncut_sum, "a loss also changes the components below its own"),
    ("local-step", without_zero, "the second step still has the first one's gradients"),
    ("local-step", last_only, "are not those that each one's own loss gives"),
    ("local-step", lambda *given: None, "no parameter changes"),
    ("local-step", lambda network: None, "it raised TypeError"),
    ("predict-past-heads", lambda network, r: network[0].block(r), "the output of the first"),
    ("predict-past-heads", lambda network, r: network[-1].head(r), "it raised"),
    ("predict-past-heads", lambda network, r: r, "is not what comes out of the last block"),
    ("cut-the-flow", "A and C", "give a set of letters"),
    ("cut-the-flow", {"A", "E"}, "give a set of letters"),
    ("cut-the-flow", {"A"}, "line C works as well"),
    ("cut-the-flow", {"C"}, "line A works as well"),
    ("cut-the-flow", {"A", "B", "C"}, "with line B no component gets any gradient"),
    ("cut-the-flow", {"A", "C", "D"}, "with line D no component gets any gradient"),
    ("drawn", {"SCL3": {"f3", "g3"}}, "two cuts make three pieces"),
    ("drawn", DRAWN | {"SCL5": {"f5", "g5"}}, "it has 4 losses"),
    ("drawn", {"CE": 0, "SCL1": 1, "SCL3": 2}, "give a dictionary of sets of names"),
    ("drawn", {"SCL1": [], "SCL2": [], "CE6": []}, "each is named after the last block"),
    ("drawn", DRAWN | {"SCL3": {"f2", "f3", "g2", "g3"}}, "SCL3 does not change g2"),
    ("drawn", DRAWN | {"SCL3": {"f1", "f2", "f3", "g3"}}, "SCL3 does not change f1"),
    ("drawn", DRAWN | {"CE6": {"f6"}}, "CE6 also changes f4"),
    ("drawn", 3, "give a dictionary of sets of names"),
    ("cut-or-not", CASES | {"A": "cut"}, "A is not a case for cut: the features vanish"),
    ("cut-or-not", CASES | {"B": "cut"}, "B is not a case for cut: it has to have the very"),
    ("cut-or-not", CASES | {"C": "leave"}, "C is not a case for leave: each machine waits"),
    ("cut-or-not", CASES | {"D": "cut"}, "D is not a case for cut: neither memory"),
    (
        "cut-or-not",
        CASES | {"E": "recompute"},
        "E is not a case for recompute: small heads cost less",
    ),
    ("cut-or-not", CASES | {"F": "cut"}, "F is not a case for cut: with BatchNorm and shortcuts"),
    ("cut-or-not", {"A": "cut"}, "give one of cut, leave, recompute, rescale for each of A, B, C"),
    ("cut-or-not", CASES | {"A": "pray"}, "give one of cut, leave, recompute, rescale"),
    ("cut-or-not", CASES | {"A": 1}, "give a dictionary of words"),
    ("cut-or-not", "cut", "give a dictionary of words"),
]
