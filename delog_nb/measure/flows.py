"""How long gradient flows are, of any method and of a plain stack, cut or not.

The stack is for looking, not for accuracy: narrow, without shortcuts or pooling, so that depth is
the only thing that changes.
"""

import math
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from delog_nb.components import heads
from delog_nb.components.batch import Batch
from delog_nb.components.component import (
    Component,
    Method,
    Objective,
    cut_with_objectives,
    modules_of,
)
from delog_nb.methods.delog_scl import ContrastiveObjective
from delog_nb.nets import Shape, of_blocks
from delog_nb.training import local_losses

_HEAD = {"hidden": 64, "dim": 32, "pool": 4}


@dataclass(frozen=True)
class Stack:
    """A plain stack: ``depth`` blocks of one 3x3 convolution and a ReLU, then a classifier.

    Weights are He's (variance 2 / inputs), biases start at 0.
    """

    depth: int
    channels: int = 8
    shape: Shape = (1, 16, 16)
    classes: int = 10
    seed: int = 0

    def build(self, components: int = 1) -> Method:
        """The stack cut into ``components``; all but the last learn by the contrastive loss.

        The layers start from the same weights whatever ``components`` is.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)
            blocks = [self._block(place) for place in range(self.depth)]
            backbone = of_blocks(blocks, self.shape, self.classes)

            def contrast_after(blocks: int) -> Objective:
                head = heads.projection_head("mlp", backbone.shapes[blocks - 1], **_HEAD)
                return ContrastiveObjective(head, 0.1, "eq2")

            return cut_with_objectives(backbone, components, contrast_after)

    def _block(self, place: int) -> nn.Module:
        inputs = self.channels if place else self.shape[0]
        convolution = nn.Conv2d(inputs, self.channels, 3, padding=1)
        bound = math.sqrt(6 / (9 * inputs))  # of a uniform distribution
        nn.init.uniform_(convolution.weight, -bound, bound)
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        return nn.Sequential(convolution, nn.ReLU())


def layers_of(method: Method) -> list[nn.Module]:
    """f_1 ... f_{H+1}, whichever components own them."""
    return [layer for part in method.parts() for layer in part.layers]


def longest_path(node: Any, stations: Collection[Any] | None = None) -> int:
    """Steps of the longest way from ``node`` of autograd's graph down to a parameter.

    Counts the nodes below ``node``: all of them, or with ``stations`` those among them and the
    parameter at the end. With the outputs of layers as stations these are the local gradients of
    Eq. 1, where one layer may be several nodes.
    """
    known: dict[Any, int] = {}

    def below(here: Any) -> int:
        if here not in known:
            ways = [
                (stations is None or lower in stations or not lower.next_functions) + below(lower)
                for lower, _ in here.next_functions
                if lower is not None
            ]
            known[here] = max(ways, default=0)
        return known[here]

    return below(node)


@dataclass(frozen=True)
class FlowLength:
    """Of a component's longest flow: local gradients as in Eq. 1, and nodes in autograd's graph."""

    local_gradients: int
    nodes: int


def flow_lengths(method: Method, images: Tensor, labels: Tensor) -> list[FlowLength]:
    """Lengths of each component's gradient flow, counted in the graph of a real forward pass."""
    lengths = []
    parts = method.parts()
    with _outputs_of(parts) as outputs:
        for made in local_losses(parts, images, Batch.of(labels, inputs=images)):
            stations = {output.grad_fn for output in outputs}
            node = made.loss.grad_fn
            lengths.append(FlowLength(longest_path(node, stations), longest_path(node)))
    return lengths


@contextmanager
def _outputs_of(parts: list[Component]) -> Iterator[list[Tensor]]:
    """Outputs of the components' layers, and of the modules that their objectives train."""
    outputs: list[Tensor] = []
    with ExitStack() as hooks:
        for module in (m for part in parts for m in (*part.layers, *modules_of(part.objective))):
            handle = module.register_forward_hook(lambda _, __, output: outputs.append(output))
            hooks.callback(handle.remove)
        yield outputs
