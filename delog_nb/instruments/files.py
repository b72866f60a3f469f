"""Files: written so that a reader never sees half of one, and read within bounds."""

import contextlib
import glob
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from delog_nb.instruments.errors import ReadError, WriteError

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed
    fcntl = None  # type: ignore[assignment]

# flags that not every system has; without O_BINARY Windows would change line ends
_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

PART = ".part"


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A file to write; it takes the name ``path`` once it is complete and on the disk.

    Folders are made as needed. On an error the old file, if any, stays.

    Raises:
        WriteError: the file or its folder cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _temporary(path)
        with _renamed(handle, temporary, path) as file:
            yield file
        remove_leftovers(path.parent, path.name)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system refuses in the block, which writes ``path``, comes out as `WriteError`."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error


def check_writable(folder: Path, *names: str) -> None:
    """Make ``folder`` and write a byte to it: before hours of work, not after.

    Raises:
        WriteError: that cannot be done, or a folder has the name of a file in ``names``.
    """
    with writing(folder):
        taken = [folder / name for name in names if (folder / name).is_dir()]
    if taken:
        raise WriteError(f"cannot write {taken[0]}: it is a folder")
    probe = folder / ".writable"
    with write_atomically(probe) as file:
        file.write(b"1")
    probe.unlink(missing_ok=True)


@contextlib.contextmanager
def _renamed(handle: int, temporary: str, path: Path) -> Iterator[IO[bytes]]:
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            if fcntl is not None:  # while it is locked, else it could be taken for a leftover
                os.replace(temporary, path)
        if fcntl is None:  # which renames no file that is open
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _temporary(path: Path) -> tuple[int, str]:
    """A file beside ``path``, locked for as long as it is open."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
        if fcntl is None:
            return handle, name
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # another process took it for a leftover before it was locked


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove what killed processes left half-written in ``folder`` in place of the file ``name``.

    A file that is still being written is locked, and stays.
    """
    name = name if name == "*" else glob.escape(name)
    for path in folder.glob(f".{name}.*{PART}"):
        with contextlib.suppress(OSError):
            if fcntl is None:
                path.unlink()
            elif path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()


MEGABYTE = 1_000_000


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file of at most ``most`` bytes.

    A pipe or a device, which could block for ever or never end, is refused without being read.

    Raises:
        ReadError: the file is not there, no regular file, too large, or cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | _FLAGS)
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise ReadError(f"{path} is no regular file")
            content = file.read(most + 1)
    except ReadError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        why = getattr(error, "strerror", None) or error
        raise ReadError(f"cannot read {path}: {why}") from error
    if len(content) > most:
        raise ReadError(f"{path} has more than the {most / MEGABYTE:g} MB that are read of it")
    return content


def read_text(path: Path, most: int = 10 * MEGABYTE) -> str:
    """The same as text in UTF-8.

    Raises:
        ReadError: as `read_bytes`, or it is no text.
    """
    try:
        return read_bytes(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ReadError(f"{path} is not a text in UTF-8") from error


def read_json(path: Path, most: int = 10 * MEGABYTE) -> Any:
    """The same as JSON; NaN and infinities, which JSON does not have, are refused.

    Raises:
        ReadError: as `read_text`, or it is not JSON.
    """
    text = read_text(path, most)
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ReadError(f"{path} is not readable JSON: it is nested too deeply") from error
    except ValueError as error:
        raise ReadError(f"{path} is not readable JSON: {error}") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
