"""Rows of images as one picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from PIL import Image
from torch import Tensor

from delog_nb.lab.charts.exhibit import Exhibit, escaped, sentence
from delog_nb.lab.charts.style import dressed

_CELL, _GAP = 72, 6  # pixels on the screen: an image's side, the space around it
STEP = _CELL + _GAP  # from image to image


def pictures(
    rows: Mapping[str, Tensor],
    title: str,
    *,
    table: pd.DataFrame | None = None,
    says: str = "",
) -> Exhibit:
    """A row of images for each entry of ``rows``.

    Args:
        rows: by label, uint8 (n, C, H, W), C = 1 or 3
        title: of the figure
        table: what is known about the images; default: how many each row has
        says: the text alternative; default: the rows' labels

    >>> import torch
    >>> pictures({"zeros": torch.zeros(2, 1, 8, 8).byte()}, "Digits").says
    'Digits. Rows of images: zeros (2).'
    """
    count = max(map(len, rows.values()), default=0)
    canvas = np.zeros((len(rows) * STEP, count * STEP, 4), np.uint8)  # RGBA: gaps are clear
    for i, images in enumerate(rows.values()):
        for j, image in enumerate(images):
            pixels = image.permute(1, 2, 0).expand(-1, -1, 3).cpu().contiguous().numpy()
            scaled = Image.fromarray(pixels).resize((_CELL, _CELL), Image.Resampling.NEAREST)
            y, x = i * STEP + _GAP // 2, j * STEP + _GAP // 2
            canvas[y : y + _CELL, x : x + _CELL] = np.asarray(scaled.convert("RGBA"))
    buffer = io.BytesIO()
    Image.fromarray(canvas).save(buffer, "png", optimize=True)
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    figure = go.Figure(go.Image(source=source, hoverinfo="skip"))
    dressed(figure, title, len(rows) * STEP + 70)
    left = 20 + 9 * max(map(len, rows), default=0)
    figure.update_layout(margin={"l": left, "r": 20, "b": 10})
    figure.update_xaxes(visible=False, constrain="domain", constraintoward="left")
    figure.update_yaxes(
        constrain="domain",
        constraintoward="top",
        tickvals=[(i + 0.5) * STEP for i in range(len(rows))],
        ticktext=[escaped(label) for label in rows],
        showgrid=False,
        zeroline=False,
    )
    counts = {label: len(images) for label, images in rows.items()}
    if table is None:
        table = pd.DataFrame({"Row": list(counts), "Images": list(counts.values())})
    told = ", ".join(f"{label} ({n})" for label, n in counts.items())
    return Exhibit(figure, table, says or sentence(title, f"Rows of images: {told}"))
