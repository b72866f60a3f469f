"""Charts of time: bars of any spans, and those of schedules."""

from __future__ import annotations

from typing import Any

import pytest

from delog_nb import lab
from delog_nb.lab.charts.gantt import Span
from delog_nb.lab.charts.style import GREYS, METHOD_COLORS
from delog_nb.pipeline.schedule import Schedule, gpipe, one_f_one_b, sequential_bp, table_1


def bars(figure: Any) -> set[tuple[str, float, float, float]]:
    """By kind and place, from when to when there is a bar."""
    return {
        (trace.name, y, start, start + length)
        for trace in figure.data
        for y, start, length in zip(trace.y, trace.base, trace.x, strict=True)
    }


def test_bars_are_the_tasks_of_the_schedule() -> None:
    run = sequential_bp([1.0, 2.0], [3.0, 4.0], 2, 0.5)
    shown = lab.schedule(run, unit="ms")
    names = {"forward": "forward", "backward": "backward and update", "send": "sending"}
    tasks = {(names[t.kind], t.stage, t.start, t.end) for t in run.tasks}
    sends = {(names[t.kind], t.stage + 0.5, t.start, t.end) for t in run.sends}  # below its row
    assert bars(shown.figure) == tasks | sends
    assert "Sequential BP: 2 batches in 22 ms, bubble 55 %" in shown.figure.layout.title.text
    assert shown.figure.layout.xaxis.title.text == "Time (ms)"
    rows = shown.table[["Row", "Kind", "From", "To"]].itertuples(index=False)
    assert {tuple(row) for row in rows} == {
        (f"Component {t.stage + 1}", names[t.kind], t.start, t.end)
        for t in (*run.tasks, *run.sends)
    }


def test_what_goes_over_a_link_is_thin_and_marked_and_has_no_text() -> None:
    tasks, sends = lab.schedule(table_1([1, 1], 3, 0.25)).figure.data
    assert max(sends.width) < min(tasks.width)
    assert sends.marker.pattern.shape != tasks.marker.pattern.shape
    assert not any(sends.text)


def test_batches_have_the_same_grey_on_every_component() -> None:
    (trace,) = lab.schedule(table_1([1, 1], 3)).figure.data
    assert list(trace.text) == ["1", "2", "3", "1", "2", "3"]
    colors = dict(zip(trace.text, trace.marker.color, strict=True))
    assert [colors[label] for label in trace.text] == list(trace.marker.color)
    assert len(set(trace.marker.color)) == 3
    assert not set(trace.marker.color) & set(METHOD_COLORS)  # which are the methods'


def test_a_backward_pass_has_its_batchs_grey_and_another_pattern() -> None:
    forward, backward = lab.schedule(sequential_bp([1, 1], [1, 1], 2)).figure.data
    assert list(forward.text) == ["F1", "F2", "F1", "F2"]
    assert list(backward.text) == ["B1", "B2", "B1", "B2"]
    assert forward.marker.color == backward.marker.color
    assert forward.marker.pattern.shape != backward.marker.pattern.shape


def test_micro_batches_have_their_number_and_their_batchs_grey() -> None:
    forward, backward = lab.schedule(one_f_one_b([1], [1], 2, micro=2)).figure.data
    assert backward.name == "backward"  # the update comes once a batch
    assert list(forward.text) == ["1.1", "1.2", "2.1", "2.2"]
    assert list(forward.marker.color) == [GREYS[0], GREYS[0], GREYS[1], GREYS[1]]


def test_rows_can_be_called_something_else() -> None:
    figure = lab.schedule(table_1([1, 1], 3), row="Process").figure
    assert figure.layout.yaxis.ticktext == ("Process 1", "Process 2")
    assert figure.data[0].customdata[0].startswith("Process 1, 1 (task")


def test_the_first_row_is_on_top() -> None:
    axis = lab.schedule(table_1([1, 1], 3)).figure.layout.yaxis
    bottom, top = axis.range
    assert bottom > axis.tickvals[1] > axis.tickvals[0] > top


def test_the_axis_ends_where_it_is_told_to() -> None:
    for until, end in ((None, 4), (10, 10)):
        figure = lab.schedule(table_1([1, 1], 3), until=until).figure
        assert figure.layout.xaxis.range[0] == 0
        assert end <= figure.layout.xaxis.range[1] < 1.1 * end


def test_several_schedules_share_an_axis_and_each_has_its_panel() -> None:
    runs = {"BP": sequential_bp([1, 1], [1, 1], 2), "Table 1": table_1([2, 2], 2)}
    shown = lab.schedule(runs)
    ends = {name: rows["To"].max() for name, rows in shown.table.groupby("Panel")}
    assert ends == {name: run.makespan for name, run in runs.items()}
    assert [note.text for note in shown.figure.layout.annotations] == list(runs)
    axes = {trace.yaxis for trace in shown.figure.data}
    assert len(axes) == len(runs)
    assert shown.figure.layout.xaxis.range == shown.figure.layout.xaxis2.range
    legend = [trace.name for trace in shown.figure.data if trace.showlegend]
    assert len(legend) == len(set(legend)) == 3


@pytest.mark.parametrize(
    "run", [table_1([1, 2], 3, 0.25), gpipe([1, 1], [2, 2], 30)], ids=["short", "long"]
)
def test_the_slider_moves_through_the_run_and_opens_at_its_end(run: Schedule) -> None:
    figure = lab.schedule(run, play=True).figure
    (slider,) = figure.layout.sliders
    names = [frame.name for frame in figure.frames]
    assert [step.args[0][0] for step in slider.steps] == names
    assert 5 < len(names) <= 33
    assert float(names[0]) == 0
    assert slider.active == len(names) - 1
    done = [sum(sum(trace.x) for trace in frame.data) for frame in figure.frames]
    assert done[0] == 0
    assert done == sorted(done)
    assert done[-1] == pytest.approx(sum(sum(trace.x) for trace in figure.data))
    work = sum(t.end - t.start for t in (*run.tasks, *run.sends))
    assert done[-1] == pytest.approx(work)
    texts = [sum(map(bool, trace.text)) for trace in figure.frames[0].data]
    assert not any(texts)  # nothing has begun
    assert not lab.schedule(run).figure.frames


def test_sixty_four_components_and_many_batches_can_be_drawn() -> None:
    figure = lab.schedule(table_1([1] * 64, 20)).figure
    assert len(figure.data[0].x) == 64 * 20
    assert not any(figure.data[0].text)
    assert figure.layout.height < 1000
    assert len(figure.layout.yaxis.tickvals) <= 16


def test_spans_of_anything_are_drawn_and_told() -> None:
    rows = {"up": [Span(0, 1, "a"), (2, 4, "b", "pause")], "down": [Span(1, 3, group=1)]}
    shown = lab.gantt(rows, "Two <rows>", "Time (s)")
    assert bars(shown.figure) == {("", 0, 0, 1), ("pause", 0, 2, 4), ("", 1, 1, 3)}
    assert shown.table["To"].tolist() == [1, 4, 3]
    assert shown.says == "Two <rows>. 3 spans in 2 rows, the last ends at 4."
    assert shown.figure.layout.showlegend
    assert not lab.gantt({"a": [(0, 1)]}, "t", "x").figure.layout.showlegend
