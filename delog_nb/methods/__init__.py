"""Training methods, one file each; `build` makes one on its network."""

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import SimpleNamespace

import torch
from torch import nn

from delog_nb import data, nets
from delog_nb.components import Method, Objective
from delog_nb.components.declare import described
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.experiment.fields import shown
from delog_nb.experiment.plugins import called
from delog_nb.experiment.registry import METHODS
from delog_nb.experiment.rules import Pair

__all__ = ["build", "obstacles"]

_seeding = threading.Lock()  # the random state belongs to all threads


def build(
    experiment: Experiment,
    images: tuple[tuple[int, int, int], int] | None = None,
    *,
    make: Callable[..., Method] | type[Objective] | None = None,
    blocks: Sequence[nn.Module] | None = None,
) -> Method:
    """The experiment's method on its network, initialised from its seed, on the CPU.

    The global random state is left as it was. Under ``torch.device("meta")`` no memory is taken,
    which is enough to count parameters.

    Args:
        experiment: names them
        images: ((C, H, W), number of classes), by default those of the experiment's data set
        make: what `delog_nb.method` stands on, in place of the experiment's method
        blocks: hidden blocks in place of the experiment's net; a linear classifier comes on top
    """
    entry = METHODS.loaded(experiment.method)
    values = {option.name: experiment.get(option.name, option.default) for option in entry.options}
    if make is not None:
        entry = described("own", make, label="own")
        values = {option.name: option.default for option in entry.options}
    hidden = len(blocks) if blocks is not None else experiment.hidden
    count = experiment.components or entry.components.at(hidden, values)[2]
    options = SimpleNamespace(**values, components=count)
    with _seeding, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(experiment.seed)  # a GPU's is left alone
        shape, classes = images or data.shape(experiment)
        net = partial(nets.build, experiment, shape, classes)
        if blocks is not None:
            net = partial(nets.of_blocks, blocks, shape, classes)
        with called(entry.plugin):
            made = entry.make(net, options)
            if not isinstance(made, Method):
                raise TypeError(f"build(net, options) returned {shown(made)}, which is no Method")
    return made


def obstacles(experiments: Iterable[Experiment]) -> dict[Pair, str]:
    """Why a method cannot be built on a net as it is chosen, such as too narrow a one.

    By (net, method); other choices of one pair are taken to be alike.
    """
    found = {}
    for (net, name), one in {(e.net, e.method): e for e in experiments}.items():
        try:
            with torch.device("meta"):
                build(one)
        except ExperimentError as error:
            found[net, name] = f"method = {name} does not go on net = {net} here: {error}"
    return found
