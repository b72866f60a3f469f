"""Features in motion: images after each block while networks train, to play with."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from PIL import Image
from plotly.subplots import make_subplots

from delog_nb.lab.charts.exhibit import Exhibit, escaped, sentence
from delog_nb.lab.charts.played import Played
from delog_nb.lab.charts.style import INK, dressed, style_of_method
from delog_nb.measure.features import SPRITE_COLUMNS, Features, plane, separation

_LEVELS = 127
_INSIDE = 0.995  # a panel begins and ends at these quantiles of its points
_TONES = 64  # of the images
_TOLD = "distance between classes over distance within a class, after the last block: {}"


def features_in_motion(
    ways: Mapping[str, Features], title: str, *, classes: Sequence[str] = (), says: str = ""
) -> Exhibit:
    """Where test images lie after each block, epoch by epoch, in a row for each way to train.

    A row may also be another place in the network, such as z_l (`delog_nb.measure.features`).
    The two dimensions are those of `delog_nb.measure.features.plane`. The table has, for each epoch
    and block, how many times as far apart images of two classes are as two of one class.

    Args:
        ways: by name what was kept of a run; of the same test images after the same epochs. A
            method's label, alone or before a colon, gives the row its colour
        title: of the figure
        classes: their names; default: their numbers
        says: the text alternative; default: the table's last row

    Raises:
        ValueError: the images or the epochs differ.

    >>> from delog_nb import data, lab
    >>> from delog_nb.measure.features import features_in_training
    >>> run = lab.experiment(preset="quick", limit=100)
    >>> kept = {"Delog-SCL": features_in_training(run, data.load(run))}
    >>> lab.features_in_motion(kept, "In motion").table.columns.tolist()[:3]
    ['Epoch', 'Delog-SCL, block 1', 'Delog-SCL, block 2']
    """
    one, first = next(iter(ways.items()))
    for name, found in ways.items():
        same = found.images == first.images and found.epochs == first.epochs
        if not same or found.scores.shape[1] != first.scores.shape[1]:
            raise ValueError(f"{name} is of other test images, epochs or blocks than {one}")
    names = list(classes) or [str(k) for k in range(max(first.labels) + 1)]
    apart = {name: separation(found) for name, found in ways.items()}
    target = plane(first)[-1, -1]  # an image lies in a like place in all rows
    points = {name: _points(plane(found, target)) for name, found in ways.items()}
    looks = {name: style_of_method(name) for name in ways}
    colors = {name: str(look["color"]) if look else INK for name, look in looks.items()}
    data: dict[str, Any] = {
        "title": title,
        "classes": names,
        "labels": first.labels,
        "images": first.images,
        "epochs": first.epochs,
        "columns": SPRITE_COLUMNS,
        "sprite": small_sprite(first.sprite),
        "words": {
            "columns": [f"after block {k}" for k in range(1, first.scores.shape[1] + 1)],
            "unit": "times",
            "least": 1,  # of the number below a panel
            "told": _TOLD,
            "legend": "One projection for all epochs, turned so that an image lies in like places "
            "after each block. Below: distance between classes over distance within a class, by "
            "epoch.",
        },
        "ways": [
            {
                "name": name,
                "color": colors[name] if looks[name] else "currentColor",
                "codes": base64.b64encode(points[name].tobytes()).decode(),
                "separation": [
                    [None if np.isnan(t) else round(t, 2) for t in times]
                    for times in apart[name].tolist()
                ],
            }
            for name in ways
        ],
    }
    table = pd.DataFrame({"Epoch": first.epochs})
    for name, times in apart.items():
        for block in range(times.shape[1]):
            table[f"{name}, block {block + 1}"] = times[:, block]
    last = {name: times[-1, -1] for name, times in apart.items()}
    told = "; ".join(f"{n}: {'–' if np.isnan(t) else f'{t:.2f}'}" for n, t in last.items())
    default = sentence(title, f"After epoch {first.epochs[-1]}: {_TOLD.format(told)}")
    titles: list[str] = data["words"]["columns"]
    drawn = {name: found[-1] for name, found in points.items()}
    figure = last_epoch(drawn, first.labels, colors, titles, title)
    return Played(figure, table, says or default, ".2f", "features", data)


def _points(points: npt.NDArray[np.float64]) -> npt.NDArray[np.int8]:
    """(epochs, H, N, 2) as -127 to 127, in each block in one unit for all epochs and both axes.

    The few farthest points stand at the edge.
    """
    low, high = np.quantile(points, (1 - _INSIDE, _INSIDE), axis=(0, 2), keepdims=True)
    unit = ((high - low) / 2).max(-1, keepdims=True).clip(1e-12)
    scaled = ((points - (low + high) / 2) / unit).clip(-1, 1)
    codes: npt.NDArray[np.int8] = (scaled * _LEVELS).round().astype(np.int8)
    return codes


def small_sprite(content: bytes) -> str:
    """As an address that holds the images, in few tones."""
    if not content:
        return ""
    with Image.open(io.BytesIO(content)) as sheet:
        small = sheet.convert("RGB").quantize(_TONES)
    buffer = io.BytesIO()
    small.save(buffer, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def last_epoch(
    points: Mapping[str, npt.NDArray[np.int8]],
    labels: Sequence[int],
    colors: Mapping[str, str],
    titles: Sequence[str],
    title: str,
    goals: int = 0,
) -> go.Figure:
    """The static form: by way the points (H, N, 2) after the last epoch, a panel a block.

    The last ``goals`` of the points have a ring.
    """
    figure = make_subplots(
        len(points), len(titles), column_titles=[*titles],
        row_titles=[escaped(name) for name in points],
        horizontal_spacing=0.02, vertical_spacing=0.03,
    )  # fmt: skip
    for row, (name, found) in enumerate(points.items(), 1):
        for column, flat in enumerate(found, 1):
            figure.add_scatter(
                x=flat[:, 0], y=-flat[:, 1], mode="text", text=[str(k) for k in labels],
                textfont={"size": 11, "color": colors[name]}, hoverinfo="skip", showlegend=False,
                row=row, col=column,
            )  # fmt: skip
            if goals:
                figure.add_scatter(
                    x=flat[-goals:, 0], y=-flat[-goals:, 1], mode="markers", hoverinfo="skip",
                    showlegend=False, row=row, col=column,
                    marker={"symbol": "circle-open", "size": 18, "color": INK},
                )  # fmt: skip
    axis = {"range": [-140, 140], "showticklabels": False, "zeroline": False, "showgrid": False}
    figure.update_xaxes(**axis, showline=True, mirror=True, linecolor="#b6bec6")
    figure.update_yaxes(**axis, showline=True, mirror=True, linecolor="#b6bec6")
    dressed(figure, title, 90 + 230 * len(points))
    return figure.update_layout(margin={"l": 20, "r": 40, "b": 20, "t": 90})
