"""Charts of the lesson on pipelined training."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.runs.schedules import schedule
from delog_nb.pipeline.schedule import Schedule


def workload(run: Schedule) -> Exhibit:
    """`lab.schedule`; the table has when each machine works, and how many batches it keeps.

    It keeps what a forward pass has computed until the backward pass is over.

    >>> from delog_nb.pipeline.schedule import table_1
    >>> workload(table_1([1, 1, 1], batches=4)).table["Idle (% of all the time)"].tolist()
    [33, 33, 33]
    """
    rows = []
    for stage, (busy, kept) in enumerate(zip(run.busy, run.in_flight, strict=True)):
        own = [task for task in run.tasks if task.stage == stage]
        rows.append(
            {
                "Machine": stage + 1,
                "Begins (time units)": min(task.start for task in own),
                "Ends (time units)": max(task.end for task in own),
                "Works (time units)": busy,
                "Idle (% of all the time)": round(100 * (1 - busy / run.makespan)),
                "Most batches kept at once": kept,
            }
        )
    shown = schedule(run, row="Machine")
    return replace(shown, table=pd.DataFrame(rows), digits=".4g")
