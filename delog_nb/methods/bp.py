"""End-to-end backpropagation: one component, one long gradient flow."""

from delog_nb import nets
from delog_nb.components import Component, CrossEntropy, Method
from delog_nb.config import Experiment


def build(experiment: Experiment) -> Method:
    """All layers in one component, trained by cross-entropy."""
    return Method([Component(nets.build(experiment).layers(), CrossEntropy())])
