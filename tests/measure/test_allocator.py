from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from delog_nb.instruments.allocator import freed_memory_kept

# Fresh pages that writing and freeing 64 MB takes, ten times over; memory held after the block.
FAULTS = """
import psutil, resource, torch
from delog_nb.instruments.allocator import freed_memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(16 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

resident = lambda: psutil.Process().memory_info().rss
with freed_memory_kept():
    # not at once: free blocks of the right sizes have to be there
    inside = min(faults() for _ in range(10))
    kept = resident()
assert inside < 100, inside
assert kept - resident() > 60e6
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_freed_pages_are_used_again_inside_and_handed_back_after() -> None:
    # a process of its own: other tests' memory would be counted along
    subprocess.run([sys.executable, "-c", FAULTS], check=True)


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    with freed_memory_kept():
        pass


def test_an_error_inside_goes_through() -> None:
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError
