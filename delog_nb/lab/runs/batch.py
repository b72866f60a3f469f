"""A batch of views to play with: which ones an anchor is pulled to, and pushed from."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from delog_nb.lab.charts.exhibit import Exhibit, sentence
from delog_nb.lab.charts.pictures import STEP, pictures
from delog_nb.lab.charts.played import Played
from delog_nb.lab.charts.style import INK
from delog_nb.measure.pairs import contrast_weights

_TONES = 64  # of the views
MOST = 64  # views: a person looks at each


def batch(
    views: Tensor,
    z: Tensor,
    labels: Tensor,
    title: str,
    *,
    tau: float = 0.1,
    classes: Sequence[str] = (),
    says: str = "",
) -> Exhibit:
    """Views as pictures; of an anchor that one chooses, the weight of each other one in Eq. 2.

    The table has those of the first view.

    Args:
        views: (2B, C, H, W), C = 1 or 3, first view 1 of all images, then view 2 of all; drawn from
            their lowest value to their highest
        z: (2B, D), their projections
        labels: (2B,)
        title: of the figure
        tau: temperature at first, from .01 to 1
        classes: their names; default: their numbers
        says: the text alternative; default: the strongest pull and push

    Raises:
        ValueError: shapes are not as above, there are more than 64 views, or tau is out of range.

    >>> z = torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 1]])
    >>> shown = batch(torch.rand(4, 1, 8, 8), z, torch.tensor([0, 1, 0, 1]), "Two", tau=1)
    >>> shown.table["Pull (-) or push (+)"].round(2).tolist()
    [0.25, -0.5, 0.25]
    """
    count = len(views)
    if count % 2 or not 2 <= count <= MOST or len(z) != count or labels.shape != (count,):
        raise ValueError(
            f"a batch to look at is two views each of at most {MOST // 2} images, with a z and a "
            f"label for each view: got {count} views, {len(z)} z and {len(labels)} labels"
        )
    if not 0.01 <= tau <= 1:
        raise ValueError(f"tau is from 0.01 to 1 here: got {tau}")
    names = list(classes) or [str(k) for k in range(int(labels.max()) + 1)]
    pixels = _pixels(views)
    unit = F.normalize(z.detach().double(), dim=1)
    above = torch.triu_indices(count, count, 1)
    data = {
        "title": title,
        "classes": names,
        "labels": labels.tolist(),
        "columns": count // 2,
        "side": [views.shape[3], views.shape[2]],
        "sprite": _sprite(pixels),
        # row by row, j above i
        "cosines": (unit @ unit.T)[above[0], above[1]].mul(1e4).round().div(1e4).tolist(),
        "tau": tau,
    }
    weights = contrast_weights(z, labels, 0, tau)
    table = _table(weights, unit @ unit[0], labels, names)
    strongest = [table.iloc[k] for k in (table[_WEIGHT].argmin(), table[_WEIGHT].argmax())]
    told = [f"{word} {row['View']} ({row[_WEIGHT]:+.3f})" for word, row in
            zip(("most pulled to", "most pushed from"), strongest, strict=True)]  # fmt: skip
    default = sentence(title, f"Anchor: view 1 of image 1, at tau = {tau} {' and '.join(told)}")
    figure = _still(pixels, weights, title)
    return Played(figure, table, says or default, ".3f", "batch", data)


_WEIGHT = "Pull (-) or push (+)"


def _name(place: int, images: int) -> str:
    return f"view {place // images + 1} of image {place % images + 1}"


def _table(weights: Tensor, cosines: Tensor, labels: Tensor, names: Sequence[str]) -> pd.DataFrame:
    others = range(1, len(weights))
    return pd.DataFrame(
        {
            "View": [_name(j, len(weights) // 2) for j in others],
            "Class": [names[int(labels[j])] for j in others],
            "Positive": [bool(labels[j] == labels[0]) for j in others],
            "Cosine with the anchor": cosines[1:].tolist(),
            _WEIGHT: weights[1:].tolist(),
        }
    )


def _pixels(views: Tensor) -> Tensor:
    low, high = views.min(), views.max()
    return ((views.detach() - low) / (high - low).clamp_min(1e-12) * 255).round().byte().cpu()


def _sprite(pixels: Tensor) -> str:
    """An address that holds two rows of images, in few tones."""
    rows = torch.cat([torch.cat(list(half), 2) for half in pixels.chunk(2)], 1)  # (C, 2 H, B W)
    sheet = Image.fromarray(rows.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())
    buffer = io.BytesIO()
    sheet.quantize(_TONES).save(buffer, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _still(pixels: Tensor, weights: Tensor, title: str) -> go.Figure:
    """The views, each with its weight in the gradient of the first one's loss."""
    images = len(weights) // 2
    rows = {f"view {n}": half for n, half in enumerate(pixels.chunk(2), 1)}
    figure = pictures(rows, title).figure
    figure.update_layout(height=figure.layout.height + 30, margin={"b": 40})
    figure.add_annotation(
        x=0, y=0, xref="x", yref="paper", xanchor="left", yanchor="top", yshift=-8,
        text="weight of each view: − pulled to, + pushed from", showarrow=False,
    )  # fmt: skip
    for place, weight in enumerate(weights.tolist()):
        row, column = divmod(place, images)
        figure.add_annotation(
            x=(column + 0.5) * STEP, y=(row + 1) * STEP - 12, showarrow=False, bgcolor="white",
            text=f"{weight:+.3f}" if place else "anchor", font={"size": 11, "color": INK},
        )  # fmt: skip
    return figure
