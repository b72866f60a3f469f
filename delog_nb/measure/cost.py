"""What a step of an experiment costs, counted from shapes: nothing is computed or stored."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from delog_nb import methods
from delog_nb.components import Batch, Method
from delog_nb.components.component import count_parameters
from delog_nb.data import shape
from delog_nb.experiment import Experiment
from delog_nb.instruments.memory import LiveBytes
from delog_nb.measure.flows import flow_lengths
from delog_nb.training import local_losses

_STAYS = 12  # bytes of a parameter in float32 from step to step: itself and Adam's two moments


class ParameterCounts(NamedTuple):
    """Scalars that are trained, and those of them that a prediction uses (the effective ones)."""

    training: int
    inference: int


class Memory(NamedTuple):
    """Peak bytes of a training step in float32.

    ``stays`` is there from step to step: weights and Adam's moments. ``comes`` is what a step adds
    at its peak: features, gradients, and the batch.
    """

    stays: int
    comes: int


class Bill(NamedTuple):
    """Parameters that a prediction uses and that it does not; a step's memory and arithmetic.

    ``flops`` counts multiplications and additions in convolutions and matrix products, forward and
    backward; ``longest_flow`` counts local gradients (Eq. 1).
    """

    effective: int
    affiliated: int
    bytes: int
    flops: int
    longest_flow: int


@lru_cache(maxsize=64)  # to build a deep network takes longer than to count it
def shapes_of(experiment: Experiment) -> Method:
    """The experiment's method without memory for its weights; look at it, do not change it."""
    with torch.device("meta"):
        return methods.build(experiment)


def parameter_counts(experiment: Experiment) -> ParameterCounts:
    """Counts for the experiment's net and method.

    >>> parameter_counts(Experiment(preset="paper", dataset="cifar10", net="vgg", method="bp"))
    ParameterCounts(training=11938294, inference=11938294)
    """
    method = shapes_of(experiment)
    return ParameterCounts(
        count_parameters(method.parameters()), count_parameters(method.effective_parameters())
    )


class _Recomputed(nn.Module):
    """A layer that keeps its input alone, and is computed again in the backward pass."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, r: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = checkpoint(
            self.layer, r, use_reentrant=False, preserve_rng_state=False
        )
        return found


def step_bytes(experiment: Experiment, *, summed: bool = False, checkpointed: bool = False) -> int:
    """Peak bytes of a training step in float32, from shapes alone: nothing is computed.

    Weights, gradients, Adam's moments and what forward keeps for backward, as training frees it;
    scratch memory inside kernels is not in it.

    Args:
        experiment: what is trained
        summed: one backward pass of the sum of all losses, so that no component's graph is freed
            before; by default each component's graph is freed before the next one begins
        checkpointed: gradient checkpointing of each block (or layer)
    """
    method, images, batch = _batch(experiment, 2 * experiment.batch_size)
    if checkpointed:
        method = copy.deepcopy(method)  # it is kept, and looked at again
        for part in method.parts():
            part.layers = nn.Sequential(*map(_Recomputed, part.layers))
    losses = []
    with LiveBytes("meta") as live:
        live.track([images, batch.labels, *method.parameters(), *method.buffers()])
        flow = local_losses(method.parts(), images, batch)
        del images  # freed after the component that uses them
        for component, made in zip(method.parts(), flow, strict=True):
            if summed:
                losses.append(made.loss)
                continue
            made.loss.backward()
            component.zero_grad()
        if summed:
            torch.stack(losses).sum().backward()
    method.zero_grad()
    return live.peak + (_STAYS - 4) * count_parameters(method.parameters())


def step_memory(
    experiment: Experiment, *, summed: bool = False, checkpointed: bool = False
) -> Memory:
    """Memory of a step, by `step_bytes`."""
    stays = _STAYS * count_parameters(shapes_of(experiment).parameters())
    return Memory(stays, step_bytes(experiment, summed=summed, checkpointed=checkpointed) - stays)


def step_flops(experiment: Experiment) -> int:
    """Floating-point operations of a training step, forward and backward, two views an image.

    Multiplications and additions of convolutions and matrix products.
    """
    from torch.utils.flop_counter import FlopCounterMode  # 80 MB

    method, images, batch = _batch(experiment, 2 * experiment.batch_size)
    with FlopCounterMode(display=False) as counter:
        for made in local_losses(method.parts(), images, batch):
            made.loss.backward()
    method.zero_grad()
    flops: int = counter.get_total_flops()
    return flops


def longest_flow(experiment: Experiment) -> int:
    """Local gradients in the longest flow, counted in autograd's graph."""
    method, images, batch = _batch(experiment, 2)
    lengths = flow_lengths(method, images, batch.labels)
    return max(length.local_gradients for length in lengths)


def bill_of(experiment: Experiment) -> Bill:
    """All that can be counted without training."""
    method = shapes_of(experiment)
    return Bill(
        count_parameters(method.effective_parameters()),
        count_parameters(method.affiliated_parameters()),
        sum(step_memory(experiment)),
        step_flops(experiment),
        longest_flow(experiment),
    )


def _batch(experiment: Experiment, samples: int) -> tuple[Method, torch.Tensor, Batch]:
    images = torch.empty(samples, *shape(experiment)[0], device="meta")
    labels = torch.empty(samples, dtype=torch.long, device="meta")
    method = shapes_of(experiment)
    return method, images, Batch.of(labels, inputs=images if "inputs" in method.needs else None)
