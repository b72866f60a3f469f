"""A claim on a run: two processes that want the same one do not both make it.

A claim is a lock that the operating system drops when its process ends, however it ends: a killed
run never has to be freed by hand. What holds:

- on a local disk, between all processes of the machine;
- on NFS (Linux), between machines too, as long as the share is mounted with locking (the default;
  not ``nolock`` or ``local_lock``); a machine that vanishes keeps its claims until the server's
  lease ends, about a minute and a half;
- on file systems without ``flock`` (some FUSE mounts), where `filelock` falls back on a file with
  the process's number: after a crash of the whole machine it may have to be deleted by hand.

The lock files stay, empty, in ``<out>/.claims``: removing one that another process waits for would
let two of them in.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from delog_nb.experiment import ExperimentError
from delog_nb.instruments.files import writing

FOLDER = ".claims"
_POLL_SECONDS = 0.2


class Busy(ExperimentError):
    """Another process has the claim."""


@contextmanager
def claim(out: Path, name: str, wait: float) -> Iterator[None]:
    """Hold the claim on ``name`` below ``out``.

    Args:
        out: the folder that both processes write to
        name: a run's id
        wait: seconds to wait for another process that has it; -1 for as long as it takes

    Raises:
        Busy: another process still has it.
        WriteError: the lock file cannot be made.
    """
    folder = out / FOLDER
    lock = FileLock(folder / f"{name}.lock")
    with writing(out / name):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=wait, poll_interval=_POLL_SECONDS)
        except Timeout:
            raise Busy(
                f"{out / name} is being written by another process: wait until it ends"
            ) from None
    try:
        yield
    finally:
        lock.release()
