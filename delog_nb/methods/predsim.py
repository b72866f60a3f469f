"""PredSim (Nokland & Eidnes, 2019): a layer predicts the classes, and keeps them apart.

With beta = .99, the local loss of layer l is

    (1 - beta) CE(V_l pool(r_l) + b_l, y) + beta MSE(S(C_l r_l), S(onehot(y)))
      pred                                         sim

where S(x) are the cosine similarities of all pairs of samples, and C_l is a convolution, compared
by its channels' standard deviations. ``pred`` and ``sim`` are also losses on their own, then of
weight 1. V_l, b_l and C_l are affiliated.

The classifier on top is the network's own, trained by cross-entropy alone; the authors' has a
hidden layer with a local loss like the others, and weighs its cross-entropy by 1 - beta.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.components.batch import Batch
from delog_nb.components.component import Objective
from delog_nb.components.declare import method
from delog_nb.experiment import Option
from delog_nb.losses import channel_deviation, similarity_matching_loss
from delog_nb.nets import Shape
from delog_nb.nets.layers import AveragePool


def pooled_sides(shape: Shape, dimensions: int) -> tuple[int, int]:
    """(H, W), halved in turns, height first, until C * H * W is at most ``dimensions``, or 1 x 1.

    >>> pooled_sides((256, 32, 32), 2048)
    (2, 4)
    """
    channels, *full = shape
    sides, turn = list(full), 0
    divisors = [1, 1]
    while channels * math.prod(sides) > dimensions and max(sides) > 1:
        divisors[turn] *= 2
        sides[turn] = math.ceil(full[turn] / divisors[turn])
        turn = 1 - turn
    return sides[0], sides[1]


def linear_decoder(shape: Shape, classes: int, dimensions: int) -> nn.Sequential:
    """V_l pool(r) + b_l: (B, *shape) -> logits (B, classes), with V_l zero at the start."""
    sides = pooled_sides(shape, dimensions)
    linear = nn.Linear(shape[0] * math.prod(sides), classes)
    nn.init.zeros_(linear.weight)
    return nn.Sequential(AveragePool(sides), nn.Flatten(), linear)


class ChannelDeviation(nn.Module):
    """What S compares: (B, C, H, W) -> (B, C), see `delog_nb.losses.channel_deviation`."""

    def forward(self, r: Tensor) -> Tensor:
        return channel_deviation(r)


LOSS = Option(
    "predsim_loss",
    "predsim",
    "PredSim: both terms of the local loss, or one of them alone",
    choices=("predsim", "pred", "sim"),
)
BETA = Option(
    "predsim_beta",
    0.99,
    "PredSim: weight of sim; pred has 1 - beta",
    gt=0,
    lt=1,
    when={"predsim_loss": ("predsim",)},
)
DECODER = Option(
    "dim_in_decoder",
    2048,
    "PredSim: average-pool features to at most as many dimensions before the prediction",
    ge=1,
    le=1_000_000,
    when={"predsim_loss": ("predsim", "pred")},
)


@method(
    "predsim",
    label="PredSim",
    style=5,
    options=(LOSS, BETA, DECODER),
    cut="layer",
    published="Nokland & Eidnes, 2019",
    loss="(1 - beta) CE(V pool(r_l), y) + beta MSE(S(C_l r_l), S(onehot(y)))",
)
class PredSim(Objective):
    """The weighted sum of ``pred`` and ``sim``, or one of them."""

    def __init__(
        self,
        shape: Shape,
        classes: int,
        *,
        predsim_loss: str = "predsim",
        predsim_beta: float = 0.99,
        dim_in_decoder: int = 2048,
    ) -> None:
        super().__init__()
        self.short, self.classes = predsim_loss, classes
        self.beta = {"pred": 0.0, "sim": 1.0}.get(predsim_loss, predsim_beta)
        self.decoder = self.similarity = None
        if predsim_loss != "sim":
            self.decoder = linear_decoder(shape, classes, dim_in_decoder)
        if predsim_loss != "pred":
            convolution = nn.Conv2d(shape[0], shape[0], 3, padding=1, bias=False)  # C_l
            self.similarity = nn.Sequential(convolution, ChannelDeviation())

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        terms = []
        if self.decoder is not None:  # (1 - beta) CE(V_l pool(r_l) + b_l, y)
            pred = F.cross_entropy(self.decoder(r), batch.labels)
            terms.append((1 - self.beta) * pred)
        if self.similarity is not None:  # beta MSE(S(C_l r_l), S(onehot(y)))
            z, labels = batch.join(self.similarity(r), batch.labels)  # of all pairs of samples
            sim = similarity_matching_loss(z, labels, self.classes)
            terms.append(self.beta * sim)
        return torch.stack(terms).sum()

    def way_out(self) -> nn.Module | None:
        return self.decoder

    def projection_head(self) -> nn.Module | None:
        return self.similarity
