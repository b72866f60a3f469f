"""End-to-end backpropagation: one component, one long gradient flow."""

from delog_nb.experiment import Experiment
from delog_nb.methods.component import Component, CrossEntropy, Method, NetMaker


def build(experiment: Experiment, net: NetMaker) -> Method:  # noqa: ARG001
    """All layers in one component, trained by cross-entropy."""
    return Method([Component(net().layers(), CrossEntropy())])
