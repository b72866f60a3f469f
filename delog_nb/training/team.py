"""The processes that train one run together: here one alone, in `delog_nb.pipeline` several."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from torch import Tensor

from delog_nb.components.batch import Batch
from delog_nb.components.component import Component, Method

if TYPE_CHECKING:
    from torch import autocast

    from delog_nb.data import ImageData
    from delog_nb.training.batches import Batches

Value = TypeVar("Value")


class Taken(NamedTuple):
    """What goes from component to component: features, batch, and the losses of those below."""

    r: Tensor
    batch: Batch
    losses: list[Tensor]


class Team:
    """What the training loop asks of the processes that share it; here one does it all.

    Every process runs the same loop. One of them *reports*: it evaluates, writes files and sends
    events.
    """

    reports = True
    label = "one process"
    several = False  # whether other processes have to hear of what this one finds
    components = slice(None)  # those that this process trains, of all
    share_of_batch = 0  # number of this process among those that share a batch

    def assign(
        self,
        method: Method,
        batches: Batches,  # noqa: ARG002
        context: autocast,  # noqa: ARG002
    ) -> Method:
        """The components of ``method`` that this process trains, as a method of their own."""
        return method

    def keep(self, images: ImageData, needs: Collection[str]) -> ImageData:  # noqa: ARG002
        """What of ``images`` this process needs from now on; ``needs`` is what its losses do."""
        return images

    def restored(self, method: Method) -> None:
        """``method`` has the weights that the run begins or goes on with."""

    def buffers(self) -> list[Tensor]:
        """Memory that this process keeps for messages."""
        return []

    def begin(self, counts: list[int]) -> None:
        """An epoch begins whose batches have ``counts`` images."""

    def take(self, batches: Batches, step: int, asked_to_stop: Callable[[], bool]) -> Taken | None:
        """Batch ``step`` for this process's components; None if the run is to stop."""
        if asked_to_stop():
            return None
        index = batches.parts[step]
        return Taken(batches.views(index), batches.batch(index, step), [])

    def backward(self, component: Component, loss: Tensor) -> None:  # noqa: ARG002
        """Give the parameters of ``component`` the gradients of ``loss``."""
        loss.backward()

    def give(self, made: Taken) -> list[Tensor]:
        """Hand on what this process's components made; the losses of all components so far."""
        return made.losses

    def collect(self, method: Method) -> None:
        """Give the process that reports the weights of all components."""

    def gather(self, value: Value) -> list[Value]:
        """Every process's ``value`` where it is a part of a whole, on the one that reports."""
        return [value]

    def share(self, value: Any) -> Any:
        """The ``value`` of the process that reports."""
        return value
