"""Associated learning (Kao & Chen, 2021; Wu et al., 2022): features meet encoded targets.

Component l has a bridge b_l from features and an encoder g_l from targets into one code space, and
a decoder inv_l back. With t_0 = onehot(y) and t_l = g_l(t_{l-1}), its local loss is

    MSE(b_l(r_l), t_l) + MSE(inv_l(t_l), t_{l-1})

where the bridge sees t_l as a constant. There is no cross-entropy. A prediction goes up through the
blocks, over the last bridge and down through the decoders: inv_1(... inv_H(b_H(r_H))). Encoders
and all bridges but the last are affiliated.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.experiment import Experiment
from delog_nb.methods import heads
from delog_nb.methods.batch import Batch
from delog_nb.methods.component import Component, Method, NetMaker, Objective
from delog_nb.nets import Shape


class TargetCode(Objective):
    """Encoder and decoder of one component: the half of its loss that no image takes part in."""

    short = "AL"

    def __init__(self, encoder: nn.Module, decoder: nn.Module, classes: int) -> None:
        super().__init__()
        self.encoder, self.decoder, self.classes = encoder, decoder, classes

    def forward(self, r: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """MSE(inv_l(t_l), t_{l-1}) and t_l."""
        below = batch.target
        if below.ndim == 1:  # labels: t_0
            below = F.one_hot(below, self.classes).to(r.dtype)
        code = self.encoder(below)
        return F.mse_loss(self.decoder(code), below), code


class AssociatedObjective(TargetCode):
    """Bridge, encoder and decoder of one component, and their loss."""

    def __init__(
        self, bridge: nn.Module, encoder: nn.Module, decoder: nn.Module, classes: int
    ) -> None:
        super().__init__(encoder, decoder, classes)
        self.bridge = bridge

    def forward(self, r: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        reconstruction, code = super().forward(r, batch)
        return F.mse_loss(self.bridge(r), code.detach()) + reconstruction, code


class AssociatedLearning(Method):
    """Predicts through the last bridge and the decoders."""

    def inference_modules(self) -> list[nn.Module]:
        parts = self.parts()
        objectives = [part.objective for part in parts]
        up = [part.layers for part in parts]
        down = [objective.get_submodule("decoder") for objective in reversed(objectives)]
        return [*up, objectives[-1].get_submodule("bridge"), *down]


def build(experiment: Experiment, net: NetMaker) -> Method:
    """One component a block; the network's own classifier is not used."""
    backbone = net(pooled=False)
    classes = backbone.classes
    activation = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh}[experiment.al_activation]
    code = experiment.al_hidden

    def component(block: nn.Module, r_shape: Shape, below: int) -> Component:
        to_vector, features = heads.flatten(r_shape, experiment.pool)
        bridge = nn.Sequential(
            to_vector,
            nn.Linear(features, 5 * code),
            activation(),
            nn.Linear(5 * code, code),
            activation(),
        )
        encoder = nn.Sequential(nn.Linear(below, code), activation())
        decoder = nn.Sequential(nn.Linear(code, below))
        if experiment.net != "convnet":  # the authors' ConvNet has linear decoders
            decoder.append(activation())
        objective = AssociatedObjective(bridge, encoder, decoder, classes)
        return Component(
            [block], objective, ((encoder, decoder), experiment.al_lr or experiment.lr)
        )

    widths = [classes] + [code] * (len(backbone.blocks) - 1)
    return AssociatedLearning(
        component(block, r_shape, below)
        for block, r_shape, below in zip(backbone.blocks, backbone.shapes, widths, strict=True)
    )
