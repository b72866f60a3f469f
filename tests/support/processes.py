"""Processes that a test has started: what they say, and which of them live."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO

import psutil
import pytest


class Lines:
    """Lines of a process's output as they come, read by a thread: waiting for one has an end."""

    def __init__(self, stream: IO[str]) -> None:
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.seen: list[str] = []
        threading.Thread(target=self._read, args=[stream], daemon=True).start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._queue.put(line)
        self._queue.put("")

    def until(self, wanted: Callable[[str], object], seconds: float = 60) -> str:
        """The next line that is ``wanted``; no line may take longer than ``seconds``."""
        while line := self._queue.get(timeout=seconds):
            self.seen.append(line)
            if wanted(line):
                return line
        raise AssertionError("".join(self.seen))


def living(pid: int | None = None) -> set[psutil.Process]:
    """The descendants of a process, by default of this one, without those that have ended."""
    return {child for child in psutil.Process(pid).children(recursive=True) if lives(child)}


def lives(process: psutil.Process) -> bool:
    """Whether it is there; one that has ended, and that nobody has asked about, is not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ended(processes: Iterable[psutil.Process], seconds: float = 30) -> bool:
    """Whether all of them end within so many seconds."""
    late = time.monotonic() + seconds
    left = list(processes)
    while left := [process for process in left if lives(process)]:
        if time.monotonic() > late:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(autouse=True, scope="module")
def processes() -> Iterator[None]:
    """Of a module that imports it: no process is left that was not there."""
    before = living()
    yield
    assert ended(living() - before)
