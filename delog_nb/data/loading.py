"""From a name to images in memory."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from delog_nb.data.cache import cache_dir, cached
from delog_nb.data.images import DataError, ImageData, Raw, Split, statistics, stratified
from delog_nb.data.sources.digits import read_digits
from delog_nb.data.sources.download import fetch_tiny_imagenet, read_torchvision
from delog_nb.data.sources.folder import FolderSource, class_names
from delog_nb.data.sources.tiny_imagenet import TinyImageNetSource
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import DATASETS


def shape(experiment: Experiment) -> tuple[tuple[int, int, int], int]:
    """((C, H, W), number of classes) of the experiment's images, without reading them."""
    entry = DATASETS[experiment.dataset]
    classes = entry.classes or len(class_names(_data_dir(experiment)))
    return (entry.channels, experiment.image_size, experiment.image_size), classes


def load(experiment: Experiment) -> ImageData:
    """The experiment's images: read or downloaded, split, limited; on the CPU.

    ``limit`` and the validation split keep the classes' shares and depend on the seed alone.
    Raises `DataError` with one sentence for anything that is wrong with the files.
    """
    raw = _read(experiment)
    entry = DATASETS[experiment.dataset]
    mean, std = entry.mean, entry.std
    if mean is None or std is None:
        mean, std = statistics(raw.train_images)

    rng = np.random.default_rng(experiment.seed)
    labels = raw.train_labels
    chosen = np.arange(len(labels))
    if experiment.limit is not None and experiment.limit < len(labels):
        chosen = stratified(labels, experiment.limit, rng)
    held = stratified(labels[chosen], round(len(chosen) * experiment.val_fraction), rng)
    val = chosen[held]
    train = np.delete(chosen, held)
    if len(train) < 2:
        raise DataError(
            f"limit = {experiment.limit} leaves {len(train)} training images: at least 2 are needed"
        )
    return ImageData(
        train=_split(raw.train_images[train], labels[train]),
        val=_split(raw.train_images[val], labels[val]),
        test=_split(raw.test_images, raw.test_labels),
        classes=raw.classes,
        mean=mean,
        std=std,
    )


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    # (N, H, W, C) in memory, seen as (N, C, H, W): channels-last without a copy
    pixels: Tensor = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    return Split(pixels, torch.from_numpy(labels.astype(np.int64)))


def _data_dir(experiment: Experiment) -> Path:
    if experiment.data_dir is None:
        return cache_dir() / "downloads"
    if not experiment.data_dir.exists():
        raise DataError(f"data_dir {experiment.data_dir} does not exist")
    return experiment.data_dir


def _read(experiment: Experiment) -> Raw:
    name, size = experiment.dataset, experiment.image_size
    folder = _data_dir(experiment)
    if name == "digits":
        return _resized(read_digits(), size)
    if name == "folder":
        source: FolderSource | TinyImageNetSource = FolderSource(folder)
        return cached(f"{source.key}-{size}", lambda: source.read(size))
    if name == "tiny-imagenet":
        source = TinyImageNetSource(
            folder if experiment.data_dir is not None else fetch_tiny_imagenet(folder)
        )
        return cached(f"{source.key}-{size}", lambda: source.read(size))
    return _resized(cached(name, lambda: read_torchvision(name, folder)), size)


def _resized(raw: Raw, size: int) -> Raw:
    def resize(images: np.ndarray) -> np.ndarray:
        if images.shape[1:3] == (size, size):
            return images
        flat = images[..., 0] if images.shape[-1] == 1 else images
        done = [
            np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
            for image in flat
        ]
        return np.stack(done).reshape(len(images), size, size, images.shape[-1])

    return Raw(
        resize(raw.train_images),
        raw.train_labels,
        resize(raw.test_images),
        raw.test_labels,
        raw.classes,
    )
