"""Delog-SCL: a supervised contrastive loss trains every component but the last (section 2.2).

Projection heads are affiliated; the classifier is trained by cross-entropy on detached features.
"""

from functools import partial
from types import SimpleNamespace

from torch import Tensor, nn

from delog_nb.components import heads
from delog_nb.components.batch import Batch
from delog_nb.components.component import Method, NetMaker, Objective, cut_with_objectives
from delog_nb.components.declare import method
from delog_nb.experiment import Option
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.nets import Backbone


class ContrastiveObjective(Objective):
    """Eq. 2 on z_l = g_l(r_l)."""

    short = "SCL"

    def __init__(self, head: nn.Module, tau: float, scaling: str) -> None:
        super().__init__()
        self.head, self.tau, self.scaling = head, tau, scaling

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        z, labels = batch.join(self.head(r), batch.labels)
        return supervised_contrastive_loss(z, labels, self.tau, scaling=self.scaling)

    def projection_head(self) -> nn.Module:
        return self.head


HEAD = Option("head", "mlp", "Delog-SCL: projection head", choices=("identity", "linear", "mlp"))
HEAD_HIDDEN = Option(
    "head_hidden",
    512,
    "Delog-SCL: hidden units of the mlp head",
    ge=1,
    le=65536,
    presets={"lesson": 256},
    when={"head": ("mlp",)},
)
HEAD_DIM = Option(
    "head_dim",
    1024,
    "Delog-SCL: dimensions of z",
    ge=1,
    le=65536,
    presets={"lesson": 128},
    when={"head": ("linear", "mlp")},
)
TAU = Option("tau", 0.1, "Delog-SCL: temperature of Eq. 2", ge=0.001, le=100)
SCALING = Option(
    "loss_scaling",
    "eq2",
    "Delog-SCL: eq2 = Eq. 2; authors = their code, which counts the anchor as a positive",
    choices=("eq2", "authors"),
)


def contrast_after(backbone: Backbone, options: SimpleNamespace, end: int) -> Objective:
    """The contrastive loss of a component whose last block is f_end, with a head of its own."""
    head = heads.projection_head(
        options.head,
        backbone.shapes[end - 1],
        hidden=options.head_hidden,
        dim=options.head_dim,
        pool=options.pool,
    )
    return ContrastiveObjective(head, options.tau, options.loss_scaling)


OPTIONS = (heads.POOL, HEAD, HEAD_HIDDEN, HEAD_DIM, TAU, SCALING)


@method(
    "delog-scl",
    label="Delog-SCL",
    options=OPTIONS,
    style=0,  # the course's subject takes the first colour
    published="Delog-SCL, this course's paper; SCPL in the authors' code",
    loss="SCL(g_l(r_l), y); the classifier: CE(f_{H+1}(r_H), y)",
)
def build(net: NetMaker, options: SimpleNamespace) -> Method:
    """Gradient flows with contrastive losses; one alone is the long flow of Fig. 4, which is BP."""
    backbone = net()
    objective_after = partial(contrast_after, backbone, options)
    return cut_with_objectives(backbone, options.components, objective_after)
