"""Training methods: each one cuts a network into components.

A method is a module with ``build(experiment, net) -> Method`` and one entry in
`delog_nb.experiment.registry`.
"""

import threading
from functools import partial
from importlib import import_module

import torch

from delog_nb import data, nets
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS
from delog_nb.methods.batch import Batch
from delog_nb.methods.component import Component, CrossEntropy, Method, Objective

__all__ = ["Batch", "Component", "CrossEntropy", "Method", "Objective", "build"]

_seeding = threading.Lock()  # the random state belongs to all threads


def build(experiment: Experiment, images: tuple[tuple[int, int, int], int] | None = None) -> Method:
    """The experiment's method on its network, initialised from its seed, on the CPU.

    ``images`` are ((C, H, W), number of classes), by default those of the experiment's data set.

    The global random state is left as it was. Under ``torch.device("meta")`` no memory is taken,
    which is enough to count parameters.
    """
    with _seeding, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(experiment.seed)  # a GPU's is left alone
        net = partial(nets.build, experiment, *(images or data.shape(experiment)))
        method: Method = import_module(METHODS[experiment.method].module).build(experiment, net)
    return method
