"""Labels that say nothing: SCL where every image is a class of its own (lesson 6).

    L_l = SCL(g_l(r_l), number of the image)

A view's one positive is the other view of its image. The classifier learns classes as in Delog-SCL.
"""

from types import SimpleNamespace

from torch import Tensor

import delog_nb
from delog_nb.components.component import Method, NetMaker, cut_with_objectives
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.methods import delog_scl


class OwnClass(delog_scl.ContrastiveObjective):
    """Eq. 2 on z_l = g_l(r_l), with the images' numbers as labels."""

    def forward(self, r: Tensor, batch: delog_nb.Batch) -> Tensor:
        z, numbers = batch.join(self.head(r), batch.samples)
        return supervised_contrastive_loss(z, numbers, self.tau, scaling=self.scaling)


@delog_nb.method("without-classes", label="SCL without classes", options=delog_scl.OPTIONS)
def build(net: NetMaker, options: SimpleNamespace) -> Method:
    """Delog-SCL with other labels, from the same first weights."""
    backbone = net()

    def objective_after(end: int) -> OwnClass:
        goal = delog_scl.contrast_after(backbone, options, end)
        return OwnClass(goal.head, goal.tau, goal.scaling)

    return cut_with_objectives(backbone, options.components, objective_after)
