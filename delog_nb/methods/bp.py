"""End-to-end backpropagation: one component, one long gradient flow."""

from types import SimpleNamespace

from delog_nb.components.component import Component, CrossEntropy, Method, NetMaker
from delog_nb.components.declare import method
from delog_nb.experiment.counts import Counts


@method(
    "bp",
    label="BP",
    components=Counts(1, 1, 1, "BP is one gradient flow"),
    style=1,
    loss="CE(f_{H+1}(r_H), y)",
)
def build(net: NetMaker, options: SimpleNamespace) -> Method:  # noqa: ARG001
    """All layers in one component, trained by cross-entropy."""
    return Method([Component(net().layers(), CrossEntropy())])
