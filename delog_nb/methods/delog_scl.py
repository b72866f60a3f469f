"""Delog-SCL: a supervised contrastive loss trains every component but the last (section 2.2).

Projection heads are affiliated; the classifier is trained by cross-entropy on detached features.
"""

from torch import Tensor, nn

from delog_nb.experiment import Experiment
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.methods import heads
from delog_nb.methods.batch import Batch
from delog_nb.methods.component import Method, NetMaker, Objective, cut_with_objectives


class ContrastiveObjective(Objective):
    """Eq. 2 on z_l = g_l(r_l)."""

    short = "SCL"

    def __init__(self, head: nn.Module, tau: float, scaling: str) -> None:
        super().__init__()
        self.head, self.tau, self.scaling = head, tau, scaling

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        z, labels = batch.join(self.head(r), batch.labels)
        return supervised_contrastive_loss(z, labels, self.tau, scaling=self.scaling)


def build(experiment: Experiment, net: NetMaker) -> Method:
    """``num_components`` gradient flows; one is the single long flow of Fig. 4, which is BP."""
    backbone = net()

    def contrast_after(blocks: int) -> Objective:
        head = heads.projection_head(
            experiment.head,
            backbone.shapes[blocks - 1],
            hidden=experiment.head_hidden,
            dim=experiment.head_dim,
            pool=experiment.pool,
        )
        return ContrastiveObjective(head, experiment.tau, experiment.loss_scaling)

    return cut_with_objectives(backbone, experiment.num_components, contrast_after)
