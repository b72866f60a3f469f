from __future__ import annotations

import pytest

from delog_nb.lab.charts.gantt import animated_gantt, gantt, gantt_table
from delog_nb.pipeline.schedule import gpipe, sequential_bp, table_1


def test_bars_are_the_tasks_of_the_schedule() -> None:
    run = sequential_bp([1.0, 2.0], [3.0, 4.0], 2, 0.5)
    figure = gantt(run, "ms")
    bars = {
        (trace.name.split()[0], y, start, start + length)
        for trace in figure.data
        for y, start, length in zip(trace.y, trace.base, trace.x, strict=True)
    }
    tasks = {(t.kind, t.stage + 1, t.start, t.end) for t in run.tasks}
    sends = {("sending", t.stage + 1.5, t.start, t.end) for t in run.sends}
    assert bars == tasks | sends
    assert "Sequential BP: 2 batches in 22 ms, bubble 55 %" in figure.layout.title.text
    assert figure.layout.xaxis.title.text == "Time (ms)"


def test_batches_have_the_same_colour_on_every_component() -> None:
    (trace,) = gantt(table_1([1, 1], 3)).data
    colors = dict(zip(trace.text, trace.marker.color, strict=True))
    assert list(trace.text) == ["B1", "B2", "B1", "B3", "B2", "B3"]
    assert [colors[label] for label in trace.text] == list(trace.marker.color)
    assert len(set(trace.marker.color)) == 3


def test_rows_can_be_called_something_else() -> None:
    figure = gantt(table_1([1, 1], 3), row="Process")
    assert figure.layout.yaxis.ticktext == ("Process 1", "Process 2")
    assert figure.data[0].customdata[0][0].startswith("Process 1, batch 1: ")


def test_until_cuts_what_is_not_done_yet() -> None:
    (trace,) = gantt(table_1([2, 2], 2), until=3).data
    assert list(trace.x) == [2, 1, 1, 0]
    assert list(trace.text) == ["B1", "B2", "B1", ""]


@pytest.mark.parametrize("schedule", [table_1([1, 2], 3, 0.25), gpipe([1, 1], [2, 2], 30)])
def test_the_slider_moves_through_the_run_and_opens_at_its_end(schedule: object) -> None:
    figure = animated_gantt(schedule, steps=20)  # type: ignore[arg-type]
    (slider,) = figure.layout.sliders
    names = [frame.name for frame in figure.frames]
    assert [step.args[0][0] for step in slider.steps] == names
    assert len(names) <= 21
    assert float(names[0]) == 0
    assert slider.active == len(names) - 1
    done = [sum(sum(trace.x) for trace in frame.data) for frame in figure.frames]
    assert done[0] == 0
    assert done == sorted(done)
    whole = sum(sum(trace.x) for trace in figure.data)
    assert done[-1] == pytest.approx(whole)


def test_sixty_four_components_and_many_batches_can_be_drawn() -> None:
    figure = gantt(table_1([1] * 64, 20))
    assert len(figure.data[0].x) == 64 * 20
    assert not any(figure.data[0].text)
    assert figure.layout.height < 1000


def test_the_table_beside_the_chart_is_table_1() -> None:
    assert gantt_table(table_1([1, 1, 1], 3)) == [
        ["B1", "B2", "B3", "", ""],
        ["", "B1", "B2", "B3", ""],
        ["", "", "B1", "B2", "B3"],
    ]
    assert gantt_table(gpipe([1], [1], 1, micro=2)) == [["F1.1 F1.2", "B1.1 B1.2"]]
