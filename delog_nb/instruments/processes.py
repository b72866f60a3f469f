"""Processes that this one starts: how they begin, and the memory that they take."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from types import ModuleType

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


def starting_context(*modules: str) -> BaseContext:
    """How processes begin: as copies of one that has loaded torch, where the system can do that.

    They share its memory, and the second one begins at once. The first call of a process says which
    ``modules`` that one loads besides.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    wanted = ["delog_nb.grids.job", "delog_nb.training", *modules]
    # what the first step of an optimizer loads; then nothing more
    wanted += ["torch._dynamo", "delog_nb.instruments.frozen"]
    context.set_forkserver_preload(wanted)
    return context


_MAIN = threading.Lock()


@contextmanager
def without_main() -> Iterator[None]:
    """Processes that start in the block do not run a caller's script again to have its names."""
    with _MAIN:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
