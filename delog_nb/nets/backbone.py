"""A network as a list of blocks f_1 ... f_H and a classifier f_{H+1}."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from delog_nb.experiment import ExperimentError

Shape = tuple[int, ...]  # of one sample: (C, H, W)
Layer = tuple[list[nn.Module], Any]  # what opens it (pooling), and the layer itself
_POOLING = (nn.MaxPool2d, nn.AvgPool2d)


class Parts(NamedTuple):
    """What a net is made of.

    ``block(l, in_shape)`` makes a block of the kind and width of f_l for features of any shape: an
    `nn.Sequential` of layers, each of them a convolution with normalisation and activation, or a
    residual block; pooling stands between them. A layer's ``like(inputs, stride)`` makes a fresh
    one of its kind and width for ``inputs`` channels; those of `conv` have it.
    ``classifier(features)`` makes f_{H+1} for a number of flattened features. ``pool`` is the net's
    final pooling, which a method may leave out.
    """

    block: Callable[[int, Shape], nn.Module]
    classifier: Callable[[int], nn.Module]
    pool: nn.Module | None = None


class Backbone(nn.Module):
    """Blocks f_1 ... f_H, the shape of each one's output r_l, and the classifier f_{H+1}.

    ``in_shape`` is that of an image. Every block gives (B, C, H, W). ``forward`` is the inference
    path of Eq. 6: (B, C, H, W) -> logits (B, classes).

    Cut at layers, ``blocks`` are the single layers of all blocks. A pooling then opens the layer
    that follows it, and the last one the classifier.

    Args:
        parts: the blocks, the classifier's maker and the final pooling, which joins block H
        in_shape: (C, H, W) of an image
        classes: the number of classes
        depth: H
        cut: ``block`` or ``layer``
        opening: a layer without parameters that block 1 begins with, such as one that cuts images
            into patches; ``shapes`` are then of a patch's features

    Raises:
        ExperimentError: a block does not give (B, C, H, W).
    """

    def __init__(
        self,
        parts: Parts,
        in_shape: Shape,
        classes: int,
        depth: int,
        cut: str = "block",
        opening: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.in_shape, self.classes = in_shape, classes
        self._block, self._units = parts.block, list[Layer]()
        blocks: list[nn.Module] = []
        seen = in_shape if opening is None else output_shape(opening, in_shape)  # by block 1
        shapes = [seen]
        for number in range(1, depth + 1):
            blocks.append(parts.block(number, shapes[-1]))
            found = output_shape(blocks[-1], shapes[-1])
            if len(found) != 3:
                raise ExperimentError(
                    f"block {number} gives {('B', *found)} of {('B', *shapes[-1])}: it has to give "
                    f"(B, C, H, W)"
                )
            shapes.append(found)
        end = shapes[-1]
        pooling: list[nn.Module] = []  # what the classifier begins with
        if cut == "layer":
            self._units, pooling = _layers(blocks)
            blocks = [nn.Sequential(*o, layer) if o else layer for o, layer in self._units]
            shapes = [seen]
            for layer in blocks:
                shapes.append(output_shape(layer, shapes[-1]))
        if parts.pool is not None:
            end = output_shape(parts.pool, end)
            if cut == "layer":
                pooling.append(parts.pool)
            else:
                blocks[-1], shapes[-1] = nn.Sequential(blocks[-1], parts.pool), end
        if opening is not None:
            blocks[0] = nn.Sequential(opening, blocks[0])
        self.blocks, self.shapes = nn.ModuleList(blocks), shapes[1:]
        classifier = parts.classifier(torch.Size(end).numel())
        self.classifier = nn.Sequential(*pooling, classifier) if pooling else classifier

    def block(self, number: int, in_shape: Shape, *, halve: bool = False) -> nn.Module:
        """A fresh block of the kind and width of f_number for features of any shape.

        Cut at layers, it is a layer, which halves the side where ``halve`` says so: by pooling in a
        net that pools between layers, else by its stride. A block has strides and pooling of its
        own.

        Raises:
            ExperimentError: the layer cannot be made anew.
        """
        if not self._units:
            return self._block(number, in_shape)
        layer = self._units[number - 1][1]
        if not hasattr(layer, "like"):
            raise ExperimentError(
                f"a fresh layer like layer {number} for {('B', *in_shape)} cannot be made: "
                f"{type(layer).__name__} has no like(inputs, stride)"
            )
        pools = [m for opening, _ in self._units for m in opening if isinstance(m, _POOLING)]
        if halve and pools:
            return nn.Sequential(copy.deepcopy(pools[0]), layer.like(in_shape[0], 1))
        return layer.like(in_shape[0], 2 if halve else 1)

    def layers(self) -> list[nn.Module]:
        """f_1 ... f_{H+1}."""
        return [*self.blocks, self.classifier]

    def forward(self, images: Tensor) -> Tensor:
        r = images
        for layer in self.layers():
            r = layer(r)
        return r


def _layers(blocks: list[nn.Module]) -> tuple[list[Layer], list[nn.Module]]:
    """The single layers of ``blocks``, and the pooling that follows the last one."""
    layers: list[Layer] = []
    opening: list[nn.Module] = []
    for child in (child for block in blocks for child in block.children()):
        if not any(True for _ in child.parameters()):
            opening.append(child)
            continue
        layers.append((opening, child))
        opening = []
    return layers, opening


def output_shape(module: nn.Module, shape: Shape) -> Shape:
    """The shape of ``module``'s output, by one sample of zeros in evaluation mode."""
    device = next(module.parameters(), torch.empty(0)).device
    training = module.training
    with torch.no_grad():
        r = module.eval()(torch.zeros(1, *shape, device=device))
    module.train(training)
    return tuple(r.shape[1:])
