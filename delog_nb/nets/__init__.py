"""Networks as lists of blocks f_1 ... f_H and a classifier f_{H+1}."""

from delog_nb.nets.backbone import Backbone, BasicBlock, Shape, build

__all__ = ["Backbone", "BasicBlock", "Shape", "build"]
