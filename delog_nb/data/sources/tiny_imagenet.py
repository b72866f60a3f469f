"""Tiny-ImageNet: the official folder or zip file, its validation images as the test set."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from delog_nb.data.archive import MOST_BYTES, Archive
from delog_nb.data.cache import cache_dir, cached, content_id
from delog_nb.data.declare import Source, dataset
from delog_nb.data.decoding import decode_all
from delog_nb.data.images import DataError, Raw
from delog_nb.data.sources.download import fetch
from delog_nb.experiment import ReadError
from delog_nb.experiment.fields import shown
from delog_nb.instruments.files import read_bytes

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
FILE = "tiny-imagenet-200.zip"


def fetch_tiny_imagenet(folder: Path) -> Path:
    """Path of the official zip file in ``folder``, downloaded there if need be."""
    from torchvision.datasets.utils import check_md5, download_url

    path = folder / FILE
    if not path.is_file() or not check_md5(path, MD5):
        fetch(lambda: download_url(URL, str(folder), FILE, MD5), FILE, URL, folder)
    return path


@dataset(
    "tiny-imagenet",
    label="Tiny-ImageNet",
    classes=200,
    images=(100_000, 10_000),
    mean=(0.4802, 0.4481, 0.3975),  # the authors' (see the README's "Sources")
    std=(0.2770, 0.2691, 0.2821),
    by_content=True,
)
class TinyImageNetSource(Source):
    """The official layout, read where it lies: a zip file is never unpacked.

    ``wnids.txt`` lists the classes, ``words.txt`` their names, ``train/<wnid>/images`` holds the
    training images and ``val/val_annotations.txt`` the class of every file in ``val/images``.
    """

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder)
        path = folder or fetch_tiny_imagenet(cache_dir() / "downloads")
        self.path = path.resolve()
        if self.path.is_dir():
            self._open_folder()
        elif self.path.is_file():
            self._open_zip()
        else:
            raise DataError(
                f"there is no {self.path}: data_dir is the unpacked tiny-imagenet-200 folder or "
                f"its zip file"
            )
        digest = hashlib.sha256(repr((str(self.path), sorted(self.names.items()))).encode())
        self.key = f"tiny-imagenet-{digest.hexdigest()[:16]}"

    def _open_folder(self) -> None:
        inner = self.path / "tiny-imagenet-200"
        if not (self.path / "wnids.txt").exists() and inner.is_dir():
            self.path = inner
        root = self.path
        if not (root / "wnids.txt").is_file():
            raise self._without_classes()
        self.names = {
            file.relative_to(root).as_posix(): file.stat().st_mtime_ns
            for file in root.rglob("*")
            if file.is_file()
        }

        def read(name: str) -> bytes:
            try:
                return read_bytes(root / name, MOST_BYTES)
            except ReadError as error:
                raise DataError(str(error)) from error

        self._read: Callable[[str], bytes] = read

    def _open_zip(self) -> None:
        archive = Archive(self.path)
        places = [n for n in archive.members if f"/{n}".endswith("/wnids.txt")]
        if not places:
            raise self._without_classes()
        prefix = min(places, key=len).removesuffix("wnids.txt")
        self.names = {
            name.removeprefix(prefix): info.CRC
            for name, info in archive.members.items()
            if not info.is_dir() and name.startswith(prefix)
        }
        self._read = lambda name: archive.read(prefix + name)

    def _without_classes(self) -> DataError:
        return DataError(f"{self.path} has no wnids.txt, so it is not Tiny-ImageNet's layout")

    def _rows(self, name: str, columns: tuple[int, ...] = ()) -> list[list[str]]:
        """The lines of a text file, split at tabs; each has one of these numbers of ``columns``."""
        if name not in self.names:
            raise DataError(f"{self.path} has no {name}: the Tiny-ImageNet download is incomplete")
        try:
            lines = self._read(name).decode().splitlines()
        except UnicodeDecodeError as error:
            raise DataError(f"{name} in {self.path} is not a text in UTF-8") from error
        rows = [line.split("\t") for line in lines if line.strip()]
        for number, row in enumerate(rows, 1):
            if columns and len(row) not in columns:
                raise DataError(
                    f"{name} in {self.path} has {len(row)} columns in row {number}: "
                    f"{' or '.join(map(str, columns))} are expected"
                )
        return rows

    def content_id(self) -> str:
        """A hash of all files' names and bytes, the same in a folder and in a zip file."""
        return content_id(self.key, ((name, self._read(name)) for name in sorted(self.names)))

    def read(self, size: int) -> Raw:
        """Every image, resized to ``size`` x ``size``."""
        return cached(f"tiny-imagenet-{self.content_id()}-{size}", lambda: self._decode(size))

    def _decode(self, size: int) -> Raw:
        wnids = [row[0].strip() for row in self._rows("wnids.txt", (1,))]
        index = {wnid: number for number, wnid in enumerate(wnids)}
        if not wnids or len(index) < len(wnids):
            what = "a class twice" if wnids else "no class"
            raise DataError(f"wnids.txt in {self.path} names {what}")
        words = {row[0]: row[1].split(",")[0] for row in self._rows("words.txt") if len(row) > 1}

        by_class: dict[str, list[str]] = {wnid: [] for wnid in wnids}
        for name in sorted(self.names):
            match name.split("/"):
                case ["train", wnid, "images", _] if wnid in by_class:
                    by_class[wnid].append(name)
        for wnid, names in by_class.items():
            if not names:
                folder = shown(f"train/{wnid}/images")
                raise DataError(f"class folder {folder} in {self.path} is empty")
        train = [(name, index[wnid]) for wnid, names in by_class.items() for name in names]
        test: dict[str, int] = {}
        where = f"val_annotations.txt in {self.path}"
        for file, wnid, *_ in self._rows("val/val_annotations.txt", (6, 2)):
            name = f"val/images/{file}"
            if name not in self.names:
                raise DataError(f"{self.path} has no {name[:200]}, which val_annotations.txt names")
            if wnid not in index:
                raise DataError(f"{where} names class {shown(wnid)}, wnids.txt does not")
            if name in test:
                raise DataError(f"{where} names {file} twice")
            test[name] = index[wnid]
        if not test:
            raise DataError(f"{where} names no image")

        def decode(part: str, rows: list[tuple[str, int]]) -> tuple[np.ndarray, np.ndarray]:
            names = [name for name, _ in rows]
            images = decode_all(names, self._read, size, f"Tiny-ImageNet {part}")
            return images, np.array([label for _, label in rows], np.int64)

        classes = tuple(words.get(wnid, wnid) for wnid in wnids)
        return Raw(*decode("train", train), *decode("val", list(test.items())), classes)
