"""Pictures of the contrastive losses: pairs of a batch, views on a circle, what tau does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go
import torch
import torch.nn.functional as F
from PIL import Image
from plotly.subplots import make_subplots
from torch import Tensor

from delog_nb.data import ImageData
from delog_nb.experiment import Experiment
from delog_nb.lab.charts.style import COLORS, DASHES, SYMBOLS, layout
from delog_nb.lab.lessons.images import plain_views
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.measure.pairs import loss_costs, pair_angles

Path = Sequence[tuple[Tensor, float]]  # (views z (N, 2), loss) before each step

_SELF, _NEGATIVE, _POSITIVE = "#d0d7de", "#F6D9C4", COLORS[0]  # cells of the matrix of pairs
_FRAMES = 40  # of an animation


class SmallBatch(NamedTuple):
    """Two views of a few images: first one view of each, then the other.

    ``pixels`` (2n, C, H, W) from 0 to 1, ``labels`` (2n,) and ``image`` (2n,), the image's number.
    """

    pixels: Tensor
    labels: Tensor
    image: Tensor
    classes: tuple[str, ...]


def small_batch(data: ImageData, experiment: Experiment, counts: Sequence[int]) -> SmallBatch:
    """Two views of the first ``counts[c]`` training images of each class c."""
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


def pairs_figure(batch: SmallBatch, positives: Mapping[str, Tensor]) -> go.Figure:
    """A matrix of all pairs for each entry of ``positives``, (N, N) booleans by name.

    Rows are anchors. A blue cell with + is a positive, a light one with − a negative.
    """
    count = len(batch.pixels)
    figure = make_subplots(
        rows=1, cols=len(positives), subplot_titles=list(positives), horizontal_spacing=0.1
    )
    for panel, positive in enumerate(positives.values(), 1):
        kind = positive.int() + 1
        kind.fill_diagonal_(0)
        figure.add_heatmap(
            z=kind.tolist(),
            zmin=0,
            zmax=2,
            colorscale=[
                [0, _SELF], [1 / 3, _SELF], [1 / 3, _NEGATIVE],
                [2 / 3, _NEGATIVE], [2 / 3, _POSITIVE], [1, _POSITIVE],
            ],
            text=[["·−+"[k] for k in row] for row in kind.tolist()],
            texttemplate="%{text}",
            textfont={"size": 15},
            showscale=False,
            xgap=1,
            ygap=1,
            hovertemplate="anchor %{y}, other view %{x}: %{text}<extra></extra>",
            row=1,
            col=panel,
        )  # fmt: skip
        for place, pixels in enumerate(batch.pixels):
            shared = {
                "source": _thumbnail(pixels), "xanchor": "center", "yanchor": "middle",
                "sizex": 0.94, "sizey": 0.94, "row": 1, "col": panel,
            }  # fmt: skip
            figure.add_layout_image(x=place, y=-1.1, **shared)
            figure.add_layout_image(x=-1.1, y=place, **shared)
    for name, color, symbol in (
        ("positive (+)", _POSITIVE, "square"),
        ("negative (−)", _NEGATIVE, "square"),
        ("the view itself (·): no pair", _SELF, "square"),
    ):
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=name,
            marker={"color": color, "symbol": symbol, "size": 14},
        )  # fmt: skip
    layout(figure, "Who is positive? All pairs of a small batch; each row is an anchor", "", "")
    figure.update_layout(
        height=590, hovermode="closest", margin={"l": 20, "r": 20, "t": 100, "b": 50},
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": -0.02},
    )  # fmt: skip
    axes = {
        "showticklabels": False, "showgrid": False, "zeroline": False, "constrain": "domain",
    }  # fmt: skip
    figure.update_xaxes(range=[-1.7, count - 0.4], **axes)
    figure.update_yaxes(range=[count - 0.4, -1.7], **axes)
    for axis in figure.select_yaxes():
        axis.update(scaleanchor=axis.anchor, scaleratio=1)
    return figure


def _thumbnail(pixels: Tensor) -> Image.Image:
    """(C, H, W) from 0 to 1 as a picture of 48 pixels, dots kept sharp."""
    values = (255 * pixels).round().byte().expand(3, -1, -1).permute(1, 2, 0)
    return Image.fromarray(values.contiguous().numpy()).resize((48, 48), Image.Resampling.NEAREST)


def pairs_table(batch: SmallBatch, positives: Mapping[str, Tensor]) -> pd.DataFrame:
    """The numbers of `pairs_figure`: positives and negatives of each image's views."""
    count = len(batch.pixels)
    images = count // 2
    table: dict[str, Sequence[Any]] = {
        "Image": range(1, images + 1),
        "Class": [batch.classes[label] for label in batch.labels[:images].tolist()],
    }
    for name, positive in positives.items():
        found = positive.sum(1)[:images]
        table[f"{name}: positives of a view"] = found.tolist()
        table[f"{name}: negatives"] = (count - 1 - found).tolist()
    return pd.DataFrame(table)


def circle_figure(path: Path, labels: Tensor, tau: float, *, animate: bool = False) -> go.Figure:
    """Views that move on a circle, and the loss, at three moments or as an animation.

    The moments are the start, the step at which half of the loss's fall is done, and the end; the
    animation, with a slider, needs a front end. Ask `headless` in a cell, not in the callback of a
    widget: there no cell is running, and it always says yes.
    """
    title = f"Views on a circle while the loss falls (τ = {tau:g})"
    even = _evenly_spaced(labels)
    floor = supervised_contrastive_loss(even, labels, tau).item()
    return (_animation if animate else _moments)(path, labels, floor, title)


def circle_table(path: Path, labels: Tensor) -> pd.DataFrame:
    """The numbers of `circle_figure` at steps 0, 1, 2, 5, 10, 20, 50 ... and the last."""
    last = len(path) - 1
    steps = [a * 10**b for b in range(len(str(last))) for a in (1, 2, 5)]
    chosen = [0, *(step for step in steps if step < last), last]
    angles = [pair_angles(path[step][0], labels) for step in chosen]
    return pd.DataFrame(
        {
            "Step": chosen,
            "Loss": [f"{path[step][1]:.3f}" for step in chosen],
            "Angle of positive pairs, mean (°)": [f"{a.positive_mean:.1f}" for a in angles],
            "Angle of negative pairs, least (°)": [f"{a.negative_least:.1f}" for a in angles],
        }
    )


def ends_figure(paths: Mapping[float, Path], labels: Tensor) -> go.Figure:
    """The last views of several paths on circles side by side, by tau."""
    figure = make_subplots(
        rows=1,
        cols=len(paths),
        subplot_titles=[f"τ = {tau:g}" for tau in paths],
        horizontal_spacing=0.02,
    )
    for panel, path in enumerate(paths.values(), 1):
        _circle(figure, path[-1][0], labels, 1, panel, legend=panel == 1)
    layout(figure, "Where the same start ends, by temperature τ", "", "", height=350)
    figure.update_layout(hovermode="closest", margin={"l": 10, "r": 10, "t": 100, "b": 40})
    figure.update_layout(legend=_BELOW)
    _square(figure, 1)
    return figure


def ends_table(paths: Mapping[float, Path], labels: Tensor) -> pd.DataFrame:
    """The numbers of `ends_figure`: loss and angles after the last step, by tau."""
    angles = [pair_angles(path[-1][0], labels) for path in paths.values()]
    return pd.DataFrame(
        {
            "τ": [f"{tau:g}" for tau in paths],
            "Loss at the start": [f"{path[0][1]:.3f}" for path in paths.values()],
            "Loss at the end": [f"{path[-1][1]:.3f}" for path in paths.values()],
            "Angle of positive pairs, mean (°)": [f"{a.positive_mean:.1f}" for a in angles],
            "Angle of negative pairs, least (°)": [f"{a.negative_least:.1f}" for a in angles],
        }
    )


def tau_figure(
    x: Tensor, curves: Mapping[float, Tensor], title: str, x_name: str, y_name: str
) -> go.Figure:
    """A line over ``x`` for each tau."""
    figure = go.Figure()
    for place, (tau, values) in enumerate(curves.items()):
        figure.add_scatter(
            x=x.tolist(),
            y=values.tolist(),
            mode="lines",
            name=f"τ = {tau:g}",
            line={"color": COLORS[place], "dash": DASHES[place], "width": 2.5},
            hovertemplate="%{y:.3g}",
        )
    return layout(figure, title, x_name, y_name)


def tau_table(x: Tensor, curves: Mapping[float, Tensor], x_name: str, at: int = 9) -> pd.DataFrame:
    """The numbers of `tau_figure` at ``at`` evenly spaced values of ``x``."""
    rows = torch.linspace(0, len(x) - 1, at).round().long()
    table = {
        x_name: [
            f"{value + 0.0:.2f}".replace("-", "−")
            for value in (x[rows] * 1e6).round().div(1e6).tolist()
        ]
    }
    for tau, values in curves.items():
        table[f"τ = {tau:g}"] = [f"{value:.3f}" for value in values[rows].tolist()]
    return pd.DataFrame(table)


Loss = Callable[..., Tensor]  # of (z, labels, tau)


def agreement_table(
    ways: Mapping[str, Loss], z: Tensor, labels: Tensor, tau: float
) -> pd.DataFrame:
    """The loss of each way to compute it, and how far its gradient is from that of the first way.

    ``z`` (N, D) is divided by its length before; gradients are by z as it was.
    """
    leaf = z.detach().clone().requires_grad_()
    losses = [way(F.normalize(leaf, dim=1), labels, tau) for way in ways.values()]
    gradients = [torch.autograd.grad(loss, leaf)[0] for loss in losses]
    largest = gradients[0].abs().max()
    return pd.DataFrame(
        {
            "Way": list(ways),
            "Loss": [f"{loss.item():.12f}" for loss in losses],
            "Largest entry of the gradient": [f"{g.abs().max():.4f}" for g in gradients],
            "Largest difference from the first (share of that)": [
                f"{(g - gradients[0]).abs().max() / largest:.0e}" for g in gradients
            ],
        }
    )


def price_table(
    ways: Mapping[str, Loss], sizes: Sequence[int], largest: Mapping[str, int]
) -> pd.DataFrame:
    """What a loss and its gradient cost, for random views of 128 dimensions in ten classes.

    Args:
        ways: losses by name
        sizes: numbers of views
        largest: of slow ways, the largest size to measure
    """
    costs = loss_costs(ways, sizes, largest)
    table: dict[str, list[Any]] = {"Way": list(ways)}
    for size in sizes:
        found = [costs[name].get(size) for name in ways]
        table[f"N = {size}: time (ms)"] = [f"{1000 * c.seconds:.2f}" if c else "–" for c in found]
        table[f"N = {size}: peak memory (MB)"] = [
            f"{c.peak_bytes / 1e6:.2f}" if c else "–" for c in found
        ]
    return pd.DataFrame(table)


_BELOW = {"orientation": "h", "x": 0.5, "xanchor": "center", "y": -0.02, "yanchor": "top"}


def _evenly_spaced(labels: Tensor) -> Tensor:
    """Each class in one place of the circle, the places evenly spaced: (N, 2)."""
    angles = labels * (2 * math.pi / len(labels.unique()))
    return torch.stack([angles.cos(), angles.sin()], 1)


def _circle(
    figure: go.Figure, z: Tensor, labels: Tensor, row: int, col: int, *, legend: bool
) -> None:
    """The unit circle and the views on it, a trace for each class."""
    turn = torch.linspace(0, 2 * math.pi, 181)
    figure.add_scatter(
        x=turn.cos().tolist(), y=turn.sin().tolist(), mode="lines", hoverinfo="skip",
        line={"color": "#8b949e", "width": 1}, showlegend=False, row=row, col=col,
    )  # fmt: skip
    for trace in _classes(z, labels):
        figure.add_trace(trace.update(showlegend=legend), row=row, col=col)


def _classes(z: Tensor, labels: Tensor) -> list[go.Scatter]:
    return [
        go.Scatter(
            x=z[labels == c, 0].tolist(),
            y=z[labels == c, 1].tolist(),
            mode="markers",
            name=f"class {c + 1}",
            legendgroup=str(c),
            marker={
                "color": COLORS[c], "symbol": SYMBOLS[c], "size": 13, "opacity": 0.75,
                "line": {"color": "white", "width": 1},
            },
            hovertemplate="(%{x:.2f}, %{y:.2f})",
        )
        for c in labels.unique().tolist()
    ]  # fmt: skip


def _square(figure: go.Figure, row: int) -> None:
    """No axes round the circles, and no ellipses of them."""
    figure.update_xaxes(visible=False, range=[-1.25, 1.25], row=row)
    figure.update_yaxes(visible=False, range=[-1.25, 1.25], row=row)
    for axis in figure.select_yaxes(row=row):
        axis.update(scaleanchor=axis.anchor, scaleratio=1)


def _loss_curve(
    figure: go.Figure, losses: Sequence[float], floor: float, row: int, col: int
) -> None:
    steps = list(range(len(losses)))
    figure.add_scatter(
        x=steps, y=list(losses), mode="lines", name="loss", hovertemplate="%{y:.3f}",
        line={"color": "#24292f", "width": 2.5}, row=row, col=col,
    )  # fmt: skip
    figure.add_scatter(
        x=[steps[0], steps[-1]], y=[floor, floor], mode="lines", hovertemplate="%{y:.3f}",
        name="loss of classes in one place each, evenly spaced",
        line={"color": "#57606a", "width": 1.5, "dash": "dash"}, row=row, col=col,
    )  # fmt: skip
    figure.update_xaxes(title="Step", row=row, col=col)
    figure.update_yaxes(title="Loss (nats)", row=row, col=col)


def _moments(path: Path, labels: Tensor, floor: float, title: str) -> go.Figure:
    losses = [loss for _, loss in path]
    half = (losses[0] + losses[-1]) / 2
    middle = next(step for step, loss in enumerate(losses) if loss <= half)
    chosen = {"Start": 0, "Half of the fall": middle, "End": len(path) - 1}
    figure = make_subplots(
        rows=2, cols=3, specs=[[{}, {}, {}], [{"colspan": 3}, None, None]],
        row_heights=[0.6, 0.4], vertical_spacing=0.08, horizontal_spacing=0.02,
        subplot_titles=[
            f"{name}: step {step}, loss {losses[step]:.2f}" for name, step in chosen.items()
        ],
    )  # fmt: skip
    for col, step in enumerate(chosen.values(), 1):
        _circle(figure, path[step][0], labels, 1, col, legend=col == 1)
    _loss_curve(figure, losses, floor, 2, 1)
    layout(figure, title, "", "", height=640)
    figure.update_layout(hovermode="closest", margin={"t": 90, "b": 90})
    figure.update_layout(legend=_BELOW | {"y": -0.12})
    _square(figure, 1)
    figure.update_xaxes(title="Step", row=2)
    figure.update_yaxes(title="Loss (nats)", row=2)
    return figure


def _animation(path: Path, labels: Tensor, floor: float, title: str) -> go.Figure:
    losses = [loss for _, loss in path]
    last = len(path) - 1
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.1)
    _circle(figure, path[0][0], labels, 1, 1, legend=True)
    first_view = 1  # trace 0 is the circle
    moving = list(range(first_view, len(figure.data)))
    _loss_curve(figure, losses, floor, 1, 2)
    figure.add_scatter(
        x=[0], y=[losses[0]], mode="markers", name="now", cliponaxis=False,
        marker={"color": COLORS[1], "size": 12, "symbol": "circle"}, row=1, col=2,
    )  # fmt: skip
    moving.append(len(figure.data) - 1)
    steps = sorted({round(last * k / _FRAMES) for k in range(_FRAMES + 1)})
    figure.frames = [
        go.Frame(
            name=str(step),
            data=[*_classes(path[step][0], labels), go.Scatter(x=[step], y=[losses[step]])],
            traces=moving,
        )
        for step in steps
    ]
    layout(figure, title, "", "", height=620)
    now = {"mode": "immediate", "frame": {"duration": 0}, "transition": {"duration": 0}}
    play = {
        "fromcurrent": True, "frame": {"duration": 120}, "transition": {"duration": 0},
    }  # fmt: skip
    figure.update_layout(
        hovermode="closest",
        margin={"t": 120, "b": 160},
        legend=_BELOW | {"y": 1.06, "yanchor": "bottom"},
        updatemenus=[
            {
                "type": "buttons", "direction": "left", "showactive": False,
                "x": 0, "y": -0.16, "xanchor": "left", "yanchor": "top",
                "buttons": [
                    {"label": "Play", "method": "animate", "args": [None, play]},
                    {"label": "Pause", "method": "animate", "args": [[None], now]},
                ],
            }
        ],
        sliders=[
            {
                "x": 0.16, "len": 0.84, "y": -0.12, "yanchor": "top",
                "currentvalue": {"prefix": "Step "},
                "steps": [
                    {"label": str(step), "method": "animate", "args": [[str(step)], now]}
                    for step in steps
                ],
            }
        ],
    )  # fmt: skip
    figure.update_xaxes(title="Step", row=1, col=2)
    figure.update_yaxes(title="Loss (nats)", row=1, col=2)
    figure.update_xaxes(visible=False, range=[-1.25, 1.25], row=1, col=1)
    figure.update_yaxes(visible=False, range=[-1.25, 1.25], scaleanchor="x", row=1, col=1)
    return figure
