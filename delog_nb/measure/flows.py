"""How long gradient flows are, and what arrives at their ends: a plain stack of layers, cut or not.

The stack is for looking, not for accuracy: narrow, without shortcuts or pooling, so that depth is
the only thing that changes.
"""

import math
from collections.abc import Collection, Iterator, Sequence
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
from delog_nb.experiment import Experiment
from delog_nb.instruments.memory import LiveBytes
from delog_nb.methods.delog_scl import ContrastiveObjective
from delog_nb.nets import Shape, of_blocks
from delog_nb.training import local_losses, make_optimizers, train_step

ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "ReLU": nn.ReLU}
# standard deviation of a weight, times the square root of the layer's inputs
WEIGHTS = {"PyTorch's": math.sqrt(1 / 3), "He's": math.sqrt(2), "twice He's": 2 * math.sqrt(2)}

_HEAD = {"hidden": 64, "dim": 32, "pool": 4}


@dataclass(frozen=True)
class Stack:
    """A plain stack: ``depth`` blocks of one 3x3 convolution and an activation, then a classifier.

    ``weights`` says how large the convolutions' weights are at first; biases start at 0.
    """

    depth: int
    activation: str = "ReLU"
    batch_norm: bool = False
    weights: str = "He's"
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
        bound = WEIGHTS[self.weights] * math.sqrt(3 / (9 * inputs))  # of a uniform distribution
        nn.init.uniform_(convolution.weight, -bound, bound)
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        norm = [nn.BatchNorm2d(self.channels)] if self.batch_norm else []
        return nn.Sequential(convolution, *norm, ACTIVATIONS[self.activation]())


def layers_of(method: Method) -> list[nn.Module]:
    """f_1 ... f_{H+1}, whichever components own them."""
    return [layer for part in method.parts() for layer in part.layers]


def gradient_norms(layers: Sequence[nn.Module]) -> list[float]:
    r"""The length of each layer's gradient, :math:`\|\partial L / \partial \theta_{f_l}\|_2`.

    In float64: the squares of gradients that have nearly vanished would be 0 in float32.
    """
    return [
        math.sqrt(
            sum(
                float(p.grad.double().square().sum())
                for p in layer.parameters()
                if p.grad is not None
            )
        )
        for layer in layers
    ]


@dataclass(frozen=True)
class Trace:
    """What was seen in training.

    ``norms[s][l]`` is the length of the gradient of layer l + 1 in step s, before its update;
    ``losses[s]`` is the cross-entropy of the output in that step (nat).
    """

    norms: list[list[float]]
    losses: list[float]


def trace(method: Method, images: Tensor, labels: Tensor, steps: int, lr: float = 2e-3) -> Trace:
    """Train ``method`` for some steps on one batch, and watch the gradients of its layers."""
    optimizers = make_optimizers(method, Experiment(lr=lr))
    norms: list[list[float]] = []
    losses: list[float] = []
    for part, optimizer in zip(method.parts(), optimizers, strict=True):
        layers = list(part.layers)

        def look(*_: Any, layers: list[nn.Module] = layers) -> None:
            norms[-1].extend(gradient_norms(layers))

        optimizer.register_step_pre_hook(look)
    for _ in range(steps):
        norms.append([])
        losses.append(float(_step(method, optimizers, images, labels)[-1]))
    return Trace(norms, losses)


def peak_bytes(method: Method, images: Tensor, labels: Tensor) -> int:
    """Most bytes of live tensors in one training step: weights, gradients, Adam's state, features.

    The step that is measured is the second one, when Adam's state is there.
    """
    optimizers = make_optimizers(method, Experiment(lr=1e-3))
    _step(method, optimizers, images, labels)
    with LiveBytes() as live:
        live.track([images, labels])
        live.track_training(method, optimizers)
        _step(method, optimizers, images, labels)
    return live.peak


def _step(
    method: Method, optimizers: list[torch.optim.Optimizer], images: Tensor, labels: Tensor
) -> list[Tensor]:
    parts = method.parts()
    flow = local_losses(parts, images, Batch.of(labels, inputs=images))
    return train_step(parts, optimizers, flow)[2]


@torch.no_grad()
def spread(method: Method, images: Tensor) -> list[float]:
    r"""How much each layer's output differs between images, from 0 (not at all) to 1.

    :math:`\|R - \bar R\| / \|R\|` with R (B, ...) the outputs and :math:`\bar R` their mean over
    the batch. BatchNorm's running statistics are left as they were.
    """
    spreads = []
    r = images
    for layer in layers_of(method):
        r = _without_memory(layer, r)
        spreads.append(float((r - r.mean(0)).double().norm() / r.double().norm()))
    return spreads


def feature_gradients(method: Method, images: Tensor, labels: Tensor) -> list[float]:
    r"""Lengths of :math:`\partial L / \partial r_l` for l = 1 ... H+1 in an uncut network.

    This is the product of Eq. 1 from the loss down to r_l, before it turns to parameters.
    """
    outputs = []
    r = images
    for layer in layers_of(method):
        r = layer(r)
        outputs.append(r)
    gradients = torch.autograd.grad(nn.functional.cross_entropy(r, labels), outputs)
    return [float(gradient.double().norm()) for gradient in gradients]


def stretch(stack: Stack, images: Tensor, labels: Tensor) -> float:
    r"""By what factor a gradient grows on its way from the last block's output to the first one's.

    :math:`\|\partial L / \partial r_1\| / \|\partial L / \partial r_H\|`, at the first weights.
    """
    norms = feature_gradients(stack.build(), images, labels)
    return norms[0] / norms[-2]


def _without_memory(layer: nn.Module, r: Tensor) -> Tensor:
    """The layer's output in training mode, with its buffers as before."""
    buffers = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    result: Tensor = torch.func.functional_call(layer, buffers, (r,))
    return result


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
