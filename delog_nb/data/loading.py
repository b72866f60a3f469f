"""From a name to images in memory."""

import hashlib
import os

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from delog_nb.data.declare import Source
from delog_nb.data.images import DataError, ImageData, Raw, Split, statistics, stratified
from delog_nb.experiment import Experiment
from delog_nb.experiment.plugins import called
from delog_nb.experiment.registry import DATASETS, FIELDS


def shape(experiment: Experiment) -> tuple[tuple[int, int, int], int]:
    """((C, H, W), number of classes) of the experiment's images, without reading them."""
    entry = DATASETS[experiment.dataset]
    classes = entry.classes or len(source(experiment).classes())
    return (entry.channels, experiment.image_size, experiment.image_size), classes


def count(experiment: Experiment) -> tuple[int, int] | None:
    """Images for training and for testing, all of them, without reading one; None: not known."""
    return DATASETS[experiment.dataset].images or source(experiment).count()


def source(experiment: Experiment) -> Source:
    """Where the experiment's images come from. Raises `DataError` where there is no such place."""
    entry, folder = DATASETS.loaded(experiment.dataset), experiment.data_dir
    if folder is not None and not os.path.exists(folder):  # False for what no path can be, too
        raise DataError(f"data_dir {folder} does not exist")
    if folder is None and entry.needs_dir:
        raise DataError(f"data_dir is missing: {entry.needs_dir}")
    with called(entry.plugin):
        made: Source = entry.make(folder)
    return made


def content_id(experiment: Experiment) -> str | None:
    """A hash of the images' undecoded bytes and labels; None where the data set's name says which.

    It is computed once for a folder or an archive as it is listed, and cached.
    """
    return source(experiment).content_id() if DATASETS[experiment.dataset].by_content else None


def load(experiment: Experiment) -> ImageData:
    """The experiment's images: read or downloaded, split, limited; on the CPU.

    ``limit`` and the validation split keep the classes' shares and depend on the seed alone.
    Raises `DataError` with one sentence for anything that is wrong with the files, or where they
    are others than ``data_id`` says.
    """
    entry, own = DATASETS[experiment.dataset], source(experiment)
    found = own.content_id() if entry.by_content else None
    if experiment.data_id not in (None, found):
        raise DataError(
            f"data_dir {experiment.data_dir} holds other images than data_id = "
            f"{experiment.data_id} says: they are {found or 'known by their name alone'}"
        )
    with called(entry.plugin):
        raw = _resized(own.read(experiment.image_size), experiment.image_size)
    if 0 < entry.classes < len(raw.classes):
        raise DataError(
            f"dataset {experiment.dataset} has labels of {len(raw.classes)} classes where it "
            f"declares {entry.classes}"
        )
    mean, std = entry.mean, entry.std
    if mean is None or std is None:
        mean, std = statistics(raw.train_images)

    return _prepared(
        raw, (mean, std), experiment.limit, experiment.val_fraction, experiment.seed,
        content_id=found, name=experiment.dataset,
    )  # fmt: skip


def arrays(
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    *,
    val_fraction: float = 0.0,
    seed: int = 0,
) -> ImageData:
    """Images of one's own, for `delog_nb.train`; runs on them are known by a hash of their content.

    Args:
        train_images: (N, S, S, C) in uint8, or (N, S, S) for grey images
        train_labels: (N,), classes from 0
        test_images, test_labels: the same for the images that are scored
        val_fraction: share of the training images held out for validation
        seed: of that choice

    Raises:
        DataError: they are of other kinds or shapes, or one of the numbers is not allowed.
    """
    try:
        val_fraction = FIELDS["val_fraction"].check(val_fraction)
        seed = FIELDS["seed"].check(seed)
    except ValueError as error:
        raise DataError(str(error)) from None
    raw = Raw.of(train_images, train_labels, test_images, test_labels)
    if len({*raw.train_images.shape[1:3], *raw.test_images.shape[1:3]}) > 1:
        raise DataError(
            f"images of {raw.train_images.shape[1:3]} and {raw.test_images.shape[1:3]} pixels are "
            f"not allowed: square ones, all of one size"
        )
    digest = hashlib.sha256()
    for array in (raw.train_images, raw.train_labels, raw.test_images, raw.test_labels):
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    mean_and_std = statistics(raw.train_images)
    content = digest.hexdigest()[:16]
    return _prepared(raw, mean_and_std, None, val_fraction, seed, content_id=content, name="arrays")


def _prepared(
    raw: Raw,
    mean_and_std: tuple[tuple[float, ...], tuple[float, ...]],
    limit: int | None,
    val_fraction: float,
    seed: int,
    **which: str | None,
) -> ImageData:
    """``raw`` limited and split."""
    rng = np.random.default_rng(seed)
    labels = raw.train_labels
    chosen = np.arange(len(labels))
    if limit is not None and limit < len(labels):
        chosen = stratified(labels, limit, rng)
    held = stratified(labels[chosen], round(len(chosen) * val_fraction), rng)
    val = chosen[held]
    train = np.delete(chosen, held)
    if len(train) < 2:
        raise DataError(
            f"limit = {limit} leaves {len(train)} training images: at least 2 are needed"
        )
    return ImageData(
        _split(raw.train_images[train], labels[train]),
        _split(raw.train_images[val], labels[val]),
        _split(raw.test_images, raw.test_labels),
        raw.classes,
        *mean_and_std,
        **which,  # type: ignore[arg-type]
    )


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    # (N, H, W, C) in memory, seen as (N, C, H, W): channels-last without a copy
    pixels: Tensor = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    return Split(pixels, torch.from_numpy(labels.astype(np.int64)))


def _resized(raw: Raw, size: int) -> Raw:
    def resize(images: np.ndarray) -> np.ndarray:
        if images.shape[1:3] == (size, size):
            return images
        made = np.empty((len(images), size, size, images.shape[-1]), np.uint8)
        for image, place in zip(images, made, strict=True):
            flat = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
            resized = np.asarray(flat.resize((size, size), Image.Resampling.BICUBIC))
            place[:] = resized.reshape(place.shape)
        return made

    return Raw(
        resize(raw.train_images),
        raw.train_labels,
        resize(raw.test_images),
        raw.test_labels,
        raw.classes,
    )
