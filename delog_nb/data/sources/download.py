"""Data sets that are downloaded on first use, with torchvision's own code and checksums.

Torchvision is imported where it is used: that takes a second, and most runs need none of it.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from delog_nb.data.images import DataError, Raw
from delog_nb.data.sources import tiny_imagenet

# torchvision's class, and what to put where when a machine has no network.
_TORCHVISION: dict[str, tuple[str, str]] = {
    "fashion-mnist": ("FashionMNIST", "FashionMNIST/raw/*-ubyte.gz (four files)"),
    "cifar10": ("CIFAR10", "cifar-10-python.tar.gz"),
    "cifar100": ("CIFAR100", "cifar-100-python.tar.gz"),
}


def _fetch(download: Callable[[], Any], what: str, source: str, folder: Path) -> Any:
    """Run ``download``; say in one sentence what to do when it fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return download()
    except (OSError, RuntimeError) as error:  # URLError is an OSError; checksums RuntimeErrors
        reason = " ".join(str(getattr(error, "reason", error)).split()).rstrip(".")
        raise DataError(
            f"could not get {what} ({reason}): download it from {source} and put it at "
            f"{folder / what}"
        ) from error


def read_torchvision(name: str, folder: Path) -> Raw:
    """Fashion-MNIST, CIFAR-10 or CIFAR-100 from ``folder``, downloaded there if need be.

    Raises `DataError` when there is no network or the checksum is wrong.
    """
    from torchvision import datasets

    class_name, what = _TORCHVISION[name]
    dataset = getattr(datasets, class_name)
    source = getattr(dataset, "url", None) or dataset.mirrors[0]

    def part(train: bool) -> Any:
        return dataset(str(folder), train=train, download=True)

    train = _fetch(partial(part, True), what, source, folder)
    test = _fetch(partial(part, False), what, source, folder)

    def images(split: Any) -> np.ndarray:
        pixels = np.asarray(split.data)  # (N, H, W) or (N, H, W, C)
        return pixels[..., None] if pixels.ndim == 3 else pixels

    return Raw(
        images(train),
        np.asarray(train.targets, np.int64),
        images(test),
        np.asarray(test.targets, np.int64),
        tuple(train.classes),
    )


def fetch_tiny_imagenet(folder: Path) -> Path:
    """Path of the official zip file in ``folder``, downloaded there if need be."""
    from torchvision.datasets.utils import check_md5, download_url

    path = folder / tiny_imagenet.FILE
    if not path.exists() or not check_md5(path, tiny_imagenet.MD5):
        _fetch(
            lambda: download_url(
                tiny_imagenet.URL, str(folder), tiny_imagenet.FILE, tiny_imagenet.MD5
            ),
            tiny_imagenet.FILE,
            tiny_imagenet.URL,
            folder,
        )
    return path
