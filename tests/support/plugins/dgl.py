"""DGL's ``mlp-sr`` auxiliary network (Belilovsky et al., 2020) after every block."""

import math

import torch.nn.functional as F
from torch import nn

import delog_nb


def auxiliary(channels, side, classes):
    """Pooling, three 1x1 convolutions, and three linear layers on what is pooled to 2 x 2."""
    wide = 4 * channels
    convolutions = [
        module
        for _ in range(3)
        for module in (
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
    ]
    linear = [
        module
        for _ in range(3)
        for module in (nn.Linear(wide, wide), nn.BatchNorm1d(wide), nn.ReLU())
    ]
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(math.ceil(side / 4)),
        *convolutions,
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        *linear,
        nn.Linear(wide, classes),
    )


@delog_nb.method("dgl-aux", label="DGL")
class DGL(delog_nb.Objective):
    short = "DGL"

    def __init__(self, shape, classes):
        super().__init__()
        self.classifier = auxiliary(shape[0], shape[1], classes)

    def forward(self, r, batch):
        return F.cross_entropy(self.classifier(r), batch.labels)

    def way_out(self):
        return self.classifier
