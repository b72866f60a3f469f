"""Pictures of a data set and of the views that training makes of it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
from PIL import Image
from torch import Tensor

from delog_nb.data import ImageData, Views
from delog_nb.data.views import JITTER, JITTER_CHANCE
from delog_nb.experiment import Experiment

_CELL, _GAP = 72, 6  # pixels on the screen: an image's side, the space around it


def image_grid(rows: Sequence[Tensor], labels: Sequence[str], title: str) -> go.Figure:
    """Rows of images as one picture.

    Args:
        rows: uint8 (n, C, H, W) each, of the same n
        labels: one for each row
        title: of the figure
    """
    count = len(rows[0])
    step = _CELL + _GAP
    canvas = np.full((len(rows) * step, count * step, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            pixels = image.permute(1, 2, 0).expand(-1, -1, 3).cpu().contiguous().numpy()
            scaled = Image.fromarray(pixels).resize((_CELL, _CELL), Image.Resampling.NEAREST)
            y, x = i * step + _GAP // 2, j * step + _GAP // 2
            canvas[y : y + _CELL, x : x + _CELL] = np.asarray(scaled)
    buffer = io.BytesIO()
    Image.fromarray(canvas).save(buffer, "png", optimize=True)
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    figure = go.Figure(go.Image(source=source, hoverinfo="skip"))
    left, top = 20 + 9 * max(map(len, labels)), 50
    figure.update_layout(
        title={"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 18}},
        width=count * step + left + 20,
        height=len(rows) * step + top + 10,
        margin={"l": left, "r": 20, "t": top, "b": 10},
        font={"size": 14},
        template="plotly_white",
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(
        tickvals=[(i + 0.5) * step for i in range(len(rows))], ticktext=list(labels), showgrid=False
    )
    return figure


def classes_figure(
    data: ImageData, experiment: Experiment, count: int = 10, most: int = 10
) -> go.Figure:
    """The first ``count`` training images of each of up to ``most`` classes."""
    chosen = range(min(most, len(data.classes)))
    found = [data.train.images[data.train.labels == c][:count] for c in chosen]
    size = min(len(images) for images in found)
    return image_grid(
        [images[:size] for images in found],
        [data.classes[c] for c in chosen],
        f"Training images by class: {experiment.data_label}",
    )


def class_table(data: ImageData) -> pd.DataFrame:
    """Number of images of each class in each split."""
    counts = {
        name: torch.bincount(split.labels, minlength=len(data.classes)).tolist()
        for name, split in (
            ("Training", data.train),
            ("Validation", data.val),
            ("Test", data.test),
        )
    }
    return pd.DataFrame({"Class": data.classes, **counts})


def plain_views(data: ImageData, experiment: Experiment) -> Views:
    """The experiment's views, their pixels from 0 to 1 as a person sees them."""
    channels = data.shape[0]
    return Views.of(experiment, (0.0,) * channels, (1.0,) * channels)


def _view_names(experiment: Experiment) -> list[str]:
    kinds = {"strong": ("weak", "strong"), "weak": ("weak", "weak"), "none": ("same", "same")}
    return [f"view {n} ({kind})" for n, kind in enumerate(kinds[experiment.augment], 1)]


def views_figure(data: ImageData, experiment: Experiment, count: int = 8) -> go.Figure:
    """The first training images and the two views of each, as the first epoch makes them."""
    views = plain_views(data, experiment)
    images = data.train.images[:count]
    both = views(images, views.plan(len(data.train), 0).randoms[:count])
    pixels = (both.clamp(0, 1) * 255).round().to(torch.uint8)
    return image_grid(
        [images, pixels[:count], pixels[count:]],
        ["image", *_view_names(experiment)],
        f"Two views of the same image: {experiment.data_label}",
    )


def view_table(data: ImageData, experiment: Experiment, count: int = 8) -> pd.DataFrame:
    """What was changed in each view of `views_figure`: shift in pixels, brightness factor."""
    randoms = plain_views(data, experiment).plan(len(data.train), 0).randoms[:count]
    padding = experiment.crop_padding
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
