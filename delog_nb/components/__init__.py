"""What methods are made of: components, objectives, what a batch tells them, heads."""

from delog_nb.components.batch import Batch
from delog_nb.components.component import Component, CrossEntropy, Method, Objective
from delog_nb.components.declare import method

__all__ = ["Batch", "Component", "CrossEntropy", "Method", "Objective", "method"]
