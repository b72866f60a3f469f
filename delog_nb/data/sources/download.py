"""Data sets that are downloaded on first use, with torchvision's own code and checksums.

Torchvision is imported where it is used: that takes a second, and most runs need none of it.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from delog_nb.data.cache import cache_dir, cached
from delog_nb.data.declare import Source, dataset
from delog_nb.data.images import DataError, Raw

# torchvision's class, and what to put where when a machine has no network.
_TORCHVISION: dict[str, tuple[str, str]] = {
    "fashion-mnist": ("FashionMNIST", "FashionMNIST/raw/*-ubyte.gz (four files)"),
    "cifar10": ("CIFAR10", "cifar-10-python.tar.gz"),
    "cifar100": ("CIFAR100", "cifar-100-python.tar.gz"),
}


def fetch(download: Callable[[], Any], what: str, source: str, folder: Path) -> Any:
    """Run ``download``; say in one sentence what to do when it fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return download()
    except Exception as error:  # no network, a wrong checksum, damaged files
        words = str(getattr(error, "reason", error)) or type(error).__name__
        reason = " ".join(words.split()).rstrip(".")[:300]
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

    train = fetch(partial(part, True), what, source, folder)
    test = fetch(partial(part, False), what, source, folder)

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


class _Torchvision(Source):
    """One of torchvision's data sets."""

    name = ""

    def read(self, size: int) -> Raw:  # noqa: ARG002 - they are resized by whoever asks
        folder = self.folder or cache_dir() / "downloads"
        return cached(self.name, lambda: read_torchvision(self.name, folder))


@dataset(
    "fashion-mnist",
    label="Fashion-MNIST",
    channels=1,
    size=28,
    classes=10,
    images=(60_000, 10_000),
)
class FashionMNIST(_Torchvision):
    name = "fashion-mnist"


# mean and deviation of CIFAR: the authors' (see the README's "Sources")
@dataset(
    "cifar10",
    label="CIFAR-10",
    classes=10,
    images=(50_000, 10_000),
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2023, 0.1994, 0.2010),
)
class CIFAR10(_Torchvision):
    name = "cifar10"


@dataset(
    "cifar100",
    label="CIFAR-100",
    classes=100,
    images=(50_000, 10_000),
    mean=(0.5071, 0.4867, 0.4408),
    std=(0.2675, 0.2565, 0.2761),
)
class CIFAR100(_Torchvision):
    name = "cifar100"
