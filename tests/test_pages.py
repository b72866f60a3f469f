from __future__ import annotations

import platform
import resource

import pytest
import torch

from delog_nb.pages import kept_pages


def faults() -> int:
    """Fresh pages that writing and freeing 64 MB takes, three times over."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        torch.ones(16 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_freed_pages_are_used_again_inside_and_handed_back_after() -> None:
    with kept_pages():
        faults()  # the first ones find nothing kept
        inside = faults()
    assert inside < 100
    assert faults() > inside


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    with kept_pages():
        pass


def test_an_error_inside_goes_through() -> None:
    with pytest.raises(KeyError), kept_pages():
        raise KeyError
