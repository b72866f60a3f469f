"""A network as a list of blocks f_1 ... f_H and a classifier f_{H+1}."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]  # of one sample: (C, H, W)


class Parts(NamedTuple):
    """What a net is made of.

    ``classifier`` makes f_{H+1} for a number of flattened features. ``pool`` is the net's final
    pooling, which a method may leave out.
    """

    blocks: list[nn.Module]
    classifier: Callable[[int], nn.Module]
    pool: nn.Module | None = None


class Backbone(nn.Module):
    """Blocks f_1 ... f_H, the shape of each one's output r_l, and the classifier f_{H+1}.

    Every block gives (B, C, H, W). ``forward`` is the inference path of Eq. 6:
    (B, C, H, W) -> logits (B, classes).

    Args:
        parts: the blocks, the classifier's maker and the final pooling, which joins block H
        in_shape: (C, H, W) of an image
        classes: the number of classes
    """

    def __init__(self, parts: Parts, in_shape: Shape, classes: int) -> None:
        super().__init__()
        blocks = list(parts.blocks)
        if parts.pool is not None:
            blocks[-1] = nn.Sequential(blocks[-1], parts.pool)
        self.blocks = nn.ModuleList(blocks)
        self.shapes = list(_output_shapes(blocks, in_shape))
        self.classes = classes
        self.classifier = parts.classifier(torch.Size(self.shapes[-1]).numel())

    def layers(self) -> list[nn.Module]:
        """f_1 ... f_{H+1}."""
        return [*self.blocks, self.classifier]

    def forward(self, images: Tensor) -> Tensor:
        r = images
        for layer in self.layers():
            r = layer(r)
        return r


def _output_shapes(blocks: list[nn.Module], in_shape: Shape) -> Iterator[Shape]:
    """Run one sample of zeros through; evaluation mode changes no running statistics."""
    device = next(blocks[0].parameters()).device
    r = torch.zeros(1, *in_shape, device=device)
    with torch.no_grad():
        for block in blocks:
            training = block.training
            r = block.eval()(r)
            block.train(training)
            yield tuple(r.shape[1:])
