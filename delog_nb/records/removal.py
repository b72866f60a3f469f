"""Removing finished runs: their own files, and nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from delog_nb.instruments.files import PART
from delog_nb.instruments.run_files import ALL


@dataclass(frozen=True)
class Removal:
    """What is removed of a run's folder: ``files``, and the folder where nothing is left in it.

    ``left`` are the names of what is not the run's: they and the folder stay.
    """

    folder: Path
    files: tuple[Path, ...]
    left: tuple[str, ...]
    keeps_folder: bool

    def __str__(self) -> str:
        text = f"{self.folder}: {len(self.files)} files"
        if self.left:
            return f"{text}; stays, with {', '.join(self.left)}"
        return text + ("; the folder stays" if self.keeps_folder else "")


def removal(folder: Path, out: Path) -> Removal:
    """What removing the run in ``folder`` would remove; ``out``, the folder of all runs, stays.

    A link is removed as a link: what it points to stays. A folder that is a link stays itself.
    """
    own, left = [], []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name = entry.name
        if name.endswith(PART) and name.startswith("."):  # .record.json.xyz.part
            name = name[1:].removesuffix(PART).rpartition(".")[0]
        if name in ALL and not entry.is_dir(follow_symlinks=False):
            own.append(Path(entry.path))
        else:
            left.append(entry.name)
    stays = folder.is_symlink() or folder.resolve() == out.resolve()
    return Removal(folder, tuple(own), tuple(left), stays or bool(left))


def remove(found: Removal) -> None:
    """Remove it; the record goes first, so that no half of a finished run is taken for a whole.

    Raises:
        OSError: something cannot be removed.
    """
    for path in sorted(
        found.files, key=lambda path: ALL.index(path.name) if path.name in ALL else -1
    ):
        path.unlink(missing_ok=True)
    if not found.keeps_folder:
        found.folder.rmdir()  # only an empty one: what came meanwhile stays
