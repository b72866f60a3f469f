"""How processes of this machine begin that compute for this one."""

import multiprocessing
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from types import ModuleType


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
