"""Gantt charts of schedules: who works on which batch when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from delog_nb.lab.charts.style import COLORS, layout
from delog_nb.pipeline.schedule import Schedule, Task

# kind: its name in the legend, the mark on its bars and the letter before the batch's number
_KINDS = {
    "task": ("Task: forward, backward, update", "", "B"),
    "forward": ("forward", "", "F"),
    "backward": ("backward and update", "/", "B"),
    "send": ("sending", ".", ""),
}
_THIN, _THICK = 0.22, 0.8
_MOST_LABELS = 300  # bars beyond this number have no text: it could not be read


def gantt(
    schedule: Schedule,
    unit: str = "time units",
    until: float | None = None,
    span: float | None = None,
    row: str = "Component",
) -> go.Figure:
    """A bar for everything that ``schedule`` does: a row per component, a colour per batch.

    Backward passes are hatched; what goes over a link is a thin dotted bar below the component that
    sends it.

    Args:
        schedule: of `delog_nb.pipeline.schedule`
        unit: of its times, for the axis
        until: show what is done by then; default: all
        span: length of the time axis; default: the makespan. Give charts that stand beside one
            another the same
        row: what a stage is called
    """
    figure = go.Figure(_bars(schedule, unit, until, row))
    return _dressed(figure, schedule, unit, span, row)


def animated_gantt(
    schedule: Schedule,
    unit: str = "time units",
    steps: int = 40,
    span: float | None = None,
    row: str = "Component",
) -> go.Figure:
    """`gantt` with a slider for the time and a button that lets it run.

    The slider has a stop at every start and end, or ``steps`` even ones if that is fewer. It opens
    at the end, so that a page that cannot be touched shows the whole.
    """
    moments = sorted({0.0, *(t.end for t in schedule.tasks), *(t.end for t in schedule.sends)})
    if len(moments) > steps:
        moments = [schedule.makespan * k / steps for k in range(steps + 1)]
    figure = gantt(schedule, unit, span=span, row=row)
    figure.frames = [
        go.Frame(data=_bars(schedule, unit, moment, row), name=f"{moment:.6g}")
        for moment in moments
    ]
    still: dict[str, Any] = {
        "mode": "immediate",
        "frame": {"duration": 0, "redraw": True},
        "transition": {"duration": 0},
    }
    moving = still | {"frame": {"duration": 350, "redraw": True}, "fromcurrent": True}
    figure.update_layout(
        height=figure.layout.height + 100,  # for the slider, below
        margin={"b": 160},
        sliders=[
            {
                "active": len(moments) - 1,
                "currentvalue": {"prefix": f"Time ({unit}): "},
                "pad": {"t": 60},
                "x": 0.12,
                "len": 0.88,
                "steps": [
                    {
                        "label": f"{moment:.3g}",
                        "method": "animate",
                        "args": [[frame.name], still],
                    }
                    for moment, frame in zip(moments, figure.frames, strict=True)
                ],
            }
        ],
        updatemenus=[
            {
                "type": "buttons",
                "direction": "left",
                "showactive": False,
                "x": 0.1,
                "xanchor": "right",
                "y": 0,
                "yanchor": "top",
                "pad": {"t": 75, "r": 10},
                "buttons": [
                    {"label": "Play", "method": "animate", "args": [None, moving]},
                    {"label": "Pause", "method": "animate", "args": [[None], still]},
                ],
            }
        ],
    )
    return figure


def gantt_table(schedule: Schedule, unit: float = 1.0) -> list[list[str]]:
    """What `gantt` shows, as text: a row per component, a column per ``unit`` of time.

    A cell names what is begun in it, as Table 1 of the paper does.

    >>> from delog_nb.pipeline.schedule import table_1
    >>> gantt_table(table_1([1, 1, 1], batches=2))
    [['B1', 'B2', '', ''], ['', 'B1', 'B2', ''], ['', '', 'B1', 'B2']]
    """
    columns = max(1, -int(-schedule.makespan // unit))
    table = [[""] * columns for _ in range(schedule.stages)]
    for task in schedule.tasks:
        place = min(columns - 1, int(task.start / unit + 1e-9))
        table[task.stage][place] = " ".join(
            filter(None, (table[task.stage][place], _label(task, schedule)))
        )
    return table


def _label(task: Task, schedule: Schedule) -> str:
    """``B2`` for the second batch; of its third micro-batch, ``F2.3`` and ``B2.3``."""
    micro = f".{task.micro + 1}" if schedule.share < 1 else ""
    return f"{_KINDS[task.kind][2]}{task.batch + 1}{micro}"


def _bars(schedule: Schedule, unit: str, until: float | None, row: str) -> list[go.Bar]:
    """A trace per kind, with the same bars at every moment: those to come have no length."""
    limit = float("inf") if until is None else until
    labelled = len(schedule.tasks) <= _MOST_LABELS
    traces = []
    for kind, (name, mark, _) in _KINDS.items():
        tasks = schedule.sends if kind == "send" else schedule.tasks
        tasks = [t for t in tasks if t.kind == kind and t.end > t.start]
        if not tasks:
            continue
        thin = kind == "send"
        done = [max(0.0, min(t.end, limit) - t.start) for t in tasks]
        labels = [_label(t, schedule) if labelled and not thin else "" for t in tasks]
        traces.append(
            go.Bar(
                name=name,
                orientation="h",
                y=[t.stage + 1 + (0.5 if thin else 0) for t in tasks],
                base=[t.start for t in tasks],
                x=done,
                width=_THIN if thin else _THICK,
                marker={
                    "color": [COLORS[t.batch % len(COLORS)] for t in tasks],
                    "pattern": {"shape": mark, "solidity": 0.15},
                    "line": {"color": "white", "width": 1},
                },
                text=[label if length else "" for label, length in zip(labels, done, strict=True)],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                constraintext="inside",
                customdata=_words(tasks, schedule, row),
                hovertemplate=f"%{{customdata[0]}}<br>%{{customdata[1]}} {unit}<extra></extra>",
            )
        )
    return traces


def _words(tasks: Sequence[Task], schedule: Schedule, row: str) -> list[tuple[str, str]]:
    words = []
    for task in tasks:
        micro = f", micro-batch {task.micro + 1}" if schedule.share < 1 else ""
        what = f"{row} {task.stage + 1}, batch {task.batch + 1}{micro}: {_KINDS[task.kind][0]}"
        words.append((what, f"{task.start:.4g} to {task.end:.4g}"))
    return words


def _dressed(
    figure: go.Figure, schedule: Schedule, unit: str, span: float | None, row: str
) -> go.Figure:
    rows = schedule.stages
    title = (
        f"{schedule.name[:1].upper()}{schedule.name[1:]}: {schedule.batches} batches in "
        f"{schedule.makespan:.4g} {unit}, bubble {100 * schedule.bubble:.0f} %"
    )
    layout(figure, title, f"Time ({unit})", "", height=max(280, 170 + 46 * min(rows, 16)))
    figure.update_layout(
        barmode="overlay",
        hovermode="closest",
        showlegend=True,  # of a single entry, too
        uniformtext={"minsize": 8, "mode": "hide"},  # what would be smaller cannot be read
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        margin={"l": 120, "t": 90},
    )
    figure.update_xaxes(range=[0, 1.01 * (span or schedule.makespan)])
    every = max(1, rows // 16)
    places = list(range(1, rows + 1, every))
    figure.update_yaxes(
        range=[rows + 0.7, 0.4],  # component 1 on top, as in Table 1
        tickvals=places,
        ticktext=[f"{row} {place}" for place in places],
        showgrid=False,
        ticklabelstandoff=8,
    )
    return figure
