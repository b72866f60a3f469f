"""Figures and tables of the lesson on pipelined training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from delog_nb.lab.charts.gantt import animated_gantt, gantt, gantt_table
from delog_nb.lab.charts.style import COLORS, layout, line_style
from delog_nb.pipeline.race import Race
from delog_nb.pipeline.schedule import Schedule

_STEPS = 32  # moments of an animated chart


def schedule_figure(
    schedule: Schedule,
    unit: str = "time units",
    span: float | None = None,
    animated: bool = False,
    row: str = "Component",
) -> go.Figure:
    """`delog_nb.lab.charts.gantt.gantt`, or the same with a slider for the time and Play."""
    if animated:
        return animated_gantt(schedule, unit, steps=_STEPS, span=span, row=row)
    return gantt(schedule, unit, span=span, row=row)


def schedule_table(
    schedule: Schedule, unit: str = "time units", row: str = "Component"
) -> pd.DataFrame:
    """For every component when it begins and ends, how long it works and how long it is idle."""
    rows = []
    for stage, busy in enumerate(schedule.busy):
        own = [task for task in schedule.tasks if task.stage == stage]
        rows.append(
            {
                row: str(stage + 1),
                f"Begins ({unit})": f"{min(task.start for task in own):.4g}",
                f"Ends ({unit})": f"{max(task.end for task in own):.4g}",
                f"Works ({unit})": f"{busy:.4g}",
                "Idle (% of all the time)": f"{100 * (1 - busy / schedule.makespan):.0f}",
                "Most batches waiting": f"{schedule.waiting[stage]:g}",
            }
        )
    return pd.DataFrame(rows)


def time_table(schedule: Schedule) -> pd.DataFrame:
    """The schedule as the paper prints its Table 1: a row per component, a column per time unit."""
    cells = gantt_table(schedule)
    table = pd.DataFrame(cells, columns=[f"t{n}" for n in range(1, len(cells[0]) + 1)])
    table.insert(0, "Component", [str(n) for n in range(1, len(cells) + 1)])
    return table


def bubbles_figure(bubbles: Mapping[str, Mapping[int, float]], stages: int) -> go.Figure:
    """Share of idle time by number of batches, a line per schedule."""
    figure = go.Figure()
    for place, (name, shares) in enumerate(bubbles.items()):
        style = line_style(place)
        figure.add_scatter(
            x=list(shares),
            y=[100 * share for share in shares.values()],
            name=name,
            mode="lines+markers",
            line={"color": style["color"], "dash": style["dash"], "width": 2.5},
            marker={"symbol": style["symbol"], "size": 8},
            hovertemplate="%{y:.1f} %",
        )
    title = f"Bubble: the share of their time that {stages} machines stand idle"
    layout(figure, title, "Batches in a row", "Bubble (%)")
    counts = sorted({count for shares in bubbles.values() for count in shares})
    figure.update_xaxes(type="log", tickvals=counts, ticktext=[str(count) for count in counts])
    return figure.update_yaxes(range=[0, 100])


def bubbles_table(bubbles: Mapping[str, Mapping[int, float]]) -> pd.DataFrame:
    """The numbers of `bubbles_figure`, in %."""
    table = pd.DataFrame(
        {
            name: {str(count): f"{100 * share:.1f}" for count, share in shares.items()}
            for name, shares in bubbles.items()
        }
    )
    table.index.name = "Batches"
    return table


def schedules_table(schedules: Sequence[Schedule]) -> pd.DataFrame:
    """Time, idle share and the activations kept, a row per schedule."""
    return pd.DataFrame(
        {
            "Schedule": [_name(schedule) for schedule in schedules],
            "Time until all is done (units)": [f"{s.makespan:.4g}" for s in schedules],
            "Bubble (%)": [f"{100 * s.bubble:.0f}" for s in schedules],
            "Batches kept for a backward pass, component 1 … K": [
                ", ".join(f"{kept:g}" for kept in s.in_flight) for s in schedules
            ],
        }
    )


def race_figure(race: Race, predictions: Mapping[str, float]) -> go.Figure:
    """Images per second: measured ones filled, predicted ones hatched."""
    rates = _rates(race) | dict(predictions)
    figure = go.Figure()
    for kind, names, mark in (
        ("measured", list(_rates(race)), ""),
        ("predicted", list(predictions), "/"),
    ):
        figure.add_bar(
            name=kind,
            x=[rates[name] for name in names],
            y=names,
            orientation="h",
            marker={
                "color": COLORS[0 if kind == "measured" else 1],
                "pattern": {"shape": mark, "solidity": 0.25},
            },
            hovertemplate="%{x:.0f} images per second",
        )
    figure = layout(
        figure, "One process and a pipeline: training speed", "Images per second", "", height=340
    )
    figure.update_layout(hovermode="closest", margin={"l": 300})
    return figure.update_yaxes(autorange="reversed", ticklabelstandoff=8)


def race_table(race: Race, predictions: Mapping[str, float]) -> pd.DataFrame:
    """The numbers of `race_figure`, and each as a multiple of one process."""
    rates = _rates(race) | dict(predictions)
    kinds = ["measured"] * len(_rates(race)) + ["predicted"] * len(predictions)
    return pd.DataFrame(
        {
            "Training": list(rates),
            "Where from": kinds,
            "Images per second": [f"{rate:.0f}" for rate in rates.values()],
            "Compared with one process": [f"{r / race.rates[0]:.2f}" for r in rates.values()],
        }
    )


def stages_table(race: Race) -> pd.DataFrame:
    """What each stage of a race has to do, and how long a batch takes it."""
    alone, together = race.stages(race.alone), race.stages(race.together)
    return pd.DataFrame(
        {
            "Process": [str(place) for place in range(1, len(race.runs) + 1)],
            "Components": [
                f"{first + 1} to {end}" if end - first > 1 else str(end) for first, end in race.runs
            ],
            "A batch, other process waiting (ms)": [f"{1000 * s:.1f}" for s in alone],
            "A batch, all computing (ms)": [f"{1000 * s:.1f}" for s in together],
        }
    )


def _rates(race: Race) -> dict[str, float]:
    names = ("one process", f"pipeline of {len(race.runs)} processes")
    return dict(zip(names, race.rates, strict=True))


def _name(schedule: Schedule) -> str:
    return schedule.name[:1].upper() + schedule.name[1:]
