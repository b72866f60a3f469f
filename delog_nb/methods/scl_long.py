"""SCL, one flow: Delog-SCL's losses in a network that is not cut.

    L = CE(f_{H+1}(r_H), y) + sum_l SCL(g_l(r_l), y)

The losses, the heads and their places are those of Delog-SCL, but no r_l is detached: the gradient
of each loss goes through all blocks up to its own. It is deep supervision (Lee et al., 2015), and a
control: what Delog-SCL gains or loses against it comes from the cuts alone, and what it gains or
loses against BP comes from the losses.
"""

from types import SimpleNamespace

from delog_nb.components.component import Component, CrossEntropy, Method, NetMaker
from delog_nb.components.declare import method
from delog_nb.experiment.counts import Counts
from delog_nb.methods.delog_scl import OPTIONS, contrast_after


@method(
    "scl-long",
    label="SCL, one flow",
    style=15,  # grey: a control
    options=OPTIONS,
    components=Counts(1, 1, 1, "SCL, one flow, is one gradient flow"),
    presets={"lesson": {"lr": 0.001}},
    published="deep supervision, Lee et al., 2015, with the losses of Delog-SCL",
    loss="CE(f_{H+1}(r_H), y) + sum_l SCL(g_l(r_l), y)",
    constant="nothing: it is the control of what the cuts do",
)
def build(net: NetMaker, options: SimpleNamespace) -> Method:
    """One component with a contrastive loss after each block."""
    backbone = net()
    layers = backbone.layers()
    inside = {end: contrast_after(backbone, options, end) for end in range(1, len(layers))}
    return Method([Component(layers, CrossEntropy(), inside=inside)])
