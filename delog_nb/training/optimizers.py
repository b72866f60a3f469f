"""An optimizer for each component, and the learning rate of each step."""

import math
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_

from delog_nb.components.component import Component, Method
from delog_nb.experiment import Experiment
from delog_nb.experiment.optimizers import OPTIMIZERS


def make_optimizers(method: Method, experiment: Experiment) -> list[torch.optim.Optimizer]:
    """One optimizer for each component; with ``clip`` it limits the gradient's norm first."""
    return [_optimizer(component, experiment) for component in method.parts()]


def _optimizer(component: Component, experiment: Experiment) -> torch.optim.Optimizer:
    chosen = OPTIMIZERS[experiment.optimizer]
    options = {name: getattr(experiment, name) for name in chosen.reads}
    if chosen.fused:
        options["fused"] = True
    optimizer: torch.optim.Optimizer = getattr(torch.optim, chosen.name)(
        component.parameter_groups(experiment.lr), weight_decay=experiment.weight_decay, **options
    )
    if experiment.clip is not None:
        parameters, longest = list(component.parameters()), experiment.clip

        def limit(*_: Any) -> None:
            clip_grad_norm_(parameters, longest)

        optimizer.register_step_pre_hook(limit)
    return optimizer


def learning_rate_factor(experiment: Experiment, epoch: int, step: int | None = None) -> float:
    """What ``lr`` is multiplied by: a cosine from lr to lr_min, set once an epoch, and warm-up.

    Args:
        experiment: the run
        epoch: from 0
        step: of the whole run, from 0; None leaves out the warm-up
    """
    low = experiment.lr_min / experiment.lr
    cosine = low + (1 - low) * (1 + math.cos(math.pi * epoch / experiment.epochs)) / 2
    if step is None or step >= experiment.warmup:
        return cosine
    return cosine * (step + 1) / experiment.warmup


def set_learning_rates(
    optimizers: list[torch.optim.Optimizer], experiment: Experiment, epoch: int, step: int
) -> None:
    """Give every group of parameters its learning rate for a step of ``epoch``."""
    factor = learning_rate_factor(experiment, epoch, step)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
