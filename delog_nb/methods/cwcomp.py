"""CwComp (Papachristodoulou et al., 2024): groups of channels compete, one group for each class.

With the channels of features r (B, C, H, W) in K groups S_1 ... S_K, one for each class:

    g_k = mean of r^2 over S_k and all positions        (goodness)
    CwC = CE(g, y)
    PvN = mean of softplus(2 - g_y) and softplus(mean_{k != y} g_k - 2)
    CWG = .28 CwC + .72 PvN

There are no affiliated parameters. The prediction is the class whose group of the last component's
features has the largest goodness ("Avg" in the paper). Where K does not divide C, which the paper
asks for, the first C mod K groups have one channel more. The paper's grouped convolutions (CFSE)
and its interleaved training of layers are not part of this: they are the net's, and the loop's.
"""

from itertools import accumulate
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.components.batch import Batch
from delog_nb.components.component import Component, Method, NetMaker, Objective, cut
from delog_nb.components.declare import method
from delog_nb.experiment import ExperimentError, Option
from delog_nb.experiment.counts import Counts
from delog_nb.losses import channel_energy
from delog_nb.nets import Shape

_WEIGHTS = {"cwc": (1.0, 0.0), "pvn": (0.0, 1.0), "cwg": (0.28, 0.72)}
_THRESHOLD = 2.0  # of PvN: below it is the goodness of other classes


class Goodness(nn.Module):
    """g: (B, C, H, W) -> (B, classes).

    Raises:
        ExperimentError: there are fewer channels than classes.
    """

    shares: Tensor

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        if shape[0] < classes:
            raise ExperimentError(
                f"cwcomp needs at least a channel for each class: features of {shape[0]} channels "
                f"do not go with {classes} classes; a larger width has more"
            )

        groups = torch.eye(shape[0]).tensor_split(classes)  # S_1 ... S_K
        shares = torch.stack([group.mean(0) for group in groups], dim=1)  # of a channel in a group
        self.register_buffer("shares", shares, persistent=False)

    def forward(self, r: Tensor) -> Tensor:
        return (channel_energy(r)[:, :, None] * self.shares).sum(1)  # g


class Competition(Objective):
    """CwC, PvN or their sum CWG; the largest goodness is the way out."""

    short = "CwC"

    def __init__(self, goodness: Goodness, kind: str) -> None:
        super().__init__()
        self.goodness, self.weights = goodness, _WEIGHTS[kind]

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        g = self.goodness(r)
        cwc = F.cross_entropy(g, batch.labels)  # CwC
        own = g.gather(1, batch.labels[:, None]).squeeze(1)  # g_y
        others = (g.sum(1) - own) / (g.shape[1] - 1)  # mean over k != y
        pvn = F.softplus(torch.cat([_THRESHOLD - own, others - _THRESHOLD])).mean()  # PvN
        return self.weights[0] * cwc + self.weights[1] * pvn

    def way_out(self) -> nn.Module:
        return self.goodness


class Competitive(Method):
    """Predicts by the goodness of the last component's features."""

    def inference_modules(self) -> list[nn.Module]:
        goals = [part.objective for part in self.parts()]
        return [*super().inference_modules(), goals[-1].get_submodule("goodness")]


LOSS = Option(
    "cwc_loss",
    "cwc",
    "CwComp: cwc = cross-entropy of the goodness; pvn = positive against negative; cwg = both",
    choices=tuple(_WEIGHTS),
)


@method(
    "cwcomp",
    label="CwComp",
    presets={"lesson": {"lr": 0.01}},
    style=9,
    options=(LOSS,),
    cut="layer",
    components=Counts(1, "H", "H"),
    published="Papachristodoulou et al., 2024",
    loss="CE(g, y), g_k the mean of r_l^2 over the channels of class k",
    note="where the classes do not divide a layer's channels, the sizes of their groups differ by "
    "one; in a narrow layer a class has few",
)
def build(net: NetMaker, options: SimpleNamespace) -> Method:
    """The network's own classifier is not used: every component's features tell the class."""
    backbone = net(pooled=False)
    runs = cut(list(backbone.blocks), options.components)
    ends = accumulate(len(run) for run in runs)

    def component(run: list[nn.Module], end: int) -> Component:
        goodness = Goodness(backbone.shapes[end - 1], backbone.classes)
        return Component(run, Competition(goodness, options.cwc_loss))

    return Competitive(component(run, end) for run, end in zip(runs, ends, strict=True))
