"""Starts the processes of a pipeline on this machine, as ``torchrun --standalone`` does."""

import logging
import os
import signal
import socket
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import NamedTemporaryFile

from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from delog_nb.instruments.cores import cores
from delog_nb.pipeline.watch import LAUNCHER, STATUS, STORE

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def launch(words: Sequence[str], processes: int) -> int:
    """Run ``python <words>`` as ``processes`` ranks and return their exit status.

    They meet on a free port of this machine's loopback interface; nothing else listens. Unless
    OMP_NUM_THREADS is set, the ranks share the cores evenly. Ctrl-C reaches every rank; the status
    is then 130. A rank that fails ends the others, and one of them says which it was; if none is
    left, it is said here.
    """
    # its messages are lists of what every rank was sent; ours is one sentence
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = threads or str(max(1, cores() // processes))
    try:
        with _signals_restored(), meeting_place() as place:
            config = LaunchConfig(
                min_nodes=1,
                max_nodes=1,
                nproc_per_node=processes,
                run_id=str(uuid.uuid4()),
                rdzv_backend="c10d",
                rdzv_endpoint=place,
                rdzv_configs={"store_type": "file"},
                local_addr="127.0.0.1",
                max_restarts=0,
                logs_specs=DefaultLogsSpecs(),
            )
            elastic_launch(config, sys.executable)(*words)
    except SignalException as error:
        return 128 + error.sigval
    except ChildFailedError as error:
        exits = [failure.exitcode for failure in error.failures.values()]
        if len(exits) == processes and max(exits) < 0:
            name = signal.Signals(-exits[0]).name
            print(f"delog-nb: all ranks were ended by {name}", file=sys.stderr)  # noqa: T201
        return max(*exits, STATUS)
    finally:
        if threads is None:
            del os.environ["OMP_NUM_THREADS"]
    return 0


@contextmanager
def meeting_place() -> Iterator[str]:
    """A file for torchrun's own rendezvous, and a store for the ranks, on the loopback alone.

    The stores that torchrun and torch.distributed open by themselves listen on all interfaces.
    """
    own = {STORE: "", LAUNCHER: str(os.getpid()), "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    own |= {"TORCH_CPP_LOG_LEVEL": "ERROR"}  # else a broken connection is a page of addresses
    before = {name: os.environ.get(name) for name in own}
    with socket.create_server(("127.0.0.1", 0)) as server, NamedTemporaryFile() as file:
        port = server.getsockname()[1]
        store = TCPStore(
            "127.0.0.1",
            port,
            is_master=True,
            wait_for_workers=False,
            master_listen_fd=server.detach(),
        )
        os.environ.update(own | {STORE: str(port)})
        try:
            yield file.name
        finally:
            del store
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


@contextmanager
def _signals_restored() -> Iterator[None]:
    """The launcher leaves handlers of its own behind, where it may set any: on the main thread."""
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)
