"""What a network draws while it trains: the same numbers, however a run came to a step."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Draws:
    """Seeds what a component draws in its forward pass, such as dropout or sampled negatives.

    Component k draws in step s what follows from (seed, s, k) alone: resumed, in a pipeline or
    after other draws it is the same. The global random state is left as it was.

    Args:
        seed: the run's
        device: where the network computes
        first: number of this process's first component
        rank: of this process among those that share a batch; 0 where each has the whole of it
    """

    def __init__(self, seed: int, device: torch.device, first: int = 0, rank: int = 0) -> None:
        self._seed, self._device, self._first, self._rank = seed, device, first, rank
        self._global = [torch.default_generator]
        if device.type == "cuda":
            index = torch.cuda.current_device() if device.index is None else device.index
            self._global.append(torch.cuda.default_generators[index])
        self._without: set[int] = set()  # components that drew nothing in their first step here

    @contextmanager
    def of(self, step: int, place: int) -> Iterator[torch.Generator]:
        """Within it, component ``place`` of this process draws; a generator for it alone."""
        key = f"{self._seed} {step} {self._first + place} {self._rank}"
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1
        own = torch.Generator(self._device).manual_seed(seed)
        if place in self._without:
            yield own
            return
        before = [generator.get_state() for generator in self._global]
        begun = [generator.manual_seed(seed).get_state() for generator in self._global]
        try:
            yield own
        finally:
            ended = [generator.get_state() for generator in self._global]
            if all(torch.equal(a, b) for a, b in zip(begun, ended, strict=True)):
                self._without.add(place)
            for generator, state in zip(self._global, before, strict=True):
                generator.set_state(state)
