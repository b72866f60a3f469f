"""Freed memory that the next step needs again stays with the process.

By default glibc hands large freed blocks back to the system, and every step pays for fresh pages:
up to a fifth of it where a component's graph is freed right after its backward pass.
"""

import contextlib
import ctypes
import platform
from collections.abc import Iterator

# glibc's mallopt: parameter numbers (malloc.h), and values that keep or that its defaults grow to
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_KEEP = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1}
_USUAL = {_MMAP_MAX: 65536, _MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20}


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Within it, freed memory is kept for the next allocation; at the end it is handed back.

    No result changes, and resident memory stays at the peak that it reaches anyway. Does nothing
    where the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    for parameter, value in _KEEP.items():
        libc.mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in _USUAL.items():
            libc.mallopt(parameter, value)
        libc.malloc_trim(0)
