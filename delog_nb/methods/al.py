"""Associated learning (Kao & Chen, 2021; Wu et al., 2022): features meet encoded targets.

Component l has a bridge b_l from features and an encoder enc_l from targets into one code space,
and a decoder inv_l back. With t_0 = onehot(y) and t_l = enc_l(t_{l-1}), its local loss is

    MSE(b_l(r_l), t_l) + MSE(inv_l(t_l), t_{l-1})

where the bridge sees t_l as a constant. There is no cross-entropy. A prediction goes up through the
blocks, over the last bridge and down through the decoders: inv_1(... inv_H(b_H(r_H))). Encoders
and all bridges but the last are affiliated.
"""

from types import SimpleNamespace

import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.components import heads
from delog_nb.components.batch import Batch
from delog_nb.components.component import Component, Method, NetMaker
from delog_nb.components.declare import method
from delog_nb.components.targets import TargetCode
from delog_nb.experiment import Option
from delog_nb.experiment.counts import Counts
from delog_nb.nets import Shape


class AssociatedObjective(TargetCode):
    """Bridge, encoder and decoder of one component, and their loss."""

    short = "AL"

    def __init__(
        self, bridge: nn.Module, encoder: nn.Module, decoder: nn.Module, classes: int
    ) -> None:
        super().__init__(encoder, decoder, classes)
        self.bridge = bridge

    def forward(self, r: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        reconstruction, code = super().forward(r, batch)
        return F.mse_loss(self.bridge(r), code.detach()) + reconstruction, code


class AssociatedLearning(Method):
    """Predicts over the last bridge and down through the decoders; so does every component."""

    def inference_modules(self) -> list[nn.Module]:
        ways = self.ways_out()
        return [*(part.layers for part in self.parts()), *ways[-1].children()]

    def ways_out(self) -> list[nn.Module]:  # type: ignore[override]
        goals = [part.objective for part in self.parts()]
        down = [goal.get_submodule("decoder") for goal in goals]
        return [
            nn.Sequential(goal.get_submodule("bridge"), *reversed(down[: place + 1]))
            for place, goal in enumerate(goals)
        ]


HIDDEN = Option(
    "al_hidden",
    500,
    "AL: dimensions of the target codes t_l",
    ge=1,
    le=65536,
    # with the paper's sigmoid codes AL stays at chance for tens of epochs on small data, because
    # the codes of all classes are nearly equal at first: tanh, fewer dimensions and faster target
    # encoders spread them
    presets={"lesson": 50},
    by_net={"convnet": 300},
)
ACTIVATION = Option(
    "al_activation",
    "sigmoid",
    "AL: activation of codes and bridges",
    choices=("sigmoid", "tanh"),
    presets={"lesson": "tanh"},
)
DECODER = Option(
    "al_decoder",
    "activated",
    "AL: decoders are linear, or end in the codes' activation",
    choices=("activated", "linear"),
    by_net={"convnet": "linear"},  # as the authors have it
)
RATE = Option(
    "al_lr",
    None,
    "AL: learning rate of target encoders and decoders; default: lr",
    kind="float",
    gt=0,
    le=10,
    presets={"lesson": 1e-2},
)


@method(
    "al",
    label="AL",
    presets={"lesson": {"lr": 0.001}},
    options=(heads.POOL, HIDDEN, ACTIVATION, DECODER, RATE),
    components=Counts("H", "H", "H", "AL cuts every block"),
    style=3,
    published="Kao & Chen, 2021; Wu et al., 2022",
    loss="MSE(b_l(r_l), t_l) + MSE(inv_l(t_l), t_{l-1}), t_l = enc_l(t_{l-1}), t_0 = onehot(y)",
    constant="t_l for the bridge b_l; t_{l-1} for the encoder enc_l",
)
def build(net: NetMaker, options: SimpleNamespace) -> Method:
    """One component a block; the network's own classifier is not used."""
    backbone = net(pooled=False)
    classes = backbone.classes
    activation = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh}[options.al_activation]
    code = options.al_hidden

    def component(block: nn.Module, r_shape: Shape, below: int) -> Component:
        to_vector, features = heads.flatten(r_shape, options.pool)
        bridge = nn.Sequential(
            to_vector,
            nn.Linear(features, 5 * code),
            activation(),
            nn.Linear(5 * code, code),
            activation(),
        )
        encoder = nn.Sequential(nn.Linear(below, code), activation())
        decoder = nn.Sequential(nn.Linear(code, below))
        if options.al_decoder == "activated":
            decoder.append(activation())
        objective = AssociatedObjective(bridge, encoder, decoder, classes)
        return Component([block], objective, ((encoder, decoder), options.al_lr))

    widths = [classes] + [code] * (len(backbone.blocks) - 1)
    return AssociatedLearning(
        component(block, r_shape, below)
        for block, r_shape, below in zip(backbone.blocks, backbone.shapes, widths, strict=True)
    )
