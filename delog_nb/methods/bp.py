"""End-to-end backpropagation: one component, one long gradient flow."""

from delog_nb import nets
from delog_nb.experiment import Experiment
from delog_nb.methods.component import Component, CrossEntropy, Method


def build(experiment: Experiment) -> Method:
    """All layers in one component, trained by cross-entropy."""
    return Method([Component(nets.build(experiment).layers(), CrossEntropy())])
