"""Figures about what methods cost, with their tables."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from delog_nb.experiment.registry import METHODS
from delog_nb.lab.charts.style import COLORS, drawn, layout, legend_below, line_style, method_style
from delog_nb.measure.cost import Bill
from delog_nb.measure.trial import PARTS, Timing

Stack = Mapping[str, Mapping[str, float]]  # bar: part: value
_PATTERNS = ("", "/", ".", "x", "-", "\\", "+", "|")
_NO = "–"


def _style(label: str) -> dict[str, str]:
    """A method's own style by its label; of a variant of it, the colour with another dash."""
    for name, entry in METHODS.items():
        if label == entry.label:
            return method_style(name)
        if label.startswith(f"{entry.label},"):
            return method_style(name) | {"dash": "dot", "symbol": "circle-open"}
    return line_style(5)


def stacked_figure(
    bars: Stack,
    title: str,
    unit: str,
    digits: Callable[[float], str] = "{:,.0f}".format,
    spread: Mapping[str, tuple[float, float]] | None = None,
) -> go.Figure:
    """Horizontal bars, each a sum of parts, with the sum at its end.

    Args:
        bars: by the bar's name, its parts
        title: of the figure
        unit: name and unit of the axis
        digits: how a sum is written
        spread: by the bar's name, from where to where the whole varies
    """
    figure = go.Figure()
    names = list(bars)
    totals = {name: sum(parts.values()) for name, parts in bars.items()}
    for place, part in enumerate(dict.fromkeys(p for parts in bars.values() for p in parts)):
        figure.add_bar(
            y=names,
            x=[bars[name].get(part, 0) for name in names],
            name=part,
            orientation="h",
            marker={
                "color": COLORS[place],
                "pattern": {"shape": _PATTERNS[place], "fgcolor": "white", "size": 7},
            },
            hovertemplate=f"{part}: %{{x:,.4g}}<extra></extra>",
        )
    ends = {name: max(totals[name], (spread or {}).get(name, (0, 0))[1]) for name in names}
    for place, (name, bounds) in enumerate((spread or {}).items()):
        figure.add_scatter(
            x=bounds,
            y=[name, name],
            mode="lines+markers",
            name="middle half of all steps",
            legendgroup="spread",
            showlegend=place == 0,
            line={"color": "#1b1f23", "width": 2},
            marker={"symbol": "line-ns-open", "size": 12, "color": "#1b1f23"},
            hovertemplate="%{x:,.4g}<extra></extra>",
        )
    for name in names:
        figure.add_annotation(
            x=ends[name], y=name, text=f" {digits(totals[name])}", showarrow=False, xanchor="left"
        )
    layout(figure, title, unit, "", height=210 + 52 * len(names))
    figure.update_layout(
        barmode="stack", hovermode="closest", bargap=0.35, legend_traceorder="normal"
    )
    legend_below(figure, 0.32, b=130)
    figure.update_xaxes(range=[0, 1.16 * max(ends.values())])
    return figure.update_yaxes(autorange="reversed", ticksuffix="  ")


def stacked_table(
    bars: Stack, head: str, digits: Callable[[float], str] = "{:,.0f}".format
) -> pd.DataFrame:
    """The numbers of `stacked_figure`: a row for each bar, ``head`` over their names."""
    parts = dict.fromkeys(p for row in bars.values() for p in row)
    rows = [
        {head: name}
        | {part: digits(row.get(part, 0)) for part in parts}
        | {"all": digits(sum(row.values()))}
        for name, row in bars.items()
    ]
    return pd.DataFrame(rows)


def by_depth_figure(panels: Mapping[str, Mapping[str, Mapping[int, float]]]) -> go.Figure:
    """A panel for each cost, in it a line for each way to train, by the number of blocks.

    ``panels`` has, by the name and unit of a cost and by the way's label, values by depth.
    """
    figure = make_subplots(cols=len(panels), horizontal_spacing=0.09)
    for place, (cost, ways) in enumerate(panels.items(), 1):
        for label, values in ways.items():
            figure.add_scatter(
                x=list(values),
                y=list(values.values()),
                name=label,
                legendgroup=label,
                showlegend=label not in {trace.name for trace in figure.data},
                **drawn(_style(label), 9),
                row=1,
                col=place,
            )
        depths = sorted({depth for values in ways.values() for depth in values})
        figure.update_xaxes(title_text="Blocks H", tickvals=depths, row=1, col=place)
        figure.update_yaxes(title_text=cost, rangemode="tozero", row=1, col=place)
    layout(figure, "What grows with depth", "", "", height=460)
    figure.update_xaxes(title_text="Blocks H")
    for place, cost in enumerate(panels, 1):
        figure.update_yaxes(title_text=cost, row=1, col=place)
    return legend_below(figure, 0.22, b=110)


def by_depth_table(panels: Mapping[str, Mapping[str, Mapping[int, float]]]) -> pd.DataFrame:
    """The numbers of `by_depth_figure`: a row for each cost and way, a column for each depth."""
    return pd.DataFrame(
        [
            {"Cost": cost, "Trained by": label}
            | {f"H = {depth}": f"{value:.3g}" for depth, value in values.items()}
            for cost, ways in panels.items()
            for label, values in ways.items()
        ]
    )


def timing_bars(timings: Mapping[str, Timing]) -> dict[str, dict[str, float]]:
    """The median milliseconds of each part of a step, for `stacked_figure`."""
    return {
        name: {part: 1e3 * statistics.median(step[part] for step in timing.parts) for part in PARTS}
        for name, timing in timings.items()
    }


def timing_spread(timings: Mapping[str, Timing]) -> dict[str, tuple[float, float]]:
    """From where to where the middle half of the steps lies that were taken apart (ms)."""
    found = {}
    for name, timing in timings.items():
        low, _, high = statistics.quantiles([1e3 * sum(p.values()) for p in timing.parts], n=4)
        found[name] = (low, high)
    return found


def seconds_table(
    timings: Mapping[str, Timing], train_images: int, batch_size: int, test_images: int
) -> pd.DataFrame:
    """The paper's Table 7 in shape: seconds of training on and of predicting all images.

    Median, and in brackets the quartiles, of the steps that were not taken apart.
    """

    def cell(values: Sequence[float], times: float, digits: int) -> str:
        low, middle, high = (times * v for v in statistics.quantiles(values, n=4))
        return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"

    first = statistics.median(next(iter(timings.values())).steps)
    steps = train_images / batch_size
    return pd.DataFrame(
        [
            {
                "Trained by": name,
                "A step (ms)": cell(timing.steps, 1e3, 0),
                "An epoch of training (s)": cell(timing.steps, steps, 2),
                "Predicting the test images (s)": cell(timing.predictions, test_images, 2),
                "A step, compared with BP": f"× {statistics.median(timing.steps) / first:.2f}",
            }
            for name, timing in timings.items()
        ]
    )


def influence_figure(found: Mapping[str, Sequence[Sequence[bool]]]) -> go.Figure:
    """Whose update changes (row) when whose weights are nudged (column): a panel per method."""
    figure = make_subplots(cols=len(found), subplot_titles=list(found), horizontal_spacing=0.06)
    for place, rows in enumerate(found.values(), 1):
        names = [f"f<sub>{number}</sub>" for number in range(1, len(rows) + 1)]
        kinds = [
            [(2 if m > n else 1) if changed else 0 for m, changed in enumerate(row)]
            for n, row in enumerate(rows)
        ]
        figure.add_heatmap(
            z=kinds,
            x=names,
            y=names,
            text=[[("", "●", "▲")[kind] for kind in row] for row in kinds],
            texttemplate="%{text}",
            textfont={"color": "white", "size": 16},
            zmin=0,
            zmax=2,
            colorscale=[[0, "#eef0f2"], [0.5, COLORS[0]], [1, COLORS[1]]],
            showscale=False,
            xgap=3,
            ygap=3,
            hovertemplate="update of %{y}, nudged %{x}<extra></extra>",
            row=1,
            col=place,
        )
    for mark, color, name in (
        ("circle", COLORS[0], "the update changes with its own block or one below"),
        ("triangle-up", COLORS[1], "the update changes with a block above: it has to wait for it"),
    ):
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=name,
            marker={"symbol": mark, "size": 13, "color": color},
        )  # fmt: skip
    layout(figure, "Whose update changes when a block is nudged?", "", "", height=430)
    figure.update_layout(hovermode="closest")
    legend_below(figure, 0.25, t=90, b=120)
    figure.update_xaxes(title="Nudged block", showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_yaxes(title="Update of", col=1)


def influence_table(found: Mapping[str, Sequence[Sequence[bool]]]) -> pd.DataFrame:
    """The numbers of `influence_figure`: for each update, the blocks that change it."""
    subscripts = "₁₂₃₄₅₆₇₈₉"
    most = max(len(rows) for rows in found.values())

    def text(rows: Sequence[Sequence[bool]], number: int) -> str:
        if number >= len(rows):
            return _NO
        return " ".join(f"f{subscripts[m]}" for m, yes in enumerate(rows[number]) if yes)

    return pd.DataFrame(
        [
            {"Trained by": label}
            | {f"Update of f{subscripts[n]} changes with": text(rows, n) for n in range(most)}
            for label, rows in found.items()
        ]
    )


_COSTS: dict[str, Callable[[Bill], float]] = {
    "parameters in training": lambda bill: bill.effective + bill.affiliated,
    "parameters for a prediction": lambda bill: bill.effective,
    "memory of a step": lambda bill: bill.bytes,
    "arithmetic of a step": lambda bill: bill.flops,
    "longest gradient flow": lambda bill: bill.longest_flow,
}


def bill_figure(bills: Mapping[str, Bill], title: str) -> go.Figure:
    """Every cost of every method as a multiple of BP's, on a log axis; the first bill is BP's."""
    figure = go.Figure()
    reference, *others = bills.items()
    rows = range(len(_COSTS))
    for place, (label, bill) in enumerate(others):
        style = _style(label)
        figure.add_scatter(
            x=[cost(bill) / cost(reference[1]) for cost in _COSTS.values()],
            # a little apart, so that none hides another
            y=[row + 0.2 * (place - (len(others) - 1) / 2) for row in rows],
            mode="markers",
            name=label,
            marker={"symbol": style["symbol"], "size": 13, "color": style["color"]},
            hovertemplate="× %{x:.2f}",
        )
    layout(figure, title, f"Multiple of {reference[0]}'s (log scale)", "", height=420)
    figure.add_vline(x=1, line={"color": "#57606a", "width": 2})
    figure.add_annotation(
        x=0, y=1.06, yref="paper", text=f"← less than {reference[0]} | more →", showarrow=False,
    )  # fmt: skip
    ticks = [0.2, 0.5, 1, 2, 5, 10, 20, 50]
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    figure.update_layout(hovermode="closest")
    return figure.update_yaxes(
        autorange="reversed", tickvals=list(rows), ticktext=list(_COSTS), ticksuffix="  "
    )


def bill_table(bills: Mapping[str, Bill]) -> pd.DataFrame:
    """The numbers of `bill_figure`, as they are and (in brackets) as a multiple of BP's."""
    reference = next(iter(bills.values()))
    written: dict[str, Callable[[float], str]] = {
        "memory of a step": lambda value: f"{value / 1e6:,.0f} MB",
        "arithmetic of a step": lambda value: f"{value / 1e9:,.1f} GFLOP",
    }
    return pd.DataFrame(
        [
            {"Trained by": label}
            | {
                name.capitalize(): (
                    f"{written.get(name, '{:,}'.format)(cost(bill))} "
                    f"(× {cost(bill) / cost(reference):.2f})"
                )
                for name, cost in _COSTS.items()
            }
            for label, bill in bills.items()
        ]
    )
