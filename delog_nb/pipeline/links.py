"""A bounded queue of batches from one stage to the next, by asynchronous point-to-point messages.

A message is one flat buffer: features, the target where it is not the labels, losses so far, and
whether the run stops. Labels and sample numbers follow from the seed and the epoch, so each rank
has them already. A message's size follows from the number of samples, which both sides know, so
nothing is asked and nothing goes backward. Each side has ``depth`` buffers: the receiver has posted
its receives before the data come, and the sender waits only once all its buffers are on their way.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from delog_nb.pipeline.watch import PeerLost
from delog_nb.pipeline.world import talking

_ALIGNMENT = 64  # bytes; where a kernel's input begins


class Message(NamedTuple):
    """What a stage hands on; ``target`` is None where it is the labels."""

    r: Tensor
    target: Tensor | None
    losses: list[Tensor]


@dataclass(frozen=True)
class Form:
    """Shape of a row, strides and type of a dense tensor, and how many rows a sample has."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    rows: int = 1

    @classmethod
    def of(cls, tensor: Tensor, samples: int | None = None) -> Form:
        """The form of ``tensor``, whose first axis has a whole number of rows a sample.

        Strides are kept, so that the receiver's kernels see the layout that the sender's did.
        """
        shape, strides = tuple(tensor.shape[1:]), tensor.stride()
        if strides[0] != prod(shape):  # rows are not one after another: send them so
            strides = tensor.contiguous().stride()
        return cls(shape, strides, tensor.dtype, len(tensor) // (samples or len(tensor)))

    def used(self, samples: int) -> int:
        """Bytes of the tensor."""
        return samples * self.rows * prod(self.shape) * self.dtype.itemsize

    def size(self, samples: int) -> int:
        """Bytes, with what it takes to reach the next aligned address."""
        return -(-self.used(samples) // _ALIGNMENT) * _ALIGNMENT

    def view(self, buffer: Tensor, samples: int) -> Tensor:
        """The tensor (rows x samples, *shape) at the beginning of ``buffer`` (bytes)."""
        flat = buffer[: self.used(samples)].view(self.dtype)
        return flat.as_strided((samples * self.rows, *self.shape), self.strides)


@dataclass(frozen=True)
class Layout:
    """What a message holds: features r, the target if any, and the ``losses`` so far."""

    r: Form
    target: Form | None
    losses: int

    def _places(self, samples: int) -> tuple[int, int]:
        """Where the target and the losses begin."""
        target = self.r.size(samples)
        return target, target + (self.target.size(samples) if self.target else 0)

    def size(self, samples: int) -> int:
        """Bytes of a message."""
        return self._places(samples)[1] + 4 * self.losses + 1

    def split(self, message: Tensor, samples: int) -> Message:
        """Views of the message's parts; the losses are a copy, which outlives the buffer."""
        target, losses = self._places(samples)
        values = message[losses : losses + 4 * self.losses].clone().view(torch.float32)
        return Message(
            self.r.view(message, samples),
            self.target.view(message[target:], samples) if self.target else None,
            list(values.unbind()),
        )

    def fill(self, message: Tensor, made: Message, samples: int) -> None:
        """Write ``made`` into the message."""
        target, losses = self._places(samples)
        self.r.view(message, samples).copy_(made.r.detach())
        if self.target and made.target is not None:
            self.target.view(message[target:], samples).copy_(made.target)
        values = message[losses : losses + 4 * self.losses]
        values.view(torch.float32).copy_(torch.stack(made.losses))
        message[-1] = 0


class _End:
    """One end of a link: its buffers, and the time that it waited for the other end."""

    def __init__(self, layout: Layout, peer: int, depth: int, samples: int, device: torch.device):
        self.layout, self.peer, self.depth = layout, peer, depth
        size = layout.size(samples)
        self.slots = [torch.empty(size, dtype=torch.uint8, device=device) for _ in range(depth)]
        self.counts: Sequence[int] = ()
        self.place = 0
        self.waited = 0.0

    def begin(self, counts: Sequence[int]) -> None:
        """An epoch begins whose batches have ``counts`` samples."""
        self.counts, self.place = counts, 0

    def message(self, place: int) -> Tensor:
        """The buffer of the epoch's batch number ``place``."""
        return self.slots[place % self.depth][: self.layout.size(self.counts[place])]

    def wait(self, work: dist.Work | None) -> None:
        if work is None:
            raise PeerLost(f"rank {self.peer} is not in this group")
        begin = time.perf_counter()
        with talking():
            work.wait()
        self.waited += time.perf_counter() - begin


class Inlet(_End):
    """Receives batches from the stage below."""

    def begin(self, counts: Sequence[int]) -> None:
        super().begin(counts)
        self.works: deque[dist.Work | None] = deque()
        for place in range(min(self.depth, len(counts))):
            self._post(place)

    def _post(self, place: int) -> None:
        with talking():
            self.works.append(dist.irecv(self.message(place), self.peer))

    def get(self) -> Message | None:
        """The next batch, in a buffer that is its own until the next call; None: stop."""
        ahead = self.place - 1 + self.depth  # takes the buffer of the batch before
        if self.place and ahead < len(self.counts):
            self._post(ahead)
        self.wait(self.works.popleft())
        message = self.message(self.place)
        if message[-1]:
            for work in self.works:
                self.wait(work)
            return None
        batch = self.layout.split(message, self.counts[self.place])
        self.place += 1
        return batch


class Outlet(_End):
    """Sends batches to the stage above."""

    def __init__(self, layout: Layout, peer: int, depth: int, samples: int, device: torch.device):
        super().__init__(layout, peer, depth, samples, device)
        self.works: deque[dist.Work | None] = deque()

    def put(self, made: Message) -> None:
        """Send ``made``; waits only for a buffer to be free."""
        self.layout.fill(self._free(), made, self.counts[self.place])
        self._send()

    def stop(self) -> None:
        """Tell the stage above that no batch follows: one message for each that it waits for."""
        for _ in range(min(self.depth, len(self.counts) - self.place)):
            self._free()[-1] = 1
            self._send()
        while self.works:
            self.wait(self.works.popleft())

    def begin(self, counts: Sequence[int]) -> None:
        while self.works:  # all of them were received before the last epoch ended
            self.wait(self.works.popleft())
        super().begin(counts)

    def _free(self) -> Tensor:
        if len(self.works) == self.depth:
            self.wait(self.works.popleft())
        return self.message(self.place)

    def _send(self) -> None:
        with talking():
            self.works.append(dist.isend(self.message(self.place), self.peer))
        self.place += 1
