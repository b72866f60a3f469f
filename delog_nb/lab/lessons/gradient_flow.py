"""Figures about the length of gradient flows, with their tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from delog_nb.lab.charts.style import (
    COLORS,
    drawn,
    faded,
    layout,
    legend_below,
    line_style,
    method_style,
)
from delog_nb.measure.flows import FlowLength, Trace
from delog_nb.pipeline.schedule import Schedule

_WAYS = {"BP": "bp", "Components": "delog-scl"}  # whose colours they take


def scientific(value: float) -> str:
    """A number over many orders of magnitude, as a table shows it.

    >>> scientific(0.000012345), scientific(0.5), scientific(0)
    ('1.2e-05', '0.50', '0')
    """
    if value == 0:
        return "0"
    return f"{value:.2f}" if 0.01 <= abs(value) < 100 else f"{value:.1e}"


def _log_axis(values: Iterable[float]) -> dict[str, Any]:
    """A logarithmic axis with marks at powers of ten alone, about eight of them."""
    powers = [math.log10(value) for value in values if value > 0] or [0.0]
    decades = math.ceil(max(powers)) - math.floor(min(powers))
    return {"type": "log", "exponentformat": "power", "dtick": max(1, math.ceil(decades / 8))}


def product_figure(names: Sequence[str], norms: Sequence[float]) -> go.Figure:
    """The length of a product of local gradients, factor by factor from the loss."""
    figure = go.Figure()
    figure.add_scatter(
        x=list(names),
        y=list(norms),
        name="length of the product so far",
        **drawn(line_style(0), 9),
        showlegend=True,
    )
    layout(
        figure,
        "Eq. 1, multiplied out from the loss to the first layer",
        "After the factor",
        "Length (Frobenius norm)",
    )
    figure.update_yaxes(rangemode="tozero")
    return figure


def product_table(
    names: Sequence[str], shapes: Sequence[Sequence[int]], norms: Sequence[float]
) -> pd.DataFrame:
    """Each factor's shape, and the length of the product up to it."""
    return pd.DataFrame(
        {
            "Factor": names,
            "Shape": [" × ".join(map(str, shape)) for shape in shapes],
            "Length of the product so far": [scientific(norm) for norm in norms],
        }
    )


def depths_figure(factors: Mapping[str, Mapping[int, float]]) -> go.Figure:
    """By what factor gradients grow or shrink on their way down, by depth: a line per setting."""
    figure = go.Figure()
    for place, (name, by_depth) in enumerate(factors.items()):
        figure.add_scatter(
            x=list(by_depth),
            y=list(by_depth.values()),
            name=name,
            **drawn(line_style(place), 9),
            hovertemplate="× %{y:.1e}",
        )
    depths = sorted({depth for by_depth in factors.values() for depth in by_depth})
    layout(
        figure,
        "What is left of the gradient on its way from the last block to the first",
        "Depth H (blocks)",
        "‖∂L/∂r<sub>1</sub>‖ / ‖∂L/∂r<sub>H</sub>‖ (log scale)",
        height=480,
    )
    figure.update_xaxes(tickvals=depths)
    figure.update_yaxes(_log_axis(v for by_depth in factors.values() for v in by_depth.values()))
    figure.add_hline(y=1, line={"color": "#57606a", "width": 1})
    return figure


def depths_table(factors: Mapping[str, Mapping[int, float]]) -> pd.DataFrame:
    """The numbers of `depths_figure`: a row per setting, a column per depth."""
    frame = pd.DataFrame(
        {
            name: {f"H = {depth}": f"× {value:.1e}" for depth, value in by_depth.items()}
            for name, by_depth in factors.items()
        }
    ).T
    frame.index.name = "Blocks"
    return frame


def _looked_at(steps: int) -> tuple[int, int, int]:
    """The steps whose gradients are shown: the first, an early one, the last."""
    return 1, max(1, steps // 4), steps


def gradients_figure(seen: Mapping[str, Trace]) -> go.Figure:
    """Length of each layer's gradient at three steps of training, and the output's loss.

    ``seen`` has a trace for ``BP`` and one for ``Components``.
    """
    figure = make_subplots(
        rows=1,
        cols=2,
        column_widths=[0.6, 0.4],
        horizontal_spacing=0.12,
        subplot_titles=["Length of each layer's gradient", "Cross-entropy of the output"],
    )
    for way, found in seen.items():
        style = method_style(_WAYS[way])
        steps = len(found.norms)
        for step, (dash, kind) in zip(
            _looked_at(steps), (("dot", "-open"), ("dash", "-open-dot"), ("solid", "")), strict=True
        ):
            norms = found.norms[step - 1]
            figure.add_scatter(
                x=list(range(1, len(norms) + 1)),
                y=[norm or None for norm in norms],  # a logarithm has no place for 0
                name=f"{way}, step {step}",
                **drawn(style | {"dash": dash, "symbol": style["symbol"] + kind}),
                hovertemplate="%{y:.1e}",
                row=1,
                col=1,
            )
        figure.add_scatter(
            x=list(range(1, steps + 1)),
            y=found.losses,
            name=f"{way}: loss",
            line={"color": style["color"], "dash": style["dash"], "width": 2.5},
            hovertemplate="%{y:.2f} nat",
            row=1,
            col=2,
        )
    layout(figure, "One long gradient flow and many short ones", "", "", height=500)
    figure.update_xaxes(title_text="Layer ℓ (the last is the classifier)", row=1, col=1)
    figure.update_yaxes(title_text="‖∂L/∂θ<sub>ℓ</sub>‖ (log scale)", row=1, col=1)
    norms = [norm for found in seen.values() for step in found.norms for norm in step]
    figure.update_yaxes(_log_axis(norms), row=1, col=1)
    figure.update_xaxes(title_text="Step", row=1, col=2)
    figure.update_yaxes(title_text="Loss (nat)", row=1, col=2)
    legend_below(figure, b=110, t=90)
    return figure


def gradients_table(seen: Mapping[str, Trace]) -> pd.DataFrame:
    """The numbers of `gradients_figure`; the loss stands in the last row."""
    columns: dict[str, list[str]] = {}
    layers = len(next(iter(seen.values())).norms[0])
    for way, found in seen.items():
        for step in _looked_at(len(found.norms)):
            columns[f"{way}, step {step}"] = [
                *(scientific(norm) for norm in found.norms[step - 1]),
                f"{found.losses[step - 1]:.2f}",
            ]
    names = [f"‖∂L/∂θ‖ of layer {layer}" for layer in range(1, layers + 1)]
    return pd.DataFrame({"": [*names, "loss of the output (nat)"], **columns})


def spread_figure(spreads: Mapping[str, Sequence[float]]) -> go.Figure:
    """How much features differ between images, by layer: a line per setting."""
    figure = go.Figure()
    for place, (name, values) in enumerate(spreads.items()):
        figure.add_scatter(
            x=list(range(1, len(values) + 1)),
            y=list(values),
            name=name,
            **drawn(line_style(place), 8),
            hovertemplate="%{y:.1e}",
        )
    layout(
        figure,
        "How much the features of different images differ",
        "Block ℓ",
        "Share of r<sub>ℓ</sub> (log scale)",
    )
    figure.update_yaxes(_log_axis(value for values in spreads.values() for value in values))
    return figure


def spread_table(spreads: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """The numbers of `spread_figure`."""
    frame = pd.DataFrame({name: list(map(scientific, row)) for name, row in spreads.items()})
    frame.insert(0, "Block", range(1, len(frame) + 1))
    return frame


def timeline_figure(timelines: Mapping[str, Schedule]) -> go.Figure:
    """What each layer's machine does when: a panel per way of training, a colour per batch."""
    figure = make_subplots(
        rows=len(timelines),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.14,
        subplot_titles=list(timelines),
    )
    named = set()
    for row, schedule in enumerate(timelines.values(), 1):
        for slot in schedule.tasks:
            backward = slot.kind == "backward"
            kind = "forward and backward" if slot.kind == "task" else slot.kind
            name = f"batch {slot.batch + 1}, {kind}"
            color = COLORS[slot.batch % len(COLORS)]
            figure.add_bar(
                x=[slot.end - slot.start],
                y=[f"f<sub>{slot.stage + 1}</sub>"],
                base=[slot.start],
                orientation="h",
                name=name,
                legendgroup=name,
                legendrank=10 * slot.batch + backward,
                showlegend=name not in named,
                marker={
                    "color": color if not backward else faded(color, 0.35),
                    "line": {"color": color, "width": 1.5},
                    "pattern": {"shape": "/" if backward else "", "fgcolor": color},
                },
                hovertemplate=f"{name}: {slot.start:g} to {slot.end:g}<extra></extra>",
                row=row,
                col=1,
            )
            named.add(name)
    layers = max(schedule.stages for schedule in timelines.values())
    layout(
        figure,
        "Who works when: every layer on a machine of its own",
        "",
        "",
        height=240 + 2 * max(120, 34 * layers),
    )
    figure.update_layout(barmode="overlay", hovermode="closest", bargap=0.15)
    figure.update_xaxes(title_text="Time (forward passes of one layer)", row=len(timelines), col=1)
    figure.update_yaxes(title_text="Layer")
    legend_below(figure, 0.16, b=110, t=90)
    return figure


def timeline_table(timelines: Mapping[str, Schedule]) -> pd.DataFrame:
    """Waiting for the gradient of batch 1 by layer, when the last batch is done, share at work."""
    columns: dict[str, list[str]] = {}
    rows: list[str] = []
    for name, schedule in timelines.items():
        rows = [
            f"layer {layer + 1} waits for its gradient (units)" for layer in range(schedule.stages)
        ]
        columns[name] = [
            *(f"{_wait(schedule, layer):g}" for layer in range(schedule.stages)),
            f"{schedule.makespan:g}",
            f"{100 * (1 - schedule.bubble):.0f}",
        ]
    return pd.DataFrame(
        {"": [*rows, "all batches done (units)", "machines at work (%)"], **columns}
    )


def _wait(schedule: Schedule, layer: int) -> float:
    """Time between a layer's forward pass on the first batch and its backward pass on it."""
    own = {task.kind: task for task in schedule.tasks if (task.stage, task.batch) == (layer, 0)}
    return own["backward"].start - own["forward"].end if "backward" in own else 0.0


def _owners(method_lengths: Sequence[int]) -> list[int]:
    """The number of each layer's component, from how many layers each component owns."""
    return [number for number, count in enumerate(method_lengths, 1) for _ in range(count)]


def cut_figure(
    sizes: Sequence[int], lengths: Sequence[FlowLength], norms: Sequence[float]
) -> go.Figure:
    """Each layer's gradient in a network that is cut, a colour and a label per component.

    Args:
        sizes: layers that each component owns
        lengths: of each component's flow
        norms: lengths of the layers' gradients
    """
    figure = go.Figure()
    first = 1
    for number, (size, length) in enumerate(zip(sizes, lengths, strict=True)):
        figure.add_vrect(
            x0=first - 0.5,
            x1=first + size - 0.5,
            fillcolor=line_style(number)["color"],
            opacity=0.08,
            line_width=0,
        )
        figure.add_scatter(
            x=list(range(first, first + size)),
            y=list(norms[first - 1 : first - 1 + size]),
            name=f"component {number + 1}: {length.local_gradients} local gradients",
            **drawn(line_style(number), 10),
            hovertemplate="%{y:.1e}",
            showlegend=True,
        )
        first += size
    layout(
        figure,
        f"{len(sizes)} gradient flow{'s' if len(sizes) > 1 else ''} in the same network",
        "Layer ℓ (the last is the classifier)",
        "‖∂L/∂θ<sub>ℓ</sub>‖ (log scale)",
        height=460,
    )
    figure.update_xaxes(dtick=1, range=[0.5, first - 0.5])
    figure.update_yaxes(_log_axis([1e-7, 10]), range=[-7, 1])  # the same for every cut
    return figure


def cut_table(
    sizes: Sequence[int], lengths: Sequence[FlowLength], norms: Sequence[float]
) -> pd.DataFrame:
    """The numbers of `cut_figure`: a row per layer."""
    owners = _owners(sizes)
    return pd.DataFrame(
        {
            "Layer": range(1, len(norms) + 1),
            "Component": owners,
            "Its flow (local gradients)": [lengths[o - 1].local_gradients for o in owners],
            "Its flow (nodes of autograd's graph)": [lengths[o - 1].nodes for o in owners],
            "‖∂L/∂θ‖ at the first step": [scientific(norm) for norm in norms],
        }
    )


def memory_figure(peaks: Mapping[int, int], longest: Mapping[int, int]) -> go.Figure:
    """Peak memory of a step and the longest gradient flow, by number of components."""
    figure = make_subplots(
        rows=1,
        cols=2,
        horizontal_spacing=0.12,
        subplot_titles=["Peak memory of a training step", "Longest gradient flow"],
    )
    megabytes = {count: peak / 1e6 for count, peak in peaks.items()}
    panels: dict[str, Mapping[int, float]] = {
        "peak memory": megabytes,
        "longest gradient flow": longest,
    }
    for place, (name, values) in enumerate(panels.items()):
        figure.add_scatter(
            x=list(values),
            y=list(values.values()),
            name=name,
            **drawn(line_style(place), 8),
            row=1,
            col=place + 1,
        )
    layout(figure, "The same network, cut into K components", "", "")
    figure.update_layout(margin={"t": 90})
    figure.update_xaxes(title_text="Components K (1 is BP)", dtick=2, tick0=1)
    figure.update_yaxes(title_text="Memory (MB)", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="Local gradients", rangemode="tozero", row=1, col=2)
    legend_below(figure, b=110, t=90)
    return figure


def memory_table(peaks: Mapping[int, int], longest: Mapping[int, int]) -> pd.DataFrame:
    """The numbers of `memory_figure`."""
    return pd.DataFrame(
        {
            "Components K": list(peaks),
            "Longest gradient flow (local gradients)": [longest[count] for count in peaks],
            "Peak memory of a step (MB)": [f"{peak / 1e6:.2f}" for peak in peaks.values()],
            "Compared with BP (%)": [f"{100 * peak / peaks[1]:.0f}" for peak in peaks.values()],
        }
    )


def depth_memory_table(peaks: Mapping[int, Mapping[str, int]]) -> pd.DataFrame:
    """Peak memory in MB: a row per depth, a column per way to train."""
    ways = list(next(iter(peaks.values())))
    return pd.DataFrame(
        {
            "Blocks H": list(peaks),
            **{
                f"{way}: peak memory (MB)": [f"{found[way] / 1e6:.1f}" for found in peaks.values()]
                for way in ways
            },
        }
    )
