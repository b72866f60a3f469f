"""DGL, decoupled greedy learning (Belilovsky et al., 2020): an auxiliary network at every layer.

The local loss of layer l is

    CE(aux_l(r_l), y)

where aux_l is deeper than a classifier, but cheap: most of it works on few positions or none. The
auxiliary networks are affiliated. The last component's is the network's own classifier.
"""

import math

from torch import nn

from delog_nb.components.declare import method
from delog_nb.experiment import Option
from delog_nb.methods.early_exit import ExitObjective
from delog_nb.nets import Shape
from delog_nb.nets.layers import AveragePool, conv


def auxiliary(kind: str, shape: Shape, classes: int) -> nn.Sequential:
    """aux_l: (B, C, H, W) -> logits (B, classes).

    - ``mlp-sr``: average to a quarter of the side, three 1x1 convolutions, average to 2 x 2, three
      linear layers of 4C units, the logits. (Its first part is why it is called spatially reduced.)
    - ``mlp``: the same without convolutions
    - ``cnn``: two 3x3 convolutions at full size, average to 2 x 2, the logits

    Convolutions and linear layers are followed by BatchNorm and ReLU.
    """
    channels, *sides = shape
    wide = 4 * channels  # C x 2 x 2
    logits = nn.Linear(wide, classes)
    layers: list[nn.Module] = []
    if kind == "cnn":
        layers += [conv(channels, channels, activation=nn.ReLU(inplace=True)) for _ in range(2)]
        return nn.Sequential(
            *layers, AveragePool((2, 2)), nn.BatchNorm2d(channels), nn.Flatten(), logits
        )
    layers.append(AveragePool((math.ceil(sides[0] / 4), math.ceil(sides[1] / 4))))
    if kind == "mlp-sr":
        layers += [
            conv(channels, channels, kernel=1, activation=nn.ReLU(inplace=True)) for _ in range(3)
        ]
    layers += [AveragePool((2, 2)), nn.Flatten()]
    for _ in range(3):
        layers += [nn.Linear(wide, wide), nn.BatchNorm1d(wide), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, logits)


AUXILIARY = Option(
    "dgl_aux",
    "mlp-sr",
    "DGL: auxiliary network (mlp: without mlp-sr's 1x1 convolutions; cnn: 3x3 convolutions)",
    choices=("mlp-sr", "mlp", "cnn"),
)


@method(
    "dgl",
    label="DGL",
    presets={"lesson": {"lr": 0.005}},
    style=4,
    options=(AUXILIARY,),
    cut="layer",
    published="Belilovsky et al., 2020",
    loss="CE(aux_l(r_l), y)",
)
class DecoupledGreedy(ExitObjective):
    """CE(aux_l(r_l), y): an early exit through an auxiliary network."""

    short = "aux CE"

    def __init__(self, shape: Shape, classes: int, *, dgl_aux: str = "mlp-sr") -> None:
        super().__init__(auxiliary(dgl_aux, shape, classes))  # aux_l
