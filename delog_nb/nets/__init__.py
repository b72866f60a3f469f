"""Networks as lists of blocks f_1 ... f_H and a classifier f_{H+1}; one file a net.

Sizes follow the authors' code (Supervised-Contrastive-Parallel-Learning, 2022).
"""

from delog_nb.experiment import Experiment
from delog_nb.nets import convnet, resnet, vgg
from delog_nb.nets.backbone import Backbone, Parts, Shape

__all__ = ["Backbone", "Parts", "Shape", "build"]

_MAKERS = {"convnet": convnet.build, "vgg": vgg.build, "resnet": resnet.build}


def build(
    experiment: Experiment, in_shape: Shape, classes: int, *, pooled: bool = True
) -> Backbone:
    """The experiment's network, initialised by PyTorch's defaults from the global random state.

    Args:
        experiment: names the net, its width, depth and options
        in_shape: (C, H, W) of an image
        classes: the number of classes
        pooled: whether block H ends in the net's final pooling, if it has one (ResNet)
    """
    parts = _MAKERS[experiment.net](experiment, in_shape, classes)
    return Backbone(parts if pooled else parts._replace(pool=None), in_shape, classes)
