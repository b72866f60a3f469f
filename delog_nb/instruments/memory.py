"""Peak memory of tensors, counted and not guessed."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of live tensor storages, forward, backward and optimizer included.

    Exact and repeatable, where a process's resident memory is neither: a storage counts from the
    operation that makes it until it is freed. Scratch memory inside a kernel is not seen. Tensors
    from before the block count once they are handed to `track`.

    Args:
        device: kind of device to count on; by default all but ``meta``, whose tensors are shapes
            without memory. On ``meta`` it counts what the same program would take elsewhere.

    >>> import torch
    >>> with LiveBytes() as live:
    ...     a = torch.zeros(1000)
    ...     b = a + 1
    ...     del a
    ...     c = b[:10]
    >>> live.peak, live.now
    (8000, 4000)
    """

    def __init__(self, device: str | None = None) -> None:
        super().__init__()
        self.device = device
        self.now = 0
        self.peak = 0
        self._live: dict[int, weakref.finalize[..., Any]] = {}

    def track(self, tensors: Iterable[Any]) -> None:
        """Count the storages of ``tensors``, each once."""
        for tensor in tensors:
            if isinstance(tensor, Tensor) and self._counts(tensor):
                self._count(tensor)
        self.peak = max(self.peak, self.now)

    def track_training(self, model: nn.Module, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        """Count what stays from step to step: parameters, buffers, the optimizers' state."""
        self.track(model.parameters())
        self.track(model.buffers())
        for optimizer in optimizers:
            self.track(value for state in optimizer.state.values() for value in state.values())

    def _counts(self, tensor: Tensor) -> bool:
        return tensor.device.type == self.device if self.device else not tensor.is_meta

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._live:
            return
        size = storage.nbytes()
        self.now += size
        self._live[key] = weakref.finalize(storage, self._freed, key, size)

    def _freed(self, key: int, size: int) -> None:
        self.now -= size
        self._live.pop(key, None)

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        # a view of, or a change in, an older tensor makes nothing new
        given = {
            leaf.untyped_storage()._cdata
            for leaf in tree_leaves((args, kwargs))
            if isinstance(leaf, Tensor)
        }
        self.track(
            leaf
            for leaf in tree_leaves(result)
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in given
        )
        return result

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for finalizer in self._live.values():
            finalizer.detach()
        self._live.clear()
