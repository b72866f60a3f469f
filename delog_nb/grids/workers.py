"""Processes of this machine as an executor that outlives the death of any of them."""

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from multiprocessing.connection import Connection
from typing import Any

import torch

from delog_nb.experiment import DelogError, Experiment
from delog_nb.instruments.cores import cores
from delog_nb.instruments.processes import starting_context, without_main
from delog_nb.training import pick_device

_TRIES = 3  # a call is tried again where its process was killed, so many times in all


def at_a_time(experiments: Iterable[Experiment]) -> int:
    """How many of the runs to make at a time: one for each core, with one thread, or for each GPU.

    Two processes with a thread each make more runs an hour than one process with two. Small runs
    do not fill a GPU: whoever asks for more workers than there are GPUs has them share.
    """
    devices = {pick_device(experiment.device) for experiment in experiments}
    on_gpu = [device for device in devices if device.type != "cpu"]
    if not on_gpu:
        return cores()
    return max(1, torch.cuda.device_count() if torch.device("cuda") in on_gpu else len(on_gpu))


class WorkerDied(DelogError):
    """The process that ran a call was killed, each time that it was tried."""


class Workers(Executor):
    """``count`` processes, each kept from call to call.

    Unlike a `concurrent.futures.ProcessPoolExecutor`, a killed process takes no other call with
    it: its own is tried again in a fresh process. The processes end at once when this one ends,
    however that happens.
    """

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="worker")
        self._own = threading.local()
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._context = starting_context()
        # only this process holds the writing end: its death closes the pipe
        self._lifeline, self._held = self._context.Pipe(duplex=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call ``fn(*args, **kwargs)`` in one of the processes."""
        return self._threads.submit(self._call, fn, args, kwargs)

    def _call(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        for _ in range(_TRIES):
            if self._stopping.is_set():
                break
            process = getattr(self._own, "process", None)
            if process is None:
                if not hasattr(self._own, "number"):
                    self._own.number = next(self._numbers)
                process = self._own.process = ProcessPoolExecutor(
                    1,
                    self._context,
                    initializer=_begin,
                    initargs=(self._lifeline, self._own.number),
                )
            try:
                with without_main():
                    future = process.submit(fn, *args, **kwargs)
                return future.result()
            except BrokenExecutor:
                process.shutdown()
                self._own.process = None
        if self._stopping.is_set():
            raise WorkerDied("it was stopped")
        raise WorkerDied(f"the process that ran it was killed {_TRIES} times (out of memory?)")

    def stop(self) -> None:
        """End all processes at once; what they run raises `WorkerDied`."""
        self._stopping.set()
        self._held.close()

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is not None:  # such as a second Ctrl-C: nothing is waited for
            self.stop()
        super().__exit__(kind, *rest)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the calls that run, then end the processes."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        self._held.close()


def _begin(lifeline: Connection, number: int) -> None:
    take_gpu(number)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    threading.Thread(target=_end_with_driver, args=(lifeline,), daemon=True).start()


def take_gpu(number: int) -> None:
    """Make "cuda" mean another GPU in each worker, in turns; "cuda:N" is what it was."""
    count = torch.cuda.device_count()
    if count > 1:
        torch.cuda.set_device(number % count)


def _end_with_driver(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)  # nothing to tidy: files are written whole, claims end with the process
