"""Parameters in training and at inference, without taking memory for them."""

from __future__ import annotations

from typing import NamedTuple

import torch

from delog_nb import methods
from delog_nb.experiment import Experiment
from delog_nb.methods.component import count_parameters


class ParameterCounts(NamedTuple):
    """Scalars that are trained, and those of them that a prediction uses (the effective ones)."""

    training: int
    inference: int


def parameter_counts(experiment: Experiment) -> ParameterCounts:
    """Counts for the experiment's net and method.

    >>> parameter_counts(Experiment(preset="paper", dataset="cifar10", net="vgg", method="bp"))
    ParameterCounts(training=11938294, inference=11938294)
    """
    with torch.device("meta"):
        method = methods.build(experiment)
    return ParameterCounts(
        count_parameters(method.parameters()), count_parameters(method.effective_parameters())
    )
