"""The lessons copied to a folder where a person works: what is there is never written over.

A file ``.delog_nb.json`` in the folder says which edition of each file was brought. It tells a file
that a person has changed from one that is only of an older edition.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import delog_nb
from delog_nb.experiment import ExperimentError
from delog_nb.instruments.course_files import EXPERIMENTS, NOTEBOOKS
from delog_nb.instruments.errors import ReadError, WriteError
from delog_nb.instruments.files import check_writable, read_bytes, read_json, write_atomically

BROUGHT = ".delog_nb.json"
_MOST = 50_000_000  # bytes of a notebook with a person's outputs


@dataclass
class Copied:
    """What was done with each file, by its name below the folder."""

    new: list[str] = field(default_factory=list)  # was not there
    renewed: list[str] = field(default_factory=list)  # was of an older edition, and unchanged
    beside: dict[str, str] = field(default_factory=dict)  # was changed: what the new one is called
    older: list[str] = field(default_factory=list)  # differs from this edition, and was left


def copy_course(folder: Path, update: bool = False) -> Copied:
    """Bring the students' notebooks, their pictures and the grids of ``experiments/``.

    A file that is missing is brought; one that is there stays. With ``update``, one that is of an
    older edition is replaced if it is as it was brought; else the new one is put beside it, as
    ``new-VERSION-NAME``. A copy that was interrupted is made whole by the next call.

    Raises:
        ExperimentError: ``folder`` is where the course's own files are.
        WriteError: it is a file, or cannot be written.
    """
    if folder.resolve().is_relative_to(NOTEBOOKS):
        raise ExperimentError(f"{folder} holds the course's own files: name another folder")
    if os.path.lexists(folder) and not folder.is_dir():
        raise WriteError(f"{folder} is a file: name a folder for the lessons")
    check_writable(folder)
    brought = _brought(folder)
    known, done = dict(brought), Copied()
    for name, source in _files():
        content = source.read_bytes()
        edition, path = _hash(content), folder / name
        there = _hash_of(path) if os.path.lexists(path) else None
        if there is None:
            _write(path, content)
            done.new.append(name)
        elif there != edition and known.get(name) != edition:
            if not update:
                done.older.append(name)
                continue
            if there == known.get(name):
                _write(path, content)
                done.renewed.append(name)
            else:
                done.beside[name] = _put_beside(path, content)
        known[name] = edition
    if known != brought:
        said = {"version": delog_nb.__version__, "files": known}
        _write(folder / BROUGHT, (json.dumps(said, indent=1) + "\n").encode())
    return done


def _files() -> Iterator[tuple[str, Path]]:
    for path in [*sorted(NOTEBOOKS.glob("*.ipynb")), *sorted(NOTEBOOKS.glob("pictures/*.svg"))]:
        yield path.relative_to(NOTEBOOKS).as_posix(), path
    for path in sorted(EXPERIMENTS.rglob("*.yaml")):
        yield path.relative_to(EXPERIMENTS.parent).as_posix(), path


def _put_beside(path: Path, content: bytes) -> str:
    """Write the new edition of ``path`` beside it, over nothing; its name."""
    number = 1
    while True:
        again = f"{number}-" if number > 1 else ""
        beside = path.with_name(f"new-{delog_nb.__version__}-{again}{path.name}")
        if not os.path.lexists(beside):
            _write(beside, content)
        elif _hash_of(beside) != _hash(content):  # a person has worked in it
            number += 1
            continue
        return beside.name


def _write(path: Path, content: bytes) -> None:
    with write_atomically(path) as file:
        file.write(content)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _hash_of(path: Path) -> str:
    """That of a file; of what cannot be read, so that it counts as a person's own, none."""
    try:
        return _hash(read_bytes(path, _MOST))
    except ReadError:
        return ""


def _brought(folder: Path) -> dict[str, str]:
    """What was brought before; nothing where that is not known: then changed files are kept."""
    with contextlib.suppress(ReadError):
        said = read_json(folder / BROUGHT)
        files = said.get("files") if isinstance(said, dict) else None
        if isinstance(files, dict):
            return {str(name): str(edition) for name, edition in files.items()}
    return {}
