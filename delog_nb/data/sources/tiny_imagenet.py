"""Tiny-ImageNet: the official folder or zip file, its validation images as the test set."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np

from delog_nb.data.cache import cache_dir, cached, content_id
from delog_nb.data.declare import Source, dataset
from delog_nb.data.decoding import decode_all
from delog_nb.data.images import DataError, Raw
from delog_nb.data.sources.download import fetch

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
FILE = "tiny-imagenet-200.zip"


def fetch_tiny_imagenet(folder: Path) -> Path:
    """Path of the official zip file in ``folder``, downloaded there if need be."""
    from torchvision.datasets.utils import check_md5, download_url

    path = folder / FILE
    if not path.exists() or not check_md5(path, MD5):
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
            if (
                not (self.path / "wnids.txt").exists()
                and (self.path / "tiny-imagenet-200").is_dir()
            ):
                self.path = self.path / "tiny-imagenet-200"
            root = self.path
            self.names = {
                file.relative_to(root).as_posix(): file.stat().st_mtime_ns
                for file in root.rglob("*")
                if file.is_file()
            }
            self._read: Callable[[str], bytes] = lambda name: (root / name).read_bytes()
        elif self.path.is_file():
            self._open_zip()
        else:
            raise DataError(
                f"there is no {self.path}: data_dir is the unpacked tiny-imagenet-200 folder or "
                f"its zip file"
            )
        if "wnids.txt" not in self.names:
            raise DataError(f"{self.path} has no wnids.txt, so it is not Tiny-ImageNet's layout")
        digest = hashlib.sha256(repr((str(self.path), sorted(self.names.items()))).encode())
        self.key = f"tiny-imagenet-{digest.hexdigest()[:16]}"

    def _open_zip(self) -> None:
        try:
            archive = zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(f"{self.path} is not a readable zip file: {error}") from error
        for member in archive.namelist():
            parts = PurePosixPath(member.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
                raise DataError(
                    f"{self.path} holds {member!r}, a path that leaves its folder: nothing of it "
                    f"was read"
                )
        prefix = next(
            (n.removesuffix("wnids.txt") for n in archive.namelist() if n.endswith("wnids.txt")), ""
        )
        self.names = {
            info.filename.removeprefix(prefix): info.CRC
            for info in archive.infolist()
            if not info.is_dir() and info.filename.startswith(prefix)
        }

        def read(name: str) -> bytes:
            try:
                return archive.read(prefix + name)
            except (zipfile.BadZipFile, EOFError) as error:
                raise DataError(f"{name} in {self.path} is damaged: {error}") from error

        self._read = read

    def _text(self, name: str) -> list[list[str]]:
        if name not in self.names:
            raise DataError(f"{self.path} has no {name}: the Tiny-ImageNet download is incomplete")
        return [line.split("\t") for line in self._read(name).decode().splitlines() if line]

    def content_id(self) -> str:
        """A hash of all files' names and bytes, the same in a folder and in a zip file."""
        return content_id(self.key, ((name, self._read(name)) for name in sorted(self.names)))

    def read(self, size: int) -> Raw:
        """Every image, resized to ``size`` x ``size``."""
        return cached(f"tiny-imagenet-{self.content_id()}-{size}", lambda: self._decode(size))

    def _decode(self, size: int) -> Raw:
        wnids = [row[0].strip() for row in self._text("wnids.txt")]
        index = {wnid: number for number, wnid in enumerate(wnids)}
        words = {row[0]: row[1].split(",")[0] for row in self._text("words.txt") if len(row) > 1}

        train: list[tuple[str, int]] = []
        for wnid in wnids:
            images = sorted(n for n in self.names if n.startswith(f"train/{wnid}/images/"))
            if not images:
                raise DataError(f"class folder train/{wnid}/images in {self.path} is empty")
            train += [(name, index[wnid]) for name in images]
        test = []
        for row in self._text("val/val_annotations.txt"):
            name = f"val/images/{row[0]}"
            if name not in self.names:
                raise DataError(f"{self.path} has no {name}, which val_annotations.txt names")
            if row[1] not in index:
                raise DataError(f"val_annotations.txt names class {row[1]}, wnids.txt does not")
            test.append((name, index[row[1]]))

        def decode(part: str, rows: list[tuple[str, int]]) -> tuple[np.ndarray, np.ndarray]:
            names = [name for name, _ in rows]
            images = decode_all(names, self._read, size, f"Tiny-ImageNet {part}")
            return images, np.array([label for _, label in rows], np.int64)

        classes = tuple(words.get(wnid, wnid) for wnid in wnids)
        return Raw(*decode("train", train), *decode("val", test), classes)
