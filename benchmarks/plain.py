"""The plain way to write a training step: one summed backward, one optimizer, no memory format."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from delog_nb.components import Batch, Component, Method
from delog_nb.experiment import Experiment


def adam(method: Method, experiment: Experiment) -> torch.optim.Adam:
    """PyTorch's default Adam for all parameters, with the learning rates of the experiment."""
    groups = [g for part in method.parts() for g in part.parameter_groups(experiment.lr)]
    return torch.optim.Adam(groups)


def step(method: Method, optimizer: torch.optim.Optimizer, r: Tensor, t: Tensor) -> list[Tensor]:
    """All components forward, then one backward of the sum of their losses, as the authors do."""
    losses, batch = [], Batch.of(t, inputs=r if "inputs" in method.needs else None)
    for component in method.parts():
        r, batch, loss = component(r.detach(), batch)
        losses.append(loss)
    optimizer.zero_grad()
    torch.stack(losses).sum().backward()
    optimizer.step()
    return [loss.detach() for loss in losses]


def checkpointed_step(
    component: Component, optimizer: torch.optim.Optimizer, r: Tensor, t: Tensor
) -> list[Tensor]:
    """BP with gradient checkpointing: every layer's inside is computed again in the backward."""
    for layer in component.layers:
        r = checkpoint(layer, r, use_reentrant=False)
    loss = component.objective(r, Batch.of(t))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return [loss.detach()]


def accumulated_step(
    method: Method, optimizer: torch.optim.Optimizer, r: Tensor, t: Tensor, parts: int
) -> list[Tensor]:
    """BP on ``parts`` pieces of the batch one after another, whose gradients are added up.

    The gradient is the whole batch's where no layer normalises over the batch, and no loss compares
    samples.
    """
    optimizer.zero_grad()
    loss = torch.zeros(())
    (component,) = method.parts()
    for images, labels in zip(r.chunk(parts), t.chunk(parts), strict=True):
        share = component(images, Batch.of(labels))[2] * (len(images) / len(r))
        share.backward()
        loss += share.detach()
    optimizer.step()
    return [loss]
