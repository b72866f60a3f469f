"""Training methods: each one cuts a network into components.

A method is a module with ``build(experiment) -> Method`` and one entry in
`delog_nb.experiment.registry`.
"""

from __future__ import annotations

import threading
from importlib import import_module

import torch

from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS
from delog_nb.methods.component import Method

__all__ = ["build"]

_seeding = threading.Lock()  # the random state belongs to all threads


def build(experiment: Experiment) -> Method:
    """The experiment's method on its network, initialised from its seed, on the CPU.

    The global random state is left as it was. Under ``torch.device("meta")`` no memory is taken,
    which is enough to count parameters.
    """
    with _seeding, torch.random.fork_rng(devices=[]):
        torch.manual_seed(experiment.seed)
        method: Method = import_module(METHODS[experiment.method].module).build(experiment)
    return method
