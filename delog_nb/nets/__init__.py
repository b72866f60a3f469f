"""Networks as lists of blocks f_1 ... f_H and a classifier f_{H+1}; one file a net.

Sizes of the paper's nets, ConvNet, VGG and ResNet, follow the authors' code
(Supervised-Contrastive-Parallel-Learning, 2022).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.experiment.plugins import called
from delog_nb.experiment.registry import NETS
from delog_nb.nets.backbone import Backbone, Parts, Shape, output_shape
from delog_nb.nets.declare import net

__all__ = ["Backbone", "Parts", "Shape", "build", "count_layers", "net", "of_blocks"]


def build(
    experiment: Experiment,
    in_shape: Shape,
    classes: int,
    *,
    pooled: bool = True,
    opening: nn.Module | None = None,
) -> Backbone:
    """The experiment's network, initialised by PyTorch's defaults from the global random state.

    Args:
        experiment: names the net, its width, depth and options, and where it is cut
        in_shape: (C, H, W) of an image
        classes: the number of classes
        pooled: whether block H ends in the net's final pooling, if it has one (ResNet)
        opening: a layer without parameters that block 1 begins with

    Raises:
        ExperimentError: what ``opening`` makes of an image is too small for the net's blocks.
    """
    entry = NETS.loaded(experiment.net)
    if opening is not None:
        side = min(output_shape(opening, in_shape)[1:])
        if side < entry.min_size:
            raise ExperimentError(
                f"net = {experiment.net} takes parts of images of at least {entry.min_size} "
                f"pixels: method = {experiment.method} gives it {side}"
            )
    options = {option.name: experiment.get(option.name, option.default) for option in entry.options}
    with called(entry.plugin):
        parts = entry.make(in_shape, classes, experiment.width, experiment.depth, **options)
        if not pooled:
            parts = parts._replace(pool=None)
        return Backbone(parts, in_shape, classes, experiment.depth, experiment.cut, opening)


def of_blocks(
    blocks: Sequence[nn.Module],
    in_shape: Shape,
    classes: int,
    *,
    pooled: bool = True,
    opening: nn.Module | None = None,
) -> Backbone:
    """A network of blocks that are there, with a linear classifier on top.

    Raises:
        ExperimentError: a block does not give (B, C, H, W).
    """

    left = iter(blocks)

    def block(number: int, shape: Shape) -> nn.Module:
        made = next(left, None)
        if made is None:
            raise ExperimentError(
                f"a fresh block like block {number} for {('B', *shape)} cannot be made: the blocks "
                f"were given, not how to make them"
            )
        return made

    def classifier(features: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(features, classes))

    del pooled  # there is no pooling beyond the blocks
    parts = Parts(block, classifier)
    return Backbone(parts, in_shape, classes, len(blocks), opening=opening)


def count_layers(experiment: Experiment) -> int:
    """The number of hidden layers of the experiment's network."""
    entry = NETS[experiment.net]
    options = {option.name: experiment.get(option.name, option.default) for option in entry.options}
    return _layers(entry, experiment.depth, tuple(options.items()))


@lru_cache(maxsize=256)
def _layers(entry: Any, depth: int, options: tuple[tuple[str, Any], ...]) -> int:
    small: dict[str, Any] = {"net": entry.name, "depth": depth, "width": 0.1, "cut": "layer"}
    like = Experiment.model_construct(**small | dict(options))
    side = max(32, entry.min_size)
    # a narrow net is made in no time; on "meta" it would load all of torch.compile, 100 MB
    with torch.random.fork_rng(devices=[]):
        return len(build(like, (3, side, side), 10).blocks)
