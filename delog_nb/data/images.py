"""The forms that images take: as read from a source, and as a run uses them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from delog_nb.experiment import DelogError

MOST_CLASSES = 100_000


class DataError(DelogError, ValueError):
    """Images that cannot be used, said in one sentence that names the file or folder."""


@dataclass(frozen=True)
class Raw:
    """A data set as a source gives it: uint8 arrays (N, H, W, C), int64 labels (N,)."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]

    @classmethod
    def of(cls, train_images: Any, train_labels: Any, test_images: Any, test_labels: Any) -> Raw:
        """Arrays of whoever made them, checked; classes are named by their numbers.

        Raises:
            DataError: they are of other kinds or shapes than `Raw` says.
        """
        arrays = [np.asarray(array) for array in (train_images, test_images)]
        arrays = [images[..., None] if images.ndim == 3 else images for images in arrays]
        for images in arrays:
            if images.ndim != 4 or images.dtype != np.uint8 or images.shape[-1] not in (1, 3):
                raise DataError(
                    f"images of {images.dtype}, {tuple(images.shape)}, are not allowed: uint8 "
                    f"(N, H, W, C) with one channel or three"
                )
        labels = [np.asarray(labels) for labels in (train_labels, test_labels)]
        for own, images in zip(labels, arrays, strict=True):
            if own.shape != (len(images),) or own.dtype.kind not in "iu" or (own < 0).any():
                raise DataError(
                    f"labels of {own.dtype}, {tuple(own.shape)}, are not allowed: a whole number "
                    f"from 0 for each of the {len(images)} images"
                )
        count = 1 + max(int(own.max(initial=0)) for own in labels)
        if count > MOST_CLASSES:
            raise DataError(f"label {count - 1} is not allowed: at most {MOST_CLASSES - 1}")
        names = tuple(str(label) for label in range(count))
        wide = [own.astype(np.int64) for own in labels]
        return cls(arrays[0], wide[0], arrays[1], wide[1], names)


@dataclass(frozen=True)
class Split:
    """Images (N, C, H, W) in uint8, stored channels-last, and labels (N,) in int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> Split:
        """The images at ``index``."""
        return Split(self.images[index], self.labels[index])

    def to(self, device: torch.device) -> Split:
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class ImageData:
    """A data set ready for training.

    ``mean`` and ``std`` are per channel, of pixels scaled to [0, 1]. ``val`` is empty where no
    validation images were asked for. ``name`` is the data set's; ``content_id`` says which images
    these are, where the name does not.
    """

    train: Split
    val: Split
    test: Split
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    content_id: str | None = None
    name: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def to(self, device: torch.device) -> ImageData:
        """The same data set on ``device``."""
        return replace(
            self, train=self.train.to(device), val=self.val.to(device), test=self.test.to(device)
        )


def statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of uint8 images (N, H, W, C) scaled to [0, 1].

    Exact for any number of images: from a histogram of the 256 values.
    """
    means, stds = [], []
    levels = np.arange(256) / 255
    for channel in range(images.shape[-1]):
        share = np.bincount(images[..., channel].ravel(), minlength=256).astype(np.float64)
        share /= share.sum()
        mean = float(share @ levels)
        means.append(mean)
        # A constant channel would divide by zero: leave it as it is.
        stds.append(float(np.sqrt(share @ (levels - mean) ** 2)) or 1.0)
    return tuple(means), tuple(stds)


def stratified(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted indices of ``count`` samples whose class shares equal those of ``labels``.

    Shares that do not come out whole are rounded by largest remainder, so that with equal classes
    no two counts differ by more than one; every class keeps at least one sample where ``count``
    allows it.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * (count / len(labels))
    counts = np.floor(exact).astype(int)
    if count >= len(classes):
        counts = np.maximum(counts, 1)
    order = np.lexsort((rng.permutation(len(classes)), -(exact - counts)))
    for step in range(count - int(counts.sum())):
        counts[order[step % len(order)]] += 1
    while counts.sum() > count:  # the raised minimum took too many: give back from the largest
        counts[np.argmax(counts)] -= 1
    chosen = [
        rng.permutation(np.flatnonzero(labels == label))[:number]
        for label, number in zip(classes, counts, strict=True)
    ]
    return np.sort(np.concatenate(chosen))
