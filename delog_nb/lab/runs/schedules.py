"""Schedules of training on several machines as charts of time."""

from __future__ import annotations

from collections.abc import Mapping

from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.gantt import Span, gantt
from delog_nb.pipeline.schedule import Schedule, Task

_KINDS = {  # kind: its name in the legend, the letter before the batch's number; None: no text
    "task": ("task: forward, backward, update", ""),
    "forward": ("forward", "F"),
    "backward": ("backward and update", "B"),
    "send": ("sending", None),
}
_MOST_LABELS = 300  # bars beyond this number have no text: it could not be read


def schedule(
    shown: Schedule | Mapping[str, Schedule],
    title: str = "",
    unit: str = "time units",
    row: str = "Component",
    until: float | None = None,
    play: bool = False,
) -> Exhibit:
    """Who works on which batch when: a row for each stage, in the bars the batches' numbers.

    F and B are forward and backward passes; batches that follow each other have different greys.
    Micro-batches have no letter, as their bars are short.

    Args:
        shown: a schedule of `delog_nb.pipeline.schedule`, or several by name, one above the other
        title: default: the schedule's name, its time and its bubble (share of time stood idle)
        unit: of its times
        row: what a stage is called
        until: where the axis ends; charts that stand beside one another get the same
        play: with a slider for the time and a Play button

    >>> from delog_nb import lab
    >>> from delog_nb.pipeline.schedule import table_1
    >>> lab.schedule(table_1([1, 1], batches=3)).table["What"].tolist()
    ['1', '2', '3', '1', '2', '3']
    """
    axis = f"Time ({unit})"
    if isinstance(shown, Schedule):
        name = shown.name[:1].upper() + shown.name[1:]
        text = (
            f"{name}: {shown.batches} batches in {shown.makespan:.4g} {unit}, "
            f"bubble {100 * shown.bubble:.0f} %"
        )
        return gantt(_rows(shown, row), title or text, axis, until=until, play=play)
    by_name = {name: _rows(one, row) for name, one in shown.items()}
    return gantt(by_name, title or "Who works when", axis, panels=True, until=until, play=play)


def label(task: Task, share: float) -> str:
    """``2`` for batch 2's task, ``F2`` for its forward pass, ``2.3`` for its third micro-batch."""
    letter = _KINDS[task.kind][1]
    if letter is None:
        return ""
    number = f"{task.batch + 1}"
    return f"{number}.{task.micro + 1}" if share < 1 else letter + number


def _rows(one: Schedule, row: str) -> dict[str, list[Span]]:
    rows: dict[str, list[Span]] = {f"{row} {stage + 1}": [] for stage in range(one.stages)}
    labelled = len(one.tasks) <= _MOST_LABELS
    for task in (*one.tasks, *one.sends):
        if task.end > task.start:
            text = label(task, one.share) if labelled else ""
            kind, thin = _KINDS[task.kind][0], task.kind == "send"
            if one.share < 1 and task.kind == "backward":  # the update follows all of them
                kind = "backward"
            span = Span(task.start, task.end, text, kind, task.batch, thin)
            rows[f"{row} {task.stage + 1}"].append(span)
    return rows
