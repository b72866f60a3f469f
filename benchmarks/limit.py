"""What a step cannot do without: its products run alone, and the bytes that the rest moves.

`taken_apart` records every operation of a step with the shapes, strides and types of its tensors.
Convolutions and matrix products are run again, each by itself on tensors made alike: their sum is
the time that no program around them can shorten. All other operations are put into kinds, with
the seconds that they took in the step and the bytes that they have to read and write once.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

PRODUCTS = ("convolution", "convolution_backward", "mm", "addmm", "bmm", "baddbmm")
KINDS = {
    "casts": ("_to_copy",),
    "Adam": ("_fused_adam_",),
    "normalisation": (
        "native_batch_norm",
        "native_batch_norm_backward",
        "_native_batch_norm_legit_functional",
        "_native_batch_norm_legit",
        "batch_norm_backward",
        "_batch_norm_with_update",
        "native_layer_norm",
        "native_layer_norm_backward",
    ),
    "activations, pooling": (
        "relu",
        "relu_",
        "leaky_relu",
        "leaky_relu_",
        "leaky_relu_backward",
        "threshold_backward",
        "gelu",
        "gelu_backward",
        "max_pool2d_with_indices",
        "max_pool2d_with_indices_backward",
        "avg_pool2d",
        "avg_pool2d_backward",
        "_adaptive_avg_pool2d",
        "_adaptive_avg_pool2d_backward",
        "tanh",
        "tanh_backward",
    ),
    "copies": ("clone", "copy_", "cat", "contiguous", "zeros_like", "fill_", "zero_", "new_zeros"),
}
_KIND = {name: kind for kind, names in KINDS.items() for name in names}
OTHER = "losses and sums"


class _Shape:
    """A tensor's shape, strides and type, from which one like it is made."""

    def __init__(self, tensor: Tensor) -> None:
        self.key = (tuple(tensor.shape), tensor.stride(), tensor.dtype)

    def make(self) -> Tensor:
        shape, stride, dtype = self.key
        tensor = torch.empty_strided(shape, stride, dtype=dtype)
        return tensor.fill_(0.5) if dtype.is_floating_point else tensor.zero_()


@dataclass
class Apart:
    """A step taken apart: seconds and bytes by kind of operation, and the products in it."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    moved: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    products: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    calls: dict[tuple[Any, ...], Callable[[], Callable[[], object]]] = field(default_factory=dict)

    def limit(self, times: int = 2) -> float:
        """Seconds of the products alone, each the least of ``times`` on tensors made alike."""
        return sum(
            count * min(timed(self.calls[key](), times)) for key, count in self.products.items()
        )


class _Recorder(TorchDispatchMode):
    def __init__(self, apart: Apart) -> None:
        super().__init__()
        self.apart = apart

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        begin = time.perf_counter()
        made = func(*args, **kwargs)
        seconds = time.perf_counter() - begin
        if func.is_view:
            return made
        name = func._schema.name.removeprefix("aten::")
        if name in PRODUCTS:
            kind = "products"
            shapes = tree_map_only(Tensor, _Shape, (args, kwargs))
            key = (name, *(x.key if isinstance(x, _Shape) else str(x) for x in tree_leaves(shapes)))
            self.apart.products[key] += 1
            self.apart.calls.setdefault(key, lambda: _replay(func, shapes))
        else:
            kind = _KIND.get(name, OTHER)
        self.apart.seconds[kind] += seconds
        tensors = [x for x in tree_leaves((args, kwargs, made)) if isinstance(x, Tensor)]
        self.apart.moved[kind] += sum(x.numel() * x.element_size() for x in tensors)
        return made


def _replay(func: Any, shapes: Any) -> Callable[[], object]:
    args, kwargs = tree_map_only(_Shape, _Shape.make, shapes)
    return lambda: func(*args, **kwargs)


def timed(call: Callable[[], object], times: int) -> list[float]:
    """Seconds of each of ``times`` calls, after one that warms up."""
    call()
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return taken


def taken_apart(step: Callable[[], object]) -> Apart:
    """One call of ``step``, operation by operation; it has to be warm."""
    apart = Apart()
    with _Recorder(apart):
        step()
    return apart


def copy_rate(megabytes: int = 256) -> float:
    """Bytes a second that are read and written by a copy of tensors too large for a cache."""
    source = torch.ones(megabytes * 2**18)
    target = torch.empty_like(source)
    seconds = timed(lambda: target.copy_(source), 5)
    return 2 * source.numel() * 4 / statistics.median(seconds)
