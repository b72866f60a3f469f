"""Writing files so that a reader never sees half of one."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from delog_nb.experiment.errors import WriteError

_PART = ".part"


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A file to write; it takes the name ``path`` once it is complete and on the disk.

    Folders are made as needed. On an error the old file, if any, stays.

    Raises:
        WriteError: the file or its folder cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART)
        with _renamed(handle, temporary, path) as file:
            yield file


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system refuses in the block, which writes ``path``, comes out as `WriteError`."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def _renamed(handle: int, temporary: str, path: Path) -> Iterator[IO[bytes]]:
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left half-written in ``folder``, where no other one writes."""
    for path in folder.glob(f".*{_PART}"):
        path.unlink(missing_ok=True)
