"""Notices a process that died or hangs, names it, and ends the run.

Every process beats once a second in the store that torchrun keeps, from a thread of its own, and
looks at the others' beats. A process that is killed, stopped or cut off beats no more. The first
one to notice says so in one sentence; all of them end. They end as well, from their first moment
on, when the process that launched them does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from datetime import timedelta
from typing import Any, NoReturn

import psutil
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from delog_nb.experiment import DelogError

BEAT = 1.0  # seconds between beats
SILENCE = 15.0  # seconds without a beat after which a process counts as lost
SHORT_SILENCE = 4.0  # the same, once a connection has broken
STATUS = 1  # exit status of a process whose team is broken
STORE = "DELOG_NB_STORE"  # environment variable: the port of the store that `launch` keeps
LAUNCHER = "DELOG_NB_LAUNCHER"  # environment variable: the number of the process that does so


def end_with_launcher() -> None:
    """Let this process end, wherever it stands, when the one that launched it has."""
    started_by = multiprocessing.parent_process()
    launcher = int(os.environ.get(LAUNCHER) or os.getppid())

    def wait() -> None:
        if started_by is not None:  # which a fork server stands between
            started_by.join()
        else:
            while os.getppid() == launcher:
                time.sleep(BEAT / 4)
        _end_alone()

    threading.Thread(target=wait, daemon=True, name="launcher").start()


def _end_alone() -> NoReturn:
    """End since nobody keeps the store any more; one process of a machine says so."""
    _ending.acquire()  # by one of the threads, and never released
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(  # noqa: T201
            "delog-nb: the process that launched the ranks is gone: the run ended; start it again "
            "to go on from its last checkpoint",
            file=sys.stderr,
            flush=True,
        )
    os._exit(STATUS)


_ending = threading.Lock()


class PeerLost(DelogError):
    """Another process did not send or take what it should."""


def connect(timeout: timedelta) -> Store:
    """This process's connection to the store where all ranks of the run meet."""
    address, port = "127.0.0.1", os.environ.get(STORE)
    if port is None:  # started by torchrun, which has a store of its own
        address, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    return TCPStore(address, int(port), is_master=False, timeout=timeout)


class Watch:
    """The beats of ``size`` processes, seen from process ``rank``; a context manager.

    An error that leaves the block is announced, and what another process announced is not said
    again.
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self._label = ""
        self._seen = dict.fromkeys(range(size), (-1, time.monotonic()))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_watch, daemon=True, name="watch")
        # the thread and the main program wait in the store each on a connection of its own
        self._store, self._thread_store = self._connect(), self._connect()

    @staticmethod
    def _connect() -> Store:
        # a restart by torchrun finds the store as it was left
        prefix = f"delog_nb/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
        return PrefixStore(prefix, connect(timedelta(seconds=SILENCE)))

    def __enter__(self) -> Watch:
        self.describe("")
        self._beat(self._store)
        self._thread.start()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        try:
            if isinstance(error, PeerLost):
                self._blame(error)
            elif error is not None:
                self.announce(f"{self._name(self.rank)} failed: {error or type(error).__name__}")
        except RuntimeError:  # the store is gone
            _end_alone()
        self._over.set()
        self._thread.join()

    def describe(self, label: str) -> None:
        """Say what this process does, for the sentence that names it."""
        where = f"process {os.getpid()} of {os.getppid()} on {socket.gethostname()}"
        self._store.set(f"who/{self.rank}", f"{label}|{where}")

    def announce(self, sentence: str) -> bool:
        """Say why the run ends, unless another process has; whether it was said."""
        if self._store.add("verdict", 1) > 1:
            return False
        print(f"delog-nb: {sentence}", file=sys.stderr, flush=True)  # noqa: T201
        return True

    def _blame(self, error: PeerLost) -> None:
        """A connection broke with ``error``: wait for the beats to tell whose, and announce it."""
        end = time.monotonic() + SILENCE
        while time.monotonic() < end and not self._store.add("verdict", 0):
            lost = self._silent(self._store, SHORT_SILENCE)
            if lost is not None:
                self._announce_loss(lost)
                return
            time.sleep(BEAT / 4)
        self.announce(f"rank {self.rank} lost its connection to another one: {error}")

    def _keep_watch(self) -> None:
        try:
            while not self._over.wait(BEAT):
                self._beat(self._thread_store)
                if self._thread_store.add("verdict", 0):
                    # the main program may be the one that announced it, and is on its way out
                    if not self._over.wait(SHORT_SILENCE):
                        os._exit(STATUS)
                    return
                lost = self._silent(self._thread_store, SILENCE)
                if lost is not None:
                    self._announce_loss(lost)
                    os._exit(STATUS)
        except RuntimeError:  # the store is gone, which may be on another machine
            if not self._over.wait(SHORT_SILENCE):
                _end_alone()

    def _beat(self, store: Store) -> None:
        store.add(f"beat/{self.rank}", 1)

    def _silent(self, store: Store, limit: float) -> int | None:
        """A rank that has not beaten for ``limit`` seconds of this process's clock."""
        now = time.monotonic()
        for rank in range(self.size):
            beats = store.add(f"beat/{rank}", 0)
            before, since = self._seen[rank]
            if beats != before:
                self._seen[rank] = beats, now
            elif rank != self.rank and now - since > limit:
                return rank
        return None

    def _announce_loss(self, rank: int) -> None:
        """Name the lost process; end it if it is there and stopped, for torchrun waits for it."""
        pid, sibling = self._process(rank)
        alive = sibling and psutil.pid_exists(pid)
        if alive:
            alive = psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        what = "does not answer" if alive or not sibling else "died"
        said = self.announce(
            f"{self._name(rank)} {what}: the run ended; start it again to go on from its last "
            f"checkpoint"
        )
        if said and alive:
            os.kill(pid, signal.SIGKILL)

    def _name(self, rank: int) -> str:
        label, _, where = self._store.get(f"who/{rank}").decode().partition("|")
        pid, host = where.split()[1], where.split()[-1]
        return f"rank {rank} ({label + ', ' if label else ''}process {pid} on {host})"

    def _process(self, rank: int) -> tuple[int, bool]:
        """The rank's process id, and whether this process's launcher started it."""
        where = self._store.get(f"who/{rank}").decode().partition("|")[2].split()
        mine = str(os.getppid()), socket.gethostname()
        return int(where[1]), (where[3], where[5]) == mine
