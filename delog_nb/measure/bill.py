"""What a step of an experiment costs, counted from shapes: nothing is computed or stored."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from delog_nb import methods
from delog_nb.data import shape
from delog_nb.experiment import Experiment
from delog_nb.measure.estimate import step_bytes
from delog_nb.measure.flows import flow_lengths
from delog_nb.methods.component import Method, count_parameters

_STAYS = 12  # bytes of a parameter in float32 from step to step: itself and Adam's two moments


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


def step_memory(experiment: Experiment, *, summed: bool = False) -> Memory:
    """Memory of a step; with ``summed``, of one backward pass of all losses' sum."""
    stays = _STAYS * count_parameters(shapes_of(experiment).parameters())
    return Memory(stays, step_bytes(experiment, summed=summed) - stays)


def step_flops(experiment: Experiment) -> int:
    """Multiplications and additions of a step, two views an image."""
    method, r, t = _batch(experiment, 2 * experiment.batch_size)
    with FlopCounterMode(display=False) as counter:
        for component in method.parts():
            r, t, loss = component(r.detach(), t)
            loss.backward()
    flops: int = counter.get_total_flops()
    return flops


def longest_flow(experiment: Experiment) -> int:
    """Local gradients in the longest flow, counted in autograd's graph."""
    lengths = flow_lengths(*_batch(experiment, 2))
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


def _batch(experiment: Experiment, samples: int) -> tuple[Method, torch.Tensor, torch.Tensor]:
    image, _ = shape(experiment)
    images = torch.empty(samples, *image, device="meta")
    labels = torch.empty(samples, dtype=torch.long, device="meta")
    return shapes_of(experiment), images, labels
