"""The images of a run: its classes, its views, its batches."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import torch
from torch import Tensor

from delog_nb.data import ImageData, Views
from delog_nb.data.views import JITTER, JITTER_CHANCE
from delog_nb.experiment import Experiment
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.pictures import pictures
from delog_nb.training import EVALUATION_BATCH, Batches


def train_batches(
    experiment: Experiment, data: ImageData, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of two views that `delog_nb.train` makes in ``epoch`` (from 0), with labels.

    (2B, C, H, W), first all weak views, then all strong ones, and (2B,), on the CPU.

    >>> from delog_nb import data, lab
    >>> run = lab.experiment(batch_size=16)
    >>> views, labels = next(lab.train_batches(run, data.load(run), epoch=0))
    >>> len(views), torch.equal(labels[:16], labels[16:])
    (32, True)
    """
    views = Views.of(experiment, data.mean, data.std)
    batches = Batches(data.train, views, experiment.batch_size, epoch)
    for place, index in enumerate(batches.parts):
        yield batches.views(index), batches.batch(index, place).labels


def test_batches(experiment: Experiment, data: ImageData) -> Iterator[tuple[Tensor, Tensor]]:
    """The test images, normalised and otherwise unchanged: (B, C, H, W) and labels (B,).

    >>> from delog_nb import data, lab
    >>> run = lab.experiment()
    >>> images = data.load(run)
    >>> sum(len(labels) for _, labels in lab.test_batches(run, images)) == len(images.test)
    True
    """
    views = Views.of(experiment, data.mean, data.std)
    test = data.test
    for index in torch.arange(len(test)).split(EVALUATION_BATCH):
        yield views.normalize(test.images[index]), test.labels[index]


def plain_views(data: ImageData, experiment: Experiment) -> Views:
    """The experiment's views, their pixels from 0 to 1 as a person sees them."""
    channels = data.shape[0]
    return Views.of(experiment, (0.0,) * channels, (1.0,) * channels)


def classes(data: ImageData, experiment: Experiment, count: int = 10, most: int = 10) -> Exhibit:
    """The first ``count`` training images of each of up to ``most`` classes.

    The table has the number of images of each class in each split.

    >>> from delog_nb import data, lab
    >>> run = lab.experiment()
    >>> list(lab.classes(data.load(run), run).table)
    ['Class', 'Training', 'Validation', 'Test']
    """
    chosen = range(min(most, len(data.classes)))
    found = [data.train.images[data.train.labels == c][:count] for c in chosen]
    size = min(len(images) for images in found)
    splits = {"Training": data.train, "Validation": data.val, "Test": data.test}
    counts = {
        name: torch.bincount(split.labels, minlength=len(data.classes)).tolist()
        for name, split in splits.items()
    }
    return pictures(
        {data.classes[c]: images[:size] for c, images in zip(chosen, found, strict=True)},
        f"Training images by class: {experiment.data_label}",
        table=pd.DataFrame({"Class": data.classes, **counts}),
    )


def views(data: ImageData, experiment: Experiment, count: int = 8) -> Exhibit:
    """The first training images and the two views of each, as the first epoch makes them.

    The table says what was changed in each view: shift in pixels, brightness factor.

    >>> from delog_nb import data, lab
    >>> run = lab.experiment()
    >>> len(lab.views(data.load(run), run, count=4).table)
    4
    """
    made = plain_views(data, experiment)
    images = data.train.images[:count]
    randoms = made.plan(len(data.train), 0).randoms[:count]
    pixels = (made(images, randoms).clamp(0, 1) * 255).round().to(torch.uint8)
    kinds = {"strong": ("weak", "strong"), "weak": ("weak", "weak"), "none": ("same", "same")}
    names = [f"view {n} ({kind})" for n, kind in enumerate(kinds[experiment.augment], 1)]
    return pictures(
        {"image": images, names[0]: pixels[:count], names[1]: pixels[count:]},
        f"Two views of the same image: {experiment.data_label}",
        table=_changes(data, experiment, randoms),
    )


def _changes(data: ImageData, experiment: Experiment, randoms: Tensor) -> pd.DataFrame:
    count, padding = len(randoms), experiment.crop_padding
    shifts = padding - (randoms[..., :2] * (2 * padding + 1)).long()  # (n, 2 views, 2)
    jittered = randoms[:, 1, 3] < JITTER_CHANCE
    brightness = torch.where(jittered, 1 + JITTER * (2 * randoms[:, 1, 4] - 1), 1.0)
    strong = experiment.augment == "strong"
    return pd.DataFrame(
        {
            "Image": range(1, count + 1),
            "Class": [data.classes[label] for label in data.train.labels[:count].tolist()],
            **{
                f"View {view + 1}: moved down, right (pixels)": [
                    f"{down:+d}, {right:+d}" for down, right in shifts[:, view].tolist()
                ]
                for view in (0, 1)
            },
            "View 2: brightness": [f"× {b:.2f}" if strong else "× 1" for b in brightness.tolist()],
        }
    )
