"""Exercises of lesson 9, What it costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.components import Batch, Component
from delog_nb.course.exercises import exercise, itself, once, seeded
from delog_nb.course.replies import ANYTHING, close
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.instruments.memory import LiveBytes
from delog_nb.measure.cost import parameter_counts, step_memory
from delog_nb.measure.flows import Stack

_CHOSEN = ("depth", "pool", "head_hidden", "head_dim")
_DEEPEST = 32  # blocks: a check takes seconds
_SIZES = ((50, 16), (12, 5), (9, 3), (7, 10))  # of a batch, and of a piece


def _batch(seed: int, count: int) -> tuple[nn.Module, Tensor, Tensor]:
    """A small classifier, inputs and labels."""
    with seeded(seed):
        model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4)).double()
        return model, torch.randn(count, 6).double(), torch.randint(0, 4, (count,))


def _weighted(seed: int, count: int, size: int, weights: Callable[[Tensor], float]) -> Tensor:
    """The gradient of the sum of the pieces' mean losses, each with a weight."""
    model, x, y = _batch(seed, count)
    pieces = zip(x.split(size), y.split(size), strict=True)
    losses = [weights(labels) * F.cross_entropy(model(rows), labels) for rows, labels in pieces]
    found = torch.autograd.grad(torch.stack(losses).sum(), list(model.parameters()))
    return torch.cat([gradient.flatten() for gradient in found])


def _accumulated(
    answer: Callable[[nn.Module, Tensor, Tensor, int], Any], seed: int, count: int, size: int
) -> dict[str, Any]:
    model, x, y = _batch(seed, count)
    seen: list[int] = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    answer(model, x, y, size)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    return {"most": max(seen, default=0), "gradient": torch.cat([g.flatten() for g in gradients])}


@exercise(
    "exact-accumulation",
    lambda rng: [(rng.getrandbits(32), *sizes) for sizes in _SIZES],
    _accumulated,
    ANYTHING,
)
def exact_accumulation(reply: dict[str, Any], seed: int, count: int, size: int) -> str | None:
    """The mean loss's gradient over a batch, taken in pieces of which the last may be smaller."""
    found, said = reply["gradient"], f"for a batch of {count} in pieces of {size}"
    if reply["most"] > size:
        return f"{said} the model sees {reply['most']} rows at once"
    if not bool(found.any()):
        return f"{said} the parameters have no gradient: call backward() on each piece's loss"
    model, x, y = _batch(seed, count)
    F.cross_entropy(model(x), y).backward()
    right = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    if close(found, right, rtol=1e-6, atol=1e-9):
        return None
    pieces = -(-count // size)
    mistakes: list[tuple[Callable[[Tensor], float], str]] = [
        (lambda _: 1 / pieces, f"all {pieces} pieces count alike, also the last one, with fewer"),
        (lambda _: 1.0, "it is the sum of the pieces' means: what is each one's weight?"),
        (lambda labels: float(len(labels)), "it is the gradient of a sum over samples: divide"),
    ]
    for weights, why in mistakes:
        if close(found, _weighted(seed, count, size, weights), rtol=1e-6, atol=1e-9):
            return f"{said}, {why}"
    return f"{said} the gradient is not that of the mean loss over the batch"


def _walked(answer: Callable[..., Any], seed: int, depth: int) -> dict[str, Any]:
    """A step of a network that is cut after every block: what it gives, reaches and takes."""
    with seeded(seed):
        views, labels = torch.randn(16, 1, 16, 16), torch.randint(0, 10, (8,)).repeat(2)
    parts = Stack(depth, seed=seed % 1000).build(depth + 1).parts()
    reached: list[list[int]] = []
    gradients: list[Tensor] = []

    def update(part: Component) -> None:
        there = [[p.grad for p in own.parameters() if p.grad is not None] for own in parts]
        reached.append([number for number, found in enumerate(there, 1) if found])
        gradients.append(torch.tensor([g.norm().item() for g in there[parts.index(part)]]))
        for own in parts:
            own.zero_grad()

    with LiveBytes() as live:
        means = answer(parts, views, labels, update)
    return {"means": list(means), "reached": reached, "norms": gradients, "peak": live.peak}


def _step(
    parts: list[Component], views: Tensor, labels: Tensor, update: Callable[[Component], None]
) -> list[float]:
    r, batch, means = views, Batch.of(labels), []
    for part in parts:
        r, batch, loss = part(r.detach(), batch)
        loss.backward()
        update(part)
        means.append(r.detach().abs().mean().item())
    return means


@exercise(
    "flat-step",
    lambda rng: [(rng.getrandbits(32), depth) for depth in (2, 12)],
    _walked,
    ANYTHING,
)
def flat_step(reply: dict[str, Any], seed: int, depth: int) -> str | None:
    """A step of components: own losses alone, features' means, and a peak that is flat in depth."""
    right = _walked(_step, seed, depth)
    updates = len(reply["reached"])
    if updates != depth + 1:
        return f"update was called {updates} times, and there are {depth + 1} components"
    for number, (found, expected) in enumerate(
        zip(reply["reached"], right["reached"], strict=True)
    ):
        if found != expected:
            early = max(found, default=0) > number + 1
            repair = "update each before the next begins" if early else "detach what goes in"
            return (
                f"when component {number + 1} is updated, components "
                f"{', '.join(map(str, found)) or 'none'} have gradients: {repair}"
            )
    for number, (given, norms) in enumerate(zip(reply["norms"], right["norms"], strict=True), 1):
        if not close(given, norms, rtol=1e-3, atol=1e-6):
            return f"the gradient of component {number} is not that of its own loss"
    means = [float(mean) for mean in reply["means"]]
    if not close(torch.tensor(means), torch.tensor(right["means"]), rtol=1e-4, atol=1e-6):
        return "the mean absolute features are not those of each component's output"
    if reply["peak"] > 1.05 * right["peak"]:
        return (
            f"with {depth} blocks the peak is {reply['peak'] / 1e6:.2f} MB, and "
            f"{right['peak'] / 1e6:.2f} MB would do: what is still kept alive from below?"
        )
    return None


@exercise("cut-that-pays", once, itself, ANYTHING)
def cut_that_pays(answer: dict[str, Any]) -> str | None:
    """A depth and heads with which a step of Delog-SCL takes at most half of BP's memory."""
    if not isinstance(answer, dict) or not set(answer) <= set(_CHOSEN):
        return f"give a dictionary with some of the keys {', '.join(map(repr, _CHOSEN))}"
    try:
        chosen = Experiment(preset="paper", dataset="cifar10", method="delog-scl").but(**answer)
    except ExperimentError as error:
        return str(error)
    if min(chosen.head_hidden, chosen.head_dim) < 128:
        return "keep at least 128 hidden units and 128 outputs"
    if chosen.depth > _DEEPEST:
        return f"take at most {_DEEPEST} blocks"
    found, bp = (sum(step_memory(run)) / 1e6 for run in (chosen, chosen.but(method="bp")))
    if 2 * found <= bp:
        return None
    counts = parameter_counts(chosen)
    heads = 12 * (counts.training - counts.inference) / 1e6
    said = (
        f"with {chosen.depth} blocks its step takes {found:,.0f} MB, {found / bp:.2f} times "
        f"as much as BP's; weights and Adam's numbers of heads are {heads:,.0f} MB of it:"
    )
    if heads > found / 3:
        return f"{said} which choice makes them fewer?"
    return f"{said} heads are lean, but how many blocks' features does the cut let go of?"
