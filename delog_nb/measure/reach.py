"""Which parameters a loss sends a gradient to, and what it keeps, asked of autograd itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from delog_nb.components.component import Objective


def reach(losses: Iterable[Tensor], modules: Sequence[nn.Module]) -> Tensor:
    r"""How long the gradient of each loss is in each module.

    Entry (l, m) is the Euclidean length of :math:`\partial L_l / \partial \theta_m` over all
    parameters of module m, or NaN where no path leads from the loss to any of them: a gradient that
    is zero is something else than none. The graph is kept, and no ``grad`` is written.

    Args:
        losses: L scalars with a graph
        modules: M modules with parameters

    Returns:
        (L, M) in float64, on the CPU.

    >>> one, two = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> r = one(torch.ones(1, 1))
    >>> reach([r.sum(), two(r.detach()).sum()], [one, two]).isnan().tolist()
    [[False, True], [True, False]]
    """
    parameters = [list(module.parameters()) for module in modules]
    flat = [p for own in parameters for p in own]
    rows = []
    for loss in losses:
        found = iter(torch.autograd.grad(loss, flat, retain_graph=True, allow_unused=True))
        rows.append([_length([next(found) for _ in own]) for own in parameters])
    return torch.tensor(rows, dtype=torch.float64)


def _length(gradients: Sequence[Tensor | None]) -> float:
    lengths = [torch.linalg.vector_norm(g.double()) for g in gradients if g is not None]
    return torch.stack(lengths).norm().item() if lengths else math.nan


@dataclass
class Seen:
    """What is seen of one objective.

    Args:
        layer: the number of the layer that it stands after
        weight: of it in the component's loss
        modules: its own, by name
        features: what it is given, and ``value``, the loss, while their graph is there
        reads: what each module takes of the features: ``gradient`` (and one goes back into them),
            ``values`` (detached) or nothing
    """

    layer: int
    objective: Objective
    weight: float
    name: str
    modules: dict[str, nn.Module]
    features: Tensor | None = None
    value: Tensor | None = None
    reads: dict[str, str] = field(default_factory=dict)


@contextmanager
def watched(
    parts: dict[str, nn.Module], losses: list[Seen]
) -> Iterator[tuple[dict[str, int], dict[int, Tensor]]]:
    """See the objectives' values, what their modules read, and what is kept for backward passes.

    Yields the bytes that are kept, by name, and by address the tensors that have been counted.
    """
    owned = {
        tensor.untyped_storage().data_ptr()
        for module in parts.values()
        for tensor in (*module.parameters(), *module.buffers())
    }
    stack: list[str] = []
    kept: dict[str, int] = {}
    alive: dict[int, Tensor] = {}  # held, so that nothing else takes their addresses

    def keep(tensor: Tensor) -> Tensor:
        tensor = tensor.detach()  # with its history, a node that saves its output never goes away
        storage = tensor.untyped_storage()
        if stack and storage.data_ptr() not in owned and storage.data_ptr() not in alive:
            alive[storage.data_ptr()] = tensor
            kept[stack[-1]] = kept.get(stack[-1], 0) + storage.nbytes()
        return tensor

    with ExitStack() as hooks:

        def watch(name: str, module: nn.Module, ended: Any = None) -> None:
            def begin(*_: Any) -> None:
                stack.append(name)

            def end(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
                stack.pop()
                if ended:
                    ended(inputs, output)

            hooks.callback(module.register_forward_pre_hook(begin).remove)
            hooks.callback(module.register_forward_hook(end).remove)

        for loss in losses:
            loss.reads = dict.fromkeys(loss.modules, "")
            for name, module in loss.modules.items():
                called = list(module) if isinstance(module, nn.ModuleList) else [module]
                for one in called:
                    watch(name, one, _reader(loss, name))
        for name, module in parts.items():
            if not any(name in loss.modules for loss in losses):
                watch(name, module)
        for loss in losses:
            _watch_objective(loss, watch, hooks)
        hooks.enter_context(torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept))
        yield kept, alive


def _watch_objective(loss: Seen, watch: Any, hooks: ExitStack) -> None:
    def begun(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        loss.features = inputs[0]

    def ended(_: Any, output: Any) -> None:
        loss.value = output if isinstance(output, Tensor) else output[0]

    hooks.callback(loss.objective.register_forward_pre_hook(begun).remove)
    watch(loss.name, loss.objective, ended)


def _reader(loss: Seen, name: str) -> Any:
    def read(inputs: tuple[Any, ...], output: Any) -> None:
        r = loss.features
        if r is None or not isinstance(output, Tensor):
            return
        if output.requires_grad and r.requires_grad:
            (back,) = torch.autograd.grad(output.sum(), r, retain_graph=True, allow_unused=True)
            if back is not None:
                loss.reads[name] = "gradient"
                return
        if inputs[0].untyped_storage().data_ptr() == r.untyped_storage().data_ptr():
            loss.reads[name] = "values"

    return read
