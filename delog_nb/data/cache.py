"""Where downloads and decoded images are kept."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import platformdirs

from delog_nb.data.images import DataError, Raw
from delog_nb.experiment import ReadError
from delog_nb.instruments.files import read_text, write_atomically

CACHE_VARIABLE = "DELOG_NB_CACHE"
_DIGITS = 16  # of a content id


def cache_dir() -> Path:
    """The cache folder: the environment variable DELOG_NB_CACHE, else the system's usual place."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_cache_dir("delog_nb"))


def cached(key: str, read: Callable[[], Raw]) -> Raw:
    """What ``read`` returns, kept under ``key`` so that it is decoded once.

    A damaged cache file is replaced. Raises `DataError` where the folder cannot be written.
    """
    path = cache_dir() / "decoded" / f"{key}.npz"
    if os.path.isfile(path):
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return Raw(
                    arrays["train_images"],
                    arrays["train_labels"],
                    arrays["test_images"],
                    arrays["test_labels"],
                    tuple(str(name) for name in arrays["classes"]),
                )
        except Exception:  # noqa: BLE001 - however it is damaged, it is made anew
            with suppress(OSError):
                path.unlink()
    raw = read()
    with _writing(path), write_atomically(path) as file:
        np.savez(
            file,
            train_images=raw.train_images,
            train_labels=raw.train_labels,
            test_images=raw.test_images,
            test_labels=raw.test_labels,
            classes=np.array(raw.classes),
        )
    return raw


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write to {path.parent} ({error.strerror or error}): point "
            f"{CACHE_VARIABLE} at a folder that can be written"
        ) from error


def content_id(key: str, files: Iterable[tuple[str, bytes]]) -> str:
    """A hash of ``files``, names and bytes in their order, computed once for ``key``.

    ``key`` stands for the files as they are listed: it changes when any of them does. Raises
    `DataError` where the cache cannot be written.
    """
    path = cache_dir() / "content" / f"{key}.txt"
    try:
        found = read_text(path, _DIGITS)
        if len(found) == _DIGITS and set(found) <= set("0123456789abcdef"):
            return found
    except ReadError:
        pass
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    made = digest.hexdigest()[:_DIGITS]
    with _writing(path), write_atomically(path) as file:
        file.write(made.encode())
    return made
