"""Gantt charts: who works on what, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from delog_nb.lab.charts.exhibit import Exhibit, escaped, sentence
from delog_nb.lab.charts.style import GREYS, PATTERNS, dressed

_MOMENTS = 32  # of a chart that plays


class Span(NamedTuple):
    """What a row does from ``start`` to ``end``.

    ``text`` stands in the bar, ``kind`` in the legend; bars of one ``group`` have one grey;
    ``thin`` ones stand below the others.
    """

    start: float
    end: float
    text: str = ""
    kind: str = ""
    group: int = 0
    thin: bool = False


def gantt(
    rows: Mapping[str, Any],
    title: str,
    x: str,
    *,
    panels: bool = False,
    until: float | None = None,
    play: bool = False,
    says: str = "",
) -> Exhibit:
    """A bar for each span of each row, the first row on top.

    Args:
        rows: by name, its `Span`, or tuples of the same
        title: of the figure
        x: the axis of time, with its unit
        panels: ``rows`` is by panel first; panels stand one above the other
        until: where the axis ends; default: with the last span
        play: with a slider for the time and a Play button; opens at the end
        says: the text alternative; default: when each panel's last span ends

    >>> shown = gantt({"machine 1": [(0, 2, "1"), (2, 4, "2")]}, "Two batches", "Time (s)")
    >>> shown.says
    'Two batches. 2 spans in 1 row, the last ends at 4.'
    """
    given = rows if panels else {"": rows}
    by_panel = {p: {r: [Span(*s) for s in own] for r, own in of.items()} for p, of in given.items()}
    spans = [s for of in by_panel.values() for own in of.values() for s in own]
    end = max((span.end for span in spans), default=0.0)
    figure = make_subplots(
        rows=len(by_panel), cols=1, shared_xaxes=True, vertical_spacing=0.3 / (1 + len(by_panel)),
        subplot_titles=[escaped(name) for name in by_panel] if panels else None,
    )  # fmt: skip
    kinds = list(dict.fromkeys(span.kind for span in spans))
    for trace, row in _bars(by_panel, kinds, None):
        figure.add_trace(trace, row=row, col=1)
    most = sum(min(len(of), 16) for of in by_panel.values())
    dressed(
        figure, title, 180 + 44 * most + 40 * (len(by_panel) - 1), sum(len(k) + 8 for k in kinds)
    )
    figure.update_layout(
        barmode="overlay", showlegend=kinds != [""],
        uniformtext={"minsize": 8, "mode": "hide"},  # what would be smaller cannot be read
    )  # fmt: skip
    if panels:
        figure.update_layout(margin={"t": figure.layout.margin.t + 26})
    figure.update_xaxes(range=[0, 1.01 * (until or end)])
    figure.update_xaxes(title_text=x, row=len(by_panel), col=1)
    for place, of in enumerate(by_panel.values(), 1):
        every = max(1, len(of) // 16)
        figure.update_yaxes(
            range=[len(of) - 0.3, -0.6], tickvals=list(range(0, len(of), every)),
            ticktext=[escaped(name) for name in list(of)[::every]], showgrid=False,
            automargin=True, ticklabelstandoff=8, row=place, col=1,
        )  # fmt: skip
    if play:
        moments = sorted({0.0, *(span.end for span in spans)})
        if len(moments) > _MOMENTS:
            moments = [end * k / _MOMENTS for k in range(_MOMENTS + 1)]
        frames = {f"{m:.6g}": [t for t, _ in _bars(by_panel, kinds, m)] for m in moments}
        playable(figure, frames, x, active=len(frames) - 1)
    table = pd.DataFrame(
        [
            ({"Panel": panel} if panels else {})
            | {"Row": row, "What": span.text, "Kind": span.kind, "From": span.start, "To": span.end}
            for panel, of in by_panel.items()
            for row, own in of.items()
            for span in own
        ]
    )
    told = [
        f"{f'{panel}: ' if panel else ''}{sum(map(len, of.values()))} spans in "
        f"{len(of)} row{'s' if len(of) != 1 else ''}, the last ends at "
        f"{max((s.end for own in of.values() for s in own), default=0):.4g}"
        for panel, of in by_panel.items()
    ]
    return Exhibit(figure, table, says or sentence(title, "; ".join(told)))


def playable(
    figure: go.Figure, frames: Mapping[str, Sequence[Any]], prefix: str, active: int = 0
) -> go.Figure:
    """Give ``figure`` a slider through ``frames`` (traces by name) and Play and Pause."""
    figure.frames = [go.Frame(data=list(data), name=name) for name, data in frames.items()]
    still: dict[str, Any] = {
        "mode": "immediate",
        "frame": {"duration": 0, "redraw": True},
        "transition": {"duration": 0},
    }
    moving = still | {"frame": {"duration": 250, "redraw": True}, "fromcurrent": True}
    buttons = [("Play", None, moving), ("Pause", [None], still)]
    figure.update_layout(
        height=figure.layout.height + 140,
        margin={"b": 220},
        sliders=[{
            "active": active, "currentvalue": {"prefix": f"{prefix}: "}, "pad": {"t": 60},
            "x": 0.12, "len": 0.88,
            "steps": [
                {"label": name, "method": "animate", "args": [[name], still]} for name in frames
            ],
        }],
        updatemenus=[{
            "type": "buttons", "direction": "left", "showactive": False, "x": 0.1, "y": 0,
            "xanchor": "right", "yanchor": "top", "pad": {"t": 75, "r": 10},
            "buttons": [
                {"label": label, "method": "animate", "args": [which, how]}
                for label, which, how in buttons
            ],
        }],
    )  # fmt: skip
    return figure


def _bars(
    by_panel: Mapping[str, Mapping[str, Sequence[Span]]], kinds: Sequence[str], now: float | None
) -> list[tuple[go.Bar, int]]:
    """A trace per panel and kind, the same at every moment: spans to come have no length."""
    limit = float("inf") if now is None else now
    named: set[str] = set()
    traces = []
    for panel, of in enumerate(by_panel.values(), 1):
        for place, kind in enumerate(kinds):
            own = [
                (at, row, s)
                for at, (row, spans) in enumerate(of.items())
                for s in spans
                if s.kind == kind and s.end > s.start
            ]
            if not own:
                continue
            done = [max(0.0, min(s.end, limit) - s.start) for *_, s in own]
            bar = go.Bar(
                name=escaped(kind),
                legendgroup=escaped(kind),
                showlegend=kind not in named,
                orientation="h",
                y=[at + (0.5 if s.thin else 0) for at, _, s in own],
                base=[s.start for *_, s in own],
                x=done,
                width=[0.22 if s.thin else 0.8 for *_, s in own],
                marker={
                    "color": [GREYS[s.group % len(GREYS)] for *_, s in own],
                    "pattern": {
                        "shape": PATTERNS[place % len(PATTERNS)],
                        "solidity": 0.15,
                        "fgcolor": "black",
                        "fgopacity": 0.3,
                    },
                    "line": {"color": "white", "width": 1},
                },
                text=[
                    escaped(s.text) if length else ""
                    for (*_, s), length in zip(own, done, strict=True)
                ],
                textposition="inside",
                insidetextanchor="middle",
                insidetextfont_color="black",
                textangle=0,
                customdata=[
                    f"{escaped(row)}, {escaped(_named(s))}: {s.start:.4g} to {s.end:.4g}"
                    for _, row, s in own
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
            named.add(kind)
            traces.append((bar, panel))
    return traces


def _named(span: Span) -> str:
    return f"{span.text} ({span.kind})".strip() if span.kind else span.text
