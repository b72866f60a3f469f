"""Where the gradient of each local loss goes, and what a step keeps on the way.

A method is built anew and sees one batch, once. All of it is plain data, to be drawn.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from delog_nb import methods
from delog_nb.components.component import (
    Component,
    Method,
    Objective,
    Terms,
    count_parameters,
)
from delog_nb.data import ImageData, Views
from delog_nb.experiment import Experiment
from delog_nb.measure.reach import Seen, reach, watched
from delog_nb.training import Batches, local_losses

_WORDS = {"classifier": "exit"}  # of a loss: the network's own classifier has that name


@dataclass(frozen=True)
class Part:
    """A layer of the network, or a module that only a local loss uses.

    Args:
        name: ``f3``, ``classifier``, ``head3``; the number is that of the layer
        parameters: how many it has
        used: whether a prediction goes through it
        reads: of a loss's module, what it takes of the layer's features: ``gradient`` (and its
            gradient goes back into the layer), ``values`` (detached) or nothing
    """

    name: str
    parameters: int
    used: bool
    reads: str = ""


@dataclass(frozen=True)
class LocalLoss:
    """A local loss, after layer number ``layer``, with its own modules.

    ``norms`` has the length of its gradient in each part that it reaches, by name; a part without
    parameters that the gradient goes through has 0. It is weighted as in the component's loss.
    """

    name: str
    layer: int
    modules: list[Part]
    norms: dict[str, float]


@dataclass(frozen=True)
class Paths:
    """A network that is cut.

    Args:
        layers: f_1 ... f_{H+1}, in order
        components: for each, the numbers of its layers, from 1
        losses: from the first to the last
        prediction: names of the parts that a prediction goes through, in order
        kept: bytes that the forward pass of each part, or of a loss by itself, keeps for its
            backward pass, by name, without parameters and buffers. What two parts of a component
            share counts for the first of them
    """

    layers: list[Part]
    components: list[list[int]]
    losses: list[LocalLoss]
    prediction: list[str]
    kept: dict[str, int]


def paths(experiment: Experiment, images: ImageData) -> Paths:
    """The experiment's method at its first weights, on the first batch of its first epoch.

    >>> from delog_nb import data
    >>> run = Experiment(preset="quick", method="delog-scl", depth=2)
    >>> [loss.name for loss in paths(run, data.load(run)).losses]
    ['SCL1', 'SCL2', 'CE3']
    """
    return _measured(methods.build(experiment), experiment, images)


def every_cut(experiment: Experiment, images: ImageData) -> dict[str, Paths]:
    """The same weights under every cut: ``101`` cuts after layers 1 and 3, and not after 2.

    A component's loss is the one after its last layer.

    Raises:
        ValueError: the method is not cut after every layer, or its losses hang together.
    """
    method = methods.build(experiment)
    parts = method.parts()
    if any(len(part.layers) != 1 or part.inside for part in parts):
        raise ValueError("every cut is drawn of a method that is cut after every layer")
    if type(method) is not Method:
        raise ValueError(
            f"every cut is drawn of losses that stand alone: {experiment.method_label} predicts "
            f"in a way of its own"
        )
    found = {}
    for cuts in itertools.product("01", repeat=len(parts) - 1):
        runs: list[list[Component]] = [[]]
        for part, cut in zip(parts, [*cuts, "0"], strict=True):
            runs[-1].append(part)
            if cut == "1":
                runs.append([])
        joined = Method(
            Component([part.layers[0] for part in run], run[-1].objective) for run in runs
        )
        found["".join(cuts)] = _measured(joined, experiment, images, numbered=True)
    return found


def _measured(
    method: Method, experiment: Experiment, images: ImageData, *, numbered: bool = False
) -> Paths:
    names, components = _layers(method, experiment.hidden)
    losses = _objectives(method, components, numbered)
    prediction = _prediction(
        method, {**names, **{m: n for loss in losses for n, m in loss.modules.items()}}
    )
    views = Views.of(experiment, images.mean, images.std)
    batches = Batches(images.train, views, experiment.batch_size, 0, method.needs)
    index = batches.parts[0]
    parts = {name: layer for layer, name in names.items()}
    for loss in losses:
        parts |= loss.modules
    norms: dict[str, dict[str, float]] = {}
    with torch.random.fork_rng(devices=[]), watched(parts, losses) as (kept, alive):
        torch.default_generator.manual_seed(experiment.seed)
        flow = local_losses(method.parts(), batches.views(index), batches.batch(index, 0))
        for _ in flow:
            for loss in losses:
                if loss.value is not None:
                    norms[loss.name] = _norms(loss, loss.value, parts)
                    loss.value = loss.features = None
            alive.clear()  # the component's graph is let go of
    return Paths(
        [_part(name, layer, prediction) for layer, name in names.items()],
        components,
        [
            LocalLoss(
                loss.name,
                loss.layer,
                [_part(n, m, prediction, loss.reads[n]) for n, m in loss.modules.items()],
                norms[loss.name],
            )
            for loss in losses
        ],
        prediction,
        kept,
    )


def _part(name: str, module: nn.Module, prediction: list[str], reads: str = "") -> Part:
    return Part(name, count_parameters(module.parameters()), name in prediction, reads)


def _layers(method: Method, hidden: int) -> tuple[dict[nn.Module, str], list[list[int]]]:
    """Names of the layers, and the numbers of those of each component."""
    names: dict[nn.Module, str] = {}
    components = []
    for part in method.parts():
        components.append([len(names) + k for k in range(1, len(part.layers) + 1)])
        for layer in part.layers:
            names[layer] = f"f{len(names) + 1}" if len(names) < hidden else "classifier"
    return names, components


def _objectives(method: Method, components: list[list[int]], numbered: bool) -> list[Seen]:
    """The objectives in order; the terms of one that is a sum stand alone.

    One alone has no number, unless all are ``numbered``.
    """
    placed: list[tuple[int, Objective, float]] = []
    for part, numbers in zip(method.parts(), components, strict=True):
        inside = [(numbers[int(p) - 1], goal) for p, goal in part.inside.items()]
        for place, goal in (*inside, (numbers[-1], part.objective)):
            placed += [(place, term, weight) for term, weight in _terms(goal, 1.0)]
    seen = []
    for place, goal, weight in placed:
        name = f"{getattr(goal, 'short', 'loss')}{place if numbered or len(placed) > 1 else ''}"
        modules = {
            f"{_WORDS.get(attribute, attribute.replace('_', ' '))}{place}": module
            for attribute, module in goal.named_children()
        }
        seen.append(Seen(place, goal, weight, name, modules))
    return seen


def _terms(goal: nn.Module, weight: float) -> Iterator[tuple[Objective, float]]:
    if isinstance(goal, Terms):
        for own, term in zip(goal.weights, goal.terms, strict=True):
            yield from _terms(term, weight * own)
    elif isinstance(goal, Objective):
        yield goal, weight


def _prediction(method: Method, names: dict[nn.Module, str]) -> list[str]:
    """The named modules that a prediction goes through; of others, those in them."""

    def within(module: nn.Module) -> Iterator[str]:
        if module in names:
            yield names[module]
        else:
            for child in module.children():
                yield from within(child)

    return [name for module in method.inference_modules() for name in within(module)]


def _norms(loss: Seen, value: Tensor, parts: dict[str, nn.Module]) -> dict[str, float]:
    trained = {n: m for n, m in parts.items() if any(p.requires_grad for p in m.parameters())}
    lengths = (loss.weight * reach([value], list(trained.values()))[0]).tolist()
    through = {n: 0.0 for n, reads in loss.reads.items() if reads == "gradient"}
    return through | {n: v for n, v in zip(trained, lengths, strict=True) if not math.isnan(v)}
