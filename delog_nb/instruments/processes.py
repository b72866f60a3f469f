"""Memory of a process and all that it has started, as it is while they run."""

import os
import threading
from collections.abc import Collection

import psutil

_EVERY = 0.2  # seconds between two looks


class PeakMemory:
    """The most memory that this process's descendants had at once, in bytes, within the block.

    Pages that several of them share are counted once (PSS), where the system says which those are
    (Linux); elsewhere resident memory is added up. It is looked at five times a second.

    Args:
        without: parts of names of programs that are left out, with all that they start
    """

    def __init__(self, without: Collection[str] = ()) -> None:
        self.bytes = 0
        self._without = tuple(without)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        found = self._below(psutil.Process(os.getpid()))
        self.bytes = max(self.bytes, sum(map(_bytes_of, found)))

    def _below(self, process: psutil.Process) -> list[psutil.Process]:
        found = []
        try:
            for child in process.children():
                if not any(part in child.name() for part in self._without):
                    found += [child, *self._below(child)]
        except psutil.Error:  # it has ended meanwhile
            pass
        return found


def _bytes_of(process: psutil.Process) -> int:
    try:
        info = process.memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(info, "pss", info.rss))
