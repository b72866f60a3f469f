"""An optimizer for each component, and the learning rate of each epoch."""

import math

import torch

from delog_nb.experiment import Experiment
from delog_nb.methods.component import Method


def make_optimizers(method: Method, experiment: Experiment) -> list[torch.optim.Optimizer]:
    """One Adam for each component."""
    return [
        torch.optim.Adam(
            component.parameter_groups(experiment.lr),
            weight_decay=experiment.weight_decay,
            fused=True,
        )
        for component in method.parts()
    ]


def learning_rate_factor(experiment: Experiment, epoch: int) -> float:
    """What ``lr`` is multiplied by in ``epoch`` (from 0): a cosine from lr to lr_min."""
    low = experiment.lr_min / experiment.lr
    return low + (1 - low) * (1 + math.cos(math.pi * epoch / experiment.epochs)) / 2


def set_learning_rates(
    optimizers: list[torch.optim.Optimizer], experiment: Experiment, epoch: int
) -> None:
    """Give every group of parameters its learning rate for ``epoch`` (from 0)."""
    factor = learning_rate_factor(experiment, epoch)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
