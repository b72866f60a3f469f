"""AugLocal (Ma et al., 2024): auxiliary networks made like the layers further up.

The local loss of component l is

    CE(aux_l(r_l), y)

where aux_l has d_l layers with the architecture of some of the layers above l, evenly spread up to
the last one, and weights of its own. It is affiliated. d_l falls from d to about d / 2 going up
(*pyramidal depth*). Of L layers, the last d + 1 and the classifier are one component, trained end
to end: there are L - d components. On every net aux_l ends in the mean over positions and a linear
layer; the authors have other ends on VGG.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from types import SimpleNamespace

from torch import nn

from delog_nb.components.component import Method, NetMaker, Objective, cut_with_objectives
from delog_nb.components.declare import method
from delog_nb.experiment import Option
from delog_nb.experiment.counts import Counts
from delog_nb.methods.early_exit import ExitObjective
from delog_nb.nets import Shape
from delog_nb.nets.backbone import output_shape
from delog_nb.nets.layers import AveragePool

LayerMaker = Callable[..., nn.Module]  # (in_shape, halve=) -> a fresh layer


def chosen_layers(number: int, layers: int, depth: int) -> list[int]:
    """The layers, counted from 1 to ``layers``, that aux of layer ``number`` is made like.

    round(number + (layers - number) / depth * i) for i = 1 ... depth; all layers above where there
    are no more than ``depth``.

    >>> chosen_layers(1, 16, 5), chosen_layers(4, 16, 2), chosen_layers(15, 16, 2)
    ([4, 7, 10, 13, 16], [10, 16], [16])
    """
    above = layers - number
    if depth >= above:
        return list(range(number + 1, layers + 1))
    first = number - 1  # the paper counts from 0, where Python rounds halves to even numbers
    return [round(first + above / depth * i) + 1 for i in range(1, depth + 1)]


def pyramidal_depths(depth: int, components: int) -> list[int]:
    """d_l of all components but the last.

    d_l = round(d (1 - t) + t) with t = .5 l / (M - 2) for l = 0 ... M - 2, at least 1.

    >>> pyramidal_depths(5, 11)
    [5, 5, 5, 4, 4, 4, 4, 3, 3, 3]
    """
    depths = []
    for place in range(components - 1):
        t = 0.5 * place / max(1, components - 2)
        depths.append(max(1, round(depth * (1 - t) + t)))
    return depths


def auxiliary(
    layers: Iterable[tuple[LayerMaker, int]], shape: Shape, classes: int, *, norm: bool
) -> nn.Sequential:
    """aux_l: (B, *shape) -> logits (B, classes).

    Layers, the mean over positions, BatchNorm if ``norm``, a linear layer. Where the channels grow
    by a factor f the side is halved log2(f) times, at most once a layer; what is left over is made
    up for by the layers that follow.

    Args:
        layers: makers of layers, each with the number of channels that its layer gives
        shape: (C, H, W) of the features
        classes: the number of classes
        norm: whether a BatchNorm stands before the last layer
    """
    made: list[nn.Module] = []
    halvings = 0
    for make, channels in layers:
        halvings += max(0, round(math.log2(channels / shape[0])))
        halve = halvings > 0 and min(shape[1:]) > 1
        halvings -= halve
        made.append(make(shape, halve=halve))
        shape = output_shape(made[-1], shape)
    made += [AveragePool((1, 1)), nn.Flatten()]
    if norm:
        made.append(nn.BatchNorm1d(shape[0]))
    return nn.Sequential(*made, nn.Linear(shape[0], classes))


DEPTH = Option(
    "auglocal_depth",
    2,
    "AugLocal: layers of the first auxiliary network; later ones have down to half as many",
    unit="layers",
    ge=1,
    le=256,
)


@method(
    "auglocal",
    label="AugLocal",
    style=6,
    options=(DEPTH,),
    cut="layer",
    components=Counts(
        1,
        "H - auglocal_depth",
        "H - auglocal_depth",
        "the last auglocal_depth layers and the classifier are not cut",
    ),
    published="Ma et al., 2024",
    loss="CE(aux_l(r_l), y), aux_l made of later layers of the net",
)
def build(net: NetMaker, options: SimpleNamespace) -> Method:
    """L - d components; fewer, where that is asked for, own several layers each."""
    backbone = net()
    layers, depth = len(backbone.blocks), options.auglocal_depth
    depths = iter(pyramidal_depths(depth, options.components))

    def auxiliary_after(number: int) -> Objective:
        own = next(depths)
        chosen = chosen_layers(number, layers, own)
        makers = [(partial(backbone.block, j), backbone.shapes[j - 1][0]) for j in chosen]
        # only an aux_l of one layer has a BatchNorm before its linear one
        aux = auxiliary(makers, backbone.shapes[number - 1], backbone.classes, norm=own <= 1)
        objective = ExitObjective(aux)  # CE(aux_l(r_l), y)
        objective.short = "aux CE"
        return objective

    return cut_with_objectives(
        backbone, options.components, auxiliary_after, uncut=1 + min(depth, layers - 1)
    )
