"""SCL + Exits: every block is trained by a contrastive loss, and an exit reads what it has learned.

    L_l = SCL(g_l(r_l)) + CE(e_l(r_l), y)

The exit e_l sees r_l as a constant: it is a probe that is trained along with the block and does not
shape it. So the network can answer early, after any block, and its blocks are those of Delog-SCL.
With ``exit_gradient`` the exit's gradient goes into the block too.
`delog_nb.measure.exits.leave_early` lets each image leave at an exit that is sure of it.
"""

from types import SimpleNamespace

from torch import Tensor

from delog_nb.components.batch import Batch
from delog_nb.components.component import Method, NetMaker, Terms, cut_with_objectives
from delog_nb.components.declare import method
from delog_nb.experiment import Option
from delog_nb.methods import delog_scl, early_exit


class ProbeObjective(early_exit.ExitObjective):
    """Cross-entropy of an exit that reads the features and does not change them."""

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        return super().forward(r.detach(), batch)  # CE(e_l(r_l), y), r_l a constant


EXIT_GRADIENT = Option(
    "exit_gradient", False, "SCL + Exits: the exits' gradient goes into the blocks"
)


@method(
    "scl-exit",
    label="SCL + Exits",
    style=10,
    options=(*delog_scl.OPTIONS, early_exit.EXIT_HIDDEN, EXIT_GRADIENT),
    published="DASCPL, code of the authors of SCPL, 2023",
    loss="SCL(g_l(r_l), y) + CE(e_l(r_l), y)",
    constant="r_l for the exit e_l",
)
def build(net: NetMaker, options: SimpleNamespace) -> Method:
    """Delog-SCL with an exit after every component but the last."""
    backbone = net()
    kind = early_exit.ExitObjective if options.exit_gradient else ProbeObjective

    def objective_after(end: int) -> Terms:
        contrast = delog_scl.contrast_after(backbone, options, end)  # SCL(g_l(r_l))
        probe = early_exit.exit_after(backbone, options, end, kind)  # CE(e_l(r_l), y)
        return Terms([(1.0, contrast), (1.0, probe)])

    return cut_with_objectives(backbone, options.components, objective_after)
