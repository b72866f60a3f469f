"""What the lesson on pipelined training measures and shows."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support.runs import ROOT, tiny

from delog_nb import ExperimentError, lab
from delog_nb.lab.asks.stored import MIME as SITE
from delog_nb.lab.charts.style import METHOD_COLORS
from delog_nb.lab.lessons.pipelined_training import workload
from delog_nb.pipeline import race as pipelining
from delog_nb.pipeline.race import Race, RaceError, race
from delog_nb.pipeline.schedule import Task, balance, gpipe, one_f_one_b, table_1


@pytest.fixture(scope="module")
def measured() -> Race:
    return race(tiny(method="delog-scl", limit=60, batch_size=16), batches=3, epochs=2)


def test_a_race_is_won_by_nobody_who_computes_something_else(measured: Race) -> None:
    assert measured.same_weights
    assert len(measured.rates) == 3
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
    assert measured.runs == balance(measured.seconds, 2)
    expected = table_1(measured.together, 3, measured.link, queue=3)
    assert measured.predicted.tasks == expected.tasks
    assert measured.link_bytes > 0
    # one process that takes as long for the stages' work is K (1 - bubble) times as slow
    at_most = 2 * (1 - expected.bubble)
    assert 3 * sum(measured.together) / expected.makespan == pytest.approx(at_most)


def test_the_gain_that_is_predicted_is_never_above_the_machines_less_their_bubble(
    measured: Race,
) -> None:
    """By the work of all stages in one process, whatever their times are."""
    for times in (measured.alone, measured.together, [0.1, 1.0], [2.0, 0.5]):
        run = measured.predict(times)
        gain = measured.batches * sum(times) / run.makespan
        assert gain == pytest.approx(2 * (1 - run.bubble))
        assert gain < 2


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
        pipelining._run(exec, [fails], 2)


def test_one_that_fails_and_one_that_is_slow_end_the_race(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = f"import os, time; open({str(tmp_path)!r} + '/' + os.environ['RANK'], 'w').write("
    note += "str(os.getpid()));"
    monkeypatch.setattr(pipelining, "_LAST_WORDS", 1)
    one_fails = "os._exit(3) if os.environ['RANK'] == '1' else time.sleep(60)"
    begin = time.monotonic()
    with pytest.raises(RaceError, match=r"^exit status 3$"):
        pipelining._run(exec, [f"{note} {one_fails}"], 2)
    assert time.monotonic() - begin < 50  # the one that sleeps was not waited for
    monkeypatch.setattr(pipelining, "_MOST_SECONDS", 1)
    with pytest.raises(RaceError, match="took longer than 1 s"):
        pipelining._run(exec, [f"{note} time.sleep(60)"], 2)
    for file in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text()), 0)


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
            pipelining._run(exec, [waits], 1)
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
    shown = workload(run)
    table = shown.table.set_index("Machine")
    assert table["Begins (time units)"].to_dict() == {1: 0, 2: 1.5, 3: 4}
    assert table["Ends (time units)"].to_dict() == {1: 4, 2: 9.5, 3: 11}
    assert table["Works (time units)"].to_dict() == {1: 4, 2: 8, 3: 4}
    # of 11 units it stands idle 7, 3 and 7
    assert table["Idle (% of all the time)"].to_dict() == {1: 64, 2: 27, 3: 64}
    assert shown.figure == lab.schedule(run, row="Machine").figure
    keeps = [
        workload(kind([1] * 4, [2] * 4, 1, micro=8)).table["Most batches kept at once"].tolist()
        for kind in (gpipe, one_f_one_b)
    ]
    assert keeps == [[1, 1, 1, 1], [4 / 8, 3 / 8, 2 / 8, 1 / 8]]


def test_taking_turns_on_one_core_is_seen() -> None:
    tasks = [Task(0, 0, "task", 0, 1), Task(1, 0, "task", 1, 2)]
    times = [1.0, 3.0], [1.0, 3.0], [2.0, 6.0]
    turns = Race(1, *times, [(0, 1), (1, 2)], 0, 1, [1, 1, 1], True, tasks)
    assert turns.slower_together == 2
    assert turns.predicted.makespan == 8
    assert turns.measured.makespan == 2


LESSON = ROOT / "notebooks/solutions/11_pipelined_training.ipynb"
CELLS = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]


def outputs(kind: str) -> list[Any]:
    """What the lesson's stored outputs have of a MIME type."""
    found = [o.get("data", {}).get(kind) for cell in CELLS for o in cell.get("outputs", [])]
    return ["".join(data) if isinstance(data, list) else data for data in found if data]


def streams() -> str:
    return "".join("".join(o.get("text", "")) for c in CELLS for o in c.get("outputs", []))


def figures() -> list[Any]:
    return outputs("application/vnd.plotly.v1+json")


def test_what_the_lesson_says_of_its_race_is_what_it_shows() -> None:
    (told,) = outputs("text/markdown")
    (title,) = (p for f in figures() if (p := panels(f)) and "measured" in p[1])
    took = {name.partition(":")[0]: int(name.split()[1]) for name in title}
    share, way = re.search(r"It took (\d+) % (longer|less)", told).groups()
    assert int(share) == pytest.approx(100 * abs(took["measured"] / took["predicted"] - 1), abs=1)
    assert (way == "longer") == (took["measured"] > took["predicted"])
    rule = r"= 2 · \(1 − ([\d.]+)\) = ([\d.]+)[,.].*which leaves ([\d.]+) / ([\d.]+) = ([\d.]+)\."
    gains = []
    for bubble, *divided, cost, gain in re.findall(rule, told):  # predicted, measured
        assert [float(most) for most in divided] == [
            pytest.approx(2 - 2 * float(bubble), abs=0.006)
        ] * 2
        assert float(gain) == pytest.approx(float(divided[0]) / float(cost), abs=0.02)
        gains.append((float(gain), float(divided[0])))
    (expected, most), (gained, limit) = gains
    assert expected <= most < 2
    (answer,) = (o["answer"] for o in outputs(SITE) if "was predicted" in o.get("answer", ""))
    assert answer == f"{gained:.2f} times as fast, where {expected:.2f} was predicted"
    # by one clock: no more than what both processes work in the time that the epoch takes
    assert limit < 2
    assert gained <= limit or "Race again" in told
    assert ("Race again" in told) != ("(the processes" in told)
    assert int(share) <= 20 or "Race again" in told
    assert float(re.search(r"would gain ([\d.]+)\.", told)[1]) < 2
    worked, one = re.search(
        r"worked ([\d.]+) ms on a batch, one process ([\d.]+) ms", told
    ).groups()
    assert gained == pytest.approx(10 * float(one) / took["measured"], abs=0.02)
    assert limit == pytest.approx(10 * float(worked) / took["measured"], abs=0.02)
    assert float(re.search(r"takes ([\d.]+) times as long", told)[1]) >= 1


def panels(figure: Any) -> list[str]:
    return [note["text"] for note in figure["layout"].get("annotations", [])]


def test_no_batch_has_a_methods_colour_and_a_letter_is_a_pass() -> None:
    drawn = [trace for f in figures() for trace in f["data"] if trace["type"] == "bar"]
    assert len(drawn) > 5
    for trace in drawn:
        used = trace["marker"]["color"]
        assert not set(used if isinstance(used, list) else [used]) & set(METHOD_COLORS)
        passes = {"forward": "F?", "backward and update": "B"}  # micro-batches have no letter
        letter = passes.get(trace["name"], "")
        texts = [text for text in trace.get("text") or [] if text]
        assert all(re.fullmatch(rf"{letter}\d+(\.\d+)?", text) for text in texts)
    prose = " ".join("".join(c["source"]) for c in CELLS if c["cell_type"] == "markdown")
    assert set(re.findall(r"\b[BF]_?\d*\b", prose)) == {"F1", "B1"}


def test_table_1_is_the_papers() -> None:
    (table,) = (text for text in outputs("text/plain") if text.lstrip().startswith("Component"))
    rows = [line.split() for line in table.splitlines()[1:]]
    # k takes batch b in unit k + b - 1
    assert rows == [[str(k), "1", "2", "3", "4"] for k in (1, 2, 3)]
    starts = [line.index(" 1 ", 10) for line in table.splitlines()[1:]]
    assert starts == sorted(set(starts))


def test_the_slow_component_sets_the_pace_as_the_lesson_says() -> None:
    (answer,) = (o["answer"] for o in outputs(SITE) if "with a bubble" in o.get("answer", ""))
    even, uneven = table_1([1] * 4, 200), table_1([1, 2, 1, 1], 200)
    assert answer.startswith(f"{uneven.makespan / even.makespan:.2f} times as long: 403 units")
    assert f"{100 * uneven.bubble:.0f} % and not {100 * even.bubble:.0f} %" in answer


def test_gpipe_with_m_micro_batches_is_as_idle_as_table_1_with_m_batches() -> None:
    for many in (4, 16, 64):
        assert gpipe([1] * 4, [2] * 4, 3, micro=many).bubble == pytest.approx(
            table_1([3] * 4, many).bubble
        )
    text = "".join("".join(cell["source"]) for cell in CELLS)
    assert "64 of them to be as busy as a run of 64 batches" in text
    assert table_1([1, 1], 10).bubble == pytest.approx(1 / 11)


def test_the_pipeline_is_cut_as_the_times_of_its_components_say() -> None:
    (said,) = re.findall(r"a batch in each component \(ms\): ([\d.| ]+)", streams())
    seconds = [float(time) for time in said.split("|")]
    yours, chosen = re.search(r"yours (\d), the pipeline's (\d)", streams()).groups()
    assert int(yours) == int(chosen) == balance(seconds, 2)[0][1]


def test_nine_tenths_of_the_limit_come_after_as_many_batches_as_the_lesson_says() -> None:
    def gain(batches: float) -> float:
        return 4 * batches / (3 + batches)

    assert gain(27) == pytest.approx(0.9 * 4)
