"""Any folder of images, ``train/<class>/*`` and ``test/<class>/*``."""

import hashlib
import os
from functools import cached_property
from pathlib import Path

import numpy as np

from delog_nb.data.cache import cached, content_id
from delog_nb.data.declare import Source, dataset
from delog_nb.data.decoding import decode_all
from delog_nb.data.images import DataError, Raw
from delog_nb.experiment import ReadError
from delog_nb.instruments.files import MEGABYTE, read_bytes

_MOST_BYTES = 50 * MEGABYTE  # of an image file
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")


def class_names(data_dir: Path) -> tuple[str, ...]:
    """The classes of an image folder: the folders in ``train``, which ``test`` must have too.

    Raises `DataError` for a missing folder, no class, or classes that differ.
    """
    folders = {}
    for part in ("train", "test"):
        folder = data_dir / part
        if not os.path.isdir(folder):
            raise DataError(
                f"there is no folder {folder}: images are looked for in "
                f"{data_dir / 'train'}/<class>/* and {data_dir / 'test'}/<class>/*"
            )
        folders[part] = {entry.name for entry in _entries(folder) if entry.is_dir()}
        if not folders[part]:
            raise DataError(f"{folder} holds no class folders: put images in {folder}/<class>/*")
    for part, other in (("train", "test"), ("test", "train")):
        alone = sorted(folders[part] - folders[other])
        if alone:
            raise DataError(
                f"classes differ between train and test: {', '.join(alone[:5])}"
                f"{' and more' if len(alone) > 5 else ''} in {data_dir / part} but not in "
                f"{data_dir / other}"
            )
    return tuple(sorted(folders["train"]))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, but for hidden files. Raises `DataError` where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if entry.name[0] != "."]
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror or error}") from error


def _list_images(folder: Path) -> list[tuple[str, int, int]]:
    """(path, bytes, modification time) of the images in one class folder, sorted."""
    files = []
    for entry in _entries(folder):
        if entry.name.lower().endswith(EXTENSIONS) and entry.is_file():
            stat = entry.stat()
            files.append((entry.path, stat.st_size, stat.st_mtime_ns))
    if not files:
        raise DataError(
            f"class folder {folder} is empty: it needs at least one image ({', '.join(EXTENSIONS)})"
        )
    return sorted(files)


def _content(path: Path | str) -> bytes:
    try:
        return read_bytes(Path(path), _MOST_BYTES)
    except ReadError as error:
        raise DataError(str(error)) from error


@dataset(
    "folder",
    label="Image folder",
    by_content=True,
    needs_dir="the folder that holds train/<class>/* and test/<class>/*",
)
class FolderSource(Source):
    """An image folder that is listed when it is asked for."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder)
        if folder is None:
            raise DataError("data_dir is missing: the folder that holds the images")
        self.data_dir = folder.resolve()

    def classes(self) -> tuple[str, ...]:
        return class_names(self.data_dir)

    @cached_property
    def files(self) -> dict[str, list[list[tuple[str, int, int]]]]:
        """By part, for each class: (path, bytes, modification time) of its images."""
        names = self.classes()
        return {
            part: [_list_images(self.data_dir / part / name) for name in names]
            for part in ("train", "test")
        }

    def count(self) -> tuple[int, int]:
        train, test = (sum(map(len, self.files[part])) for part in ("train", "test"))
        return train, test

    def content_id(self) -> str:
        """A hash of all images' bytes and places in the folder."""
        listing = hashlib.sha256(repr(self.files).encode()).hexdigest()
        paths = [Path(f[0]) for parts in self.files.values() for own in parts for f in own]
        return content_id(
            f"folder-{listing[:16]}",
            ((p.relative_to(self.data_dir).as_posix(), _content(p)) for p in paths),
        )

    def read(self, size: int) -> Raw:
        """Every image, resized to ``size`` x ``size``."""
        return cached(f"folder-{self.content_id()}-{size}", lambda: self._decode(size))

    def _decode(self, size: int) -> Raw:
        names = self.classes()

        def decode(part: str) -> tuple[np.ndarray, np.ndarray]:
            paths = [path for files in self.files[part] for path, _, _ in files]
            labels = np.repeat(np.arange(len(names)), [len(f) for f in self.files[part]])
            images = decode_all(paths, _content, size, f"{self.data_dir.name}/{part}")
            return images, labels.astype(np.int64)

        return Raw(*decode("train"), *decode("test"), names)
