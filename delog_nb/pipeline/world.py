"""The processes that torchrun started, and how they talk."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from delog_nb.experiment import ExperimentError
from delog_nb.pipeline.watch import STORE, PeerLost, Watch, connect
from delog_nb.training.team import Team

Value = TypeVar("Value")

# The last resort alone: `Watch` notices a process that is gone or stopped within seconds, and a
# stage may rightly wait for a slow one, or for the evaluation, for minutes.
TIMEOUT = timedelta(minutes=30)


@contextmanager
def talking() -> Iterator[None]:
    """What `torch.distributed` raises in the block comes out as `PeerLost`."""
    try:
        yield
    except RuntimeError as error:
        raise PeerLost(str(error)) from error


class Processes(Team):
    """A team of all processes in `torch.distributed`; ``reporter`` is the rank that reports."""

    several = True

    def __init__(self, reporter: int) -> None:
        self.rank, self.size, self.reporter = dist.get_rank(), dist.get_world_size(), reporter
        self.reports = self.rank == reporter

    def gather(self, value: Value) -> list[Value]:
        """The values by rank on the reporter; nothing on the others."""
        values: list[Any] | None = [None] * self.size if self.reports else None
        with talking():
            dist.gather_object(value, values, dst=self.reporter)
        return values or []

    def share(self, value: Any) -> Any:
        """The reporter's ``value`` on every rank."""
        return self.share_from(self.reporter, value)

    def share_from(self, rank: int, value: Any) -> Any:
        """The ``value`` of ``rank`` on every rank."""
        shared = [value]
        with talking():
            dist.broadcast_object_list(shared, src=rank)
        return shared[0]


def first_then_others(make: Callable[[], Value]) -> Value:
    """``make()``, on each machine by one process first: the others find its files in the cache."""
    first = int(os.environ["LOCAL_RANK"]) == 0
    if not first:
        with talking():
            dist.barrier()
    made = make()
    if first:
        with talking():
            dist.barrier()
    return made


def check_launched() -> None:
    """Raise `ExperimentError` if torchrun did not start this process."""
    missing = [name for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK") if name not in os.environ]
    if missing:
        raise ExperimentError(
            f"{', '.join(missing)} not in the environment: start this with torchrun "
            f"--standalone --nproc-per-node=2 -m delog_nb.cli.rank, or delog-nb train --pipeline 2"
        )


@contextmanager
def joined() -> Iterator[Watch]:
    """Take this process's place among those that torchrun started, and leave it at the end.

    gloo carries what is on CPUs and NCCL what is on GPUs. On one machine everything stays on its
    loopback interface.

    Raises:
        ExperimentError: torchrun did not start this process.
    """
    check_launched()
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]:
        loopback = "lo0" if sys.platform == "darwin" else "lo"
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    if STORE in os.environ:  # `launch` has a store that listens on the loopback alone
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        dist.init_process_group(
            backend, timeout=TIMEOUT, store=connect(TIMEOUT), rank=rank, world_size=size
        )
    else:
        dist.init_process_group(backend, timeout=TIMEOUT)
    with Watch(dist.get_rank(), dist.get_world_size()) as watch:
        yield watch
        with talking():
            dist.barrier()  # nobody leaves while another one could still take it for dead
    dist.destroy_process_group()  # after an error it might wait for what never comes
