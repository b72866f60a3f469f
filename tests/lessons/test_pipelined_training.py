"""What the lesson on pipelined training measures and shows."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.runs import tiny

from delog_nb import ExperimentError, lab
from delog_nb.lab.lessons.pipelined_training import workload
from delog_nb.pipeline import race as pipelining
from delog_nb.pipeline.race import Race, RaceError, race
from delog_nb.pipeline.schedule import Task, table_1


@pytest.fixture(scope="module")
def measured() -> Race:
    return race(tiny(method="delog-scl", limit=60, batch_size=16), batches=3, epochs=2)


def test_a_race_is_won_by_nobody_who_computes_something_else(measured: Race) -> None:
    assert measured.same_weights
    assert len(measured.rates) == 2
    assert min(measured.rates) > 0
    assert measured.cores >= 1
    assert measured.slower_together > 0


def test_every_stage_did_every_batch_in_order_and_after_the_stage_below(measured: Race) -> None:
    assert measured.batches == 3
    when = {(task.stage, task.batch): task for task in measured.tasks}
    assert len(when) == len(measured.tasks) == 2 * 3
    assert min(task.start for task in measured.tasks) == 0
    for (stage, batch), task in when.items():
        assert task.start < task.end
        if batch:
            assert task.start >= when[stage, batch - 1].start
        if stage:
            # it arrives before the stage below has put its notes down
            assert task.start > when[stage - 1, batch].start
    assert 0 <= measured.measured.bubble < 1


def test_the_prediction_is_the_simulators_from_the_times_of_the_stages(measured: Race) -> None:
    first, second = measured.runs
    assert (first[0], first[1], second[1]) == (0, second[0], 5)  # all components, in order
    assert len(measured.alone) == len(measured.together) == 2
    assert min(measured.alone + measured.together) > 0
    expected = table_1(measured.together, 3, measured.link, queue=3)
    assert measured.predicted.tasks == expected.tasks
    assert measured.link_bytes > 0
    # one process that takes as long for the stages' work is K (1 - bubble) times as slow
    at_most = 2 * (1 - expected.bubble)
    assert 3 * sum(measured.together) / expected.makespan == pytest.approx(at_most)


def test_what_cannot_be_raced_is_refused_before_a_process_starts() -> None:
    with pytest.raises(ExperimentError, match="backward locking"):
        race(tiny(method="bp"))
    with pytest.raises(ValueError, match="at least 1 batch and 2 epochs"):
        race(tiny(), epochs=1)


def test_a_failed_race_says_why() -> None:
    fails = (
        "import sys; print('noise'); print('delog-nb: rank 1 died', file=sys.stderr); sys.exit(1)"
    )
    with pytest.raises(RaceError, match=r"^delog-nb: rank 1 died$"):
        pipelining._run([sys.executable, "-c", fails])


def test_an_interrupted_race_leaves_no_process_behind(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    waits = f"import os, time; open({str(file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 2)
    begin = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            pipelining._run([sys.executable, "-c", waits])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begin < 20
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


def test_a_schedule_in_another_unit_is_the_same_run() -> None:
    run = table_1([1, 2, 1], 4, 0.5)
    longer = run.scaled(1000)
    assert longer.makespan == 1000 * run.makespan
    assert [s.end for s in longer.sends] == [1000 * s.end for s in run.sends]
    assert longer.bubble == pytest.approx(run.bubble)
    assert longer.waiting == run.waiting


def test_the_workload_is_that_of_the_schedule_in_its_chart() -> None:
    run = table_1([1, 2, 1], 4, 0.5)
    shown = workload(run, unit="ms", row="Process", until=20)
    table = shown.table.set_index("Process")
    assert table["Begins (ms)"].to_dict() == {1: 0, 2: 1.5, 3: 4}
    assert table["Ends (ms)"].to_dict() == {1: 4, 2: 9.5, 3: 11}
    assert table["Works (ms)"].to_dict() == {1: 4, 2: 8, 3: 4}
    # of 11 ms it stands idle 7, 3 and 7
    assert table["Idle (% of all the time)"].to_dict() == {1: 64, 2: 27, 3: 64}
    assert table["Most batches waiting"].tolist() == run.waiting
    plain = lab.schedule(run, unit="ms", row="Process", until=20)
    assert shown.figure == plain.figure
    assert shown.says == plain.says
    assert not shown.figure.frames
    assert workload(run, play=True).figure.frames


def test_taking_turns_on_one_core_is_seen() -> None:
    tasks = [Task(0, 0, "task", 0, 1), Task(1, 0, "task", 1, 2)]
    turns = Race(1, [1.0, 3.0], [2.0, 6.0], [(0, 1), (1, 2)], 0, 1, [1, 1], True, tasks)
    assert turns.slower_together == 2
    assert turns.predicted.makespan == 8
    assert turns.measured.makespan == 2
