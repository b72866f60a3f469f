"""Data sets that are downloaded on first use, with torchvision's own code and checksums."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torchvision
from torchvision.datasets.utils import check_md5, download_url

from delog_nb.data import tiny_imagenet
from delog_nb.data.images import DataError, Raw

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
        reason = str(getattr(error, "reason", error)).rstrip(".")
        raise DataError(
            f"could not get {what} ({reason}): download it from {source} and put it at "
            f"{folder / what}"
        ) from error


def read_torchvision(name: str, folder: Path) -> Raw:
    """Fashion-MNIST, CIFAR-10 or CIFAR-100 from ``folder``, downloaded there if need be.

    Raises `DataError` when there is no network or the checksum is wrong.
    """
    class_name, what = _TORCHVISION[name]
    dataset = getattr(torchvision.datasets, class_name)
    source = getattr(dataset, "url", None) or dataset.mirrors[0]
    train, test = (
        _fetch(lambda t=t: dataset(str(folder), train=t, download=True), what, source, folder)
        for t in (True, False)
    )

    def images(part: Any) -> np.ndarray:
        pixels = np.asarray(part.data)  # (N, H, W) or (N, H, W, C)
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
    path = folder / tiny_imagenet.FILE
    if not check_md5(path, tiny_imagenet.MD5) if path.exists() else True:
        _fetch(
            lambda: download_url(
                tiny_imagenet.URL, str(folder), tiny_imagenet.FILE, tiny_imagenet.MD5
            ),
            tiny_imagenet.FILE,
            tiny_imagenet.URL,
            folder,
        )
    return path
