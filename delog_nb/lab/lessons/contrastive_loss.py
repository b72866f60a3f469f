"""Lesson 3's pictures: a small batch, views that move on a circle, and z of real images."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go
import torch
from PIL import Image
from plotly.subplots import make_subplots
from torch import Tensor

from delog_nb.data import ImageData
from delog_nb.experiment import Experiment
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.gantt import playable
from delog_nb.lab.charts.style import FAINT, INK, SOFT, dressed
from delog_nb.lab.runs.images import plain_views
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.measure.features import SPRITE_COLUMNS, Features, reduced
from delog_nb.measure.pairs import pair_angles

_FRAMES = 40  # of an animation
_LOOKS = (  # of classes, which have no colours: those are the methods'
    ("circle", INK), ("square-open", INK), ("diamond", SOFT), ("triangle-up-open", INK),
    ("x", SOFT), ("star-open", INK),
)  # fmt: skip


class SmallBatch(NamedTuple):
    """Two views of a few images: first one view of each, then the other.

    ``pixels`` (2n, C, H, W) from 0 to 1, ``labels`` (2n,) and ``image`` (2n,), the image's number.
    """

    pixels: Tensor
    labels: Tensor
    image: Tensor
    classes: tuple[str, ...]


def small_batch(data: ImageData, experiment: Experiment, counts: Sequence[int]) -> SmallBatch:
    """Two views of the first ``counts[c]`` training images of each class c.

    >>> from delog_nb import data, lab
    >>> run = lab.experiment()
    >>> small_batch(data.load(run), run, counts=[2, 1]).labels.tolist()
    [0, 0, 1, 0, 0, 1]
    """
    rows = torch.cat(
        [(data.train.labels == c).nonzero()[:count, 0] for c, count in enumerate(counts)]
    )
    views = plain_views(data, experiment)
    pixels = views(data.train.images[rows], views.plan(len(data.train), 0).randoms[rows])
    return SmallBatch(
        pixels.clamp(0, 1),
        data.train.labels[rows].repeat(2),
        torch.arange(len(rows)).repeat(2),
        tuple(data.classes),
    )


def followed(z: Tensor, epochs: Sequence[int], images: ImageData) -> Features:
    """z (epochs, N, D) of the first N test images, as `lab.features_in_motion` takes it.

    >>> from delog_nb import data, lab
    >>> images = data.load(lab.experiment())
    >>> followed(torch.randn(2, 30, 5), [0, 1], images).scores.shape
    (2, 1, 30, 16)
    """
    scores, shares = reduced([z])
    count = z.shape[1]
    pixels = images.test.images[:count].cpu()  # (N, C, H, W)
    blank = pixels.new_full((-count % SPRITE_COLUMNS, *pixels.shape[1:]), 255)
    rows = torch.cat([pixels, blank]).unflatten(0, (-1, SPRITE_COLUMNS)).permute(0, 3, 1, 4, 2)
    sheet = Image.fromarray(rows.flatten(2, 3).flatten(0, 1).expand(-1, -1, 3).numpy())
    sheet.save(sprite := io.BytesIO(), "PNG", optimize=True)
    labels = images.test.labels[:count].tolist()
    numbers = list(range(count))
    return Features(list(epochs), numbers, labels, scores.numpy(), shares, sprite.getvalue())


def circle(
    path: Sequence[tuple[Tensor, float]], labels: Tensor, tau: float, *, animate: bool = False
) -> Exhibit:
    """Views that move on a circle, and the loss below, at three moments or as an animation.

    The moments are the start, the step at which half of the loss's fall is done, and the end; the
    animation, with a slider, needs a front end. Ask `headless` in a cell, not in the callback of a
    widget: there no cell is running, and it always says yes.

    Args:
        path: views (N, 2) and loss before each step
        labels: (N,)
        tau: the loss's temperature; the dashed line is its value for classes that are in one place
            each, evenly spaced
        animate: whether to make the animation

    >>> z = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0]])
    >>> shown = circle([(z, 1.0), (z, 0.5)], torch.tensor([0, 0, 1, 1]), tau=0.5)
    >>> shown.table["Loss"].tolist()
    [1.0, 0.5]
    """
    losses, last = [loss for _, loss in path], len(path) - 1
    middle = next(k for k, loss in enumerate(losses) if loss <= (losses[0] + losses[-1]) / 2)
    shown = [0] if animate else [0, middle, last]
    figure = make_subplots(
        rows=2, cols=len(shown),
        specs=[[{}] * len(shown), [{"colspan": len(shown)}, *[None] * (len(shown) - 1)]],
        row_heights=[0.62, 0.38], vertical_spacing=0.08, horizontal_spacing=0.02,
        subplot_titles=[] if animate else [f"Step {k}, loss {losses[k]:.2f}" for k in shown],
    )  # fmt: skip
    for col, step in enumerate(shown, 1):
        for dots in _dots(path[step][0], labels):
            figure.add_trace(dots.update(showlegend=col == 1), row=1, col=col)
    figure.add_trace(_marks(shown, losses), row=2, col=1)
    angles = labels * (2 * math.pi / len(labels.unique()))
    even = torch.stack([angles.cos(), angles.sin()], 1)
    floor = supervised_contrastive_loss(even, labels, tau).item()
    figure.add_scatter(
        x=list(range(last + 1)), y=losses, mode="lines", name="loss",
        line={"color": INK, "width": 2.5}, hovertemplate="%{y:.3f}", row=2, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=[0, last], y=[floor, floor], mode="lines", hovertemplate="%{y:.3f}",
        name="loss of classes in one place each, evenly spaced",
        line={"color": SOFT, "width": 1.5, "dash": "dash"}, row=2, col=1,
    )  # fmt: skip
    title = f"Views on a circle while the loss falls (τ = {tau:g})"
    dressed(figure, title, 640, 160).update_layout(margin={"t": 90})
    figure.add_shape(
        type="circle", x0=-1, x1=1, y0=-1, y1=1, line={"color": FAINT, "width": 1},
        layer="below", row=1, col="all",
    )  # fmt: skip
    figure.update_xaxes(visible=False, range=[-1.25, 1.25], constrain="domain", row=1)
    figure.update_yaxes(visible=False, range=[-1.25, 1.25], row=1)
    for axis in figure.select_yaxes(row=1):
        axis.update(scaleanchor=axis.anchor, scaleratio=1, constrain="domain")
    figure.update_xaxes(title="Step", range=[-0.02 * last, 1.02 * last], row=2)
    figure.update_yaxes(title="Loss (nats)", row=2)
    if animate:
        steps = sorted({round(last * k / _FRAMES) for k in range(_FRAMES + 1)})
        frames = {str(k): [*_dots(path[k][0], labels), _marks([k], losses)] for k in steps}
        playable(figure, frames, "Step")
    table = _moments(path, labels)
    says = f"{title}. Loss: {losses[0]:.2f} at the start, {losses[-1]:.2f} after step {last}."
    return Exhibit(figure, table, says, ".2f")


def _dots(z: Tensor, labels: Tensor) -> list[go.Scatter]:
    """A trace for each class."""
    return [
        go.Scatter(
            x=z[labels == c, 0].tolist(),
            y=z[labels == c, 1].tolist(),
            mode="markers",
            name=f"class {c + 1}",
            legendgroup=str(c),
            marker={
                "color": color, "symbol": symbol, "size": 13, "line": {"width": 2, "color": color},
            },
            hovertemplate="(%{x:.2f}, %{y:.2f})",
        )
        for c, (symbol, color) in enumerate(_LOOKS[: len(labels.unique())])
    ]  # fmt: skip


def _marks(steps: Sequence[int], losses: Sequence[float]) -> go.Scatter:
    """The moments that are shown, on the curve of the loss."""
    marker = {"color": INK, "size": 12}
    return go.Scatter(
        x=list(steps), y=[losses[k] for k in steps], mode="markers", marker=marker,
        name="shown above", cliponaxis=False, hovertemplate="%{y:.3f}",
    )  # fmt: skip


def _moments(path: Sequence[tuple[Tensor, float]], labels: Tensor) -> pd.DataFrame:
    """Loss and angles at steps 0, 1, 2, 5, 10, 20, 50 ... and the last."""
    last = len(path) - 1
    steps = [a * 10**b for b in range(len(str(last))) for a in (1, 2, 5)]
    chosen = [0, *(step for step in steps if step < last), last]
    angles = [pair_angles(path[step][0], labels) for step in chosen]
    return pd.DataFrame(
        {
            "Step": chosen,
            "Loss": [path[step][1] for step in chosen],
            "Angle of positive pairs, mean (°)": [a.positive_mean for a in angles],
            "Angle of negative pairs, least (°)": [a.negative_least for a in angles],
        }
    )
