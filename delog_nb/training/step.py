"""One batch through all components: the step that trains every method."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from delog_nb.components.batch import Batch
from delog_nb.components.component import Component
from delog_nb.training.randomness import Draws
from delog_nb.training.team import Team


class Local(NamedTuple):
    """What a component makes of a batch: features, the batch for the next one, and its loss."""

    r: Tensor
    batch: Batch
    loss: Tensor


def local_losses(
    components: Iterable[Component],
    r: Tensor,
    batch: Batch,
    context: AbstractContextManager[object] = nullcontext(),  # noqa: B008 - it has no state
    draws: Draws | None = None,
) -> Iterator[Local]:
    """Go up the components with features ``r``: nothing flows back from one into another.

    Whoever calls decides what to do with a component's loss before the next one begins; after its
    backward pass its graph is freed, so that the memory of a step does not grow with the number of
    components. A caller that keeps no reference to the images frees them after the first one.
    ``draws`` seeds what components draw; without it they draw from the global random state.
    """
    for place, component in enumerate(components):
        with context, draws.of(batch.step, place) if draws else nullcontext() as generator:
            r, batch, loss = component(r.detach(), replace(batch, generator=generator))
        yield Local(r, batch, loss)


def train_step(
    components: Iterable[Component],
    optimizers: Iterable[torch.optim.Optimizer],
    flow: Iterator[Local],
    team: Team = Team(),  # noqa: B008 - one process has no state
) -> tuple[Tensor, Batch, list[Tensor]]:
    """Forward, backward and update of one component after another, as ``flow`` goes up.

    Returns the last component's features and batch, and the losses of all, detached.
    """
    losses = []
    for component, optimizer, made in zip(components, optimizers, flow, strict=True):
        team.backward(component, made.loss)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(made.loss.detach())
    return made.r, made.batch, losses
