"""Charts of the lesson on pipelined training."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.runs.schedules import schedule
from delog_nb.pipeline.schedule import Schedule


def workload(
    run: Schedule,
    unit: str = "time units",
    row: str = "Component",
    until: float | None = None,
    play: bool = False,
) -> Exhibit:
    """`lab.schedule`; the table has when each stage begins and ends, works, and is idle.

    >>> from delog_nb.pipeline.schedule import table_1
    >>> workload(table_1([1, 1, 1], batches=4)).table["Idle (% of all the time)"].tolist()
    [33, 33, 33]
    """
    rows = []
    for stage, (busy, waiting) in enumerate(zip(run.busy, run.waiting, strict=True)):
        own = [task for task in run.tasks if task.stage == stage]
        rows.append(
            {
                row: stage + 1,
                f"Begins ({unit})": min(task.start for task in own),
                f"Ends ({unit})": max(task.end for task in own),
                f"Works ({unit})": busy,
                "Idle (% of all the time)": round(100 * (1 - busy / run.makespan)),
                "Most batches waiting": waiting,
            }
        )
    shown = schedule(run, unit=unit, row=row, until=until, play=play)
    return replace(shown, table=pd.DataFrame(rows), digits=".4g")
