from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest

from delog_nb.pipeline.schedule import (
    Schedule,
    balance,
    gpipe,
    one_f_one_b,
    sequential_bp,
    table_1,
    within_batch,
)

# Table 1 of the paper: in each time unit the (component, task, batch) that section 2.4 tells of,
# for the three components of Figure 3.
PAPER = {
    1: [(1, 1, 1)],
    2: [(1, 1, 2), (2, 2, 1)],
    3: [(1, 1, 3), (2, 2, 2), (3, 3, 1)],
    4: [(1, 1, 4), (2, 2, 3), (3, 3, 2)],
    5: [(1, 1, 5), (2, 2, 4), (3, 3, 3)],
}


def test_table_1_of_the_paper_cell_by_cell() -> None:
    run = table_1([1, 1, 1], batches=5)
    for unit, cells in PAPER.items():
        found = [t for t in run.tasks if t.start == unit - 1]
        # Task l is the whole training of component l on a batch
        assert sorted((t.stage + 1, t.stage + 1, t.batch + 1) for t in found) == cells
        assert all(t.kind == "task" and t.end == unit for t in found)


@pytest.mark.parametrize(("stages", "batches"), [(1, 1), (2, 7), (5, 3), (64, 10)])
def test_the_bubble_of_table_1_is_the_formula_and_component_l_meets_batch_t_at_t_plus_l(
    stages: int, batches: int
) -> None:
    run = table_1([1] * stages, batches)
    assert run.makespan == stages - 1 + batches
    assert run.bubble == pytest.approx((stages - 1) / (stages - 1 + batches))
    assert {(t.stage, t.batch): t.start for t in run.tasks} == {
        (k, b): k + b for k in range(stages) for b in range(batches)
    }
    assert run.in_flight == [1] * stages
    assert run.busy == [batches] * stages


def dependencies_hold(run: Schedule, links: list[float]) -> None:
    """No stage does two things at once, nothing starts before what it needs has come."""
    for k in range(run.stages):
        mine = sorted((t for t in run.tasks if t.stage == k), key=lambda t: (t.start, t.end))
        assert all(a.end <= b.start + 1e-9 for a, b in itertools.pairwise(mine))
    ends = {(t.stage, t.batch, t.micro, t.kind): t.end for t in run.tasks}
    assert len(ends) == len(run.tasks)
    for t in run.tasks:
        below = ends.get((t.stage - 1, t.batch, t.micro, t.kind))
        above = ends.get((t.stage + 1, t.batch, t.micro, t.kind))
        sent = run.share
        if t.kind != "backward" and below is not None:
            assert t.start >= below + sent * links[t.stage - 1] - 1e-9
        if t.kind == "backward":
            assert t.start >= ends[t.stage, t.batch, t.micro, "forward"] - 1e-9
            if run.name != "overlap within a batch" and above is not None:
                assert t.start >= above + sent * links[t.stage] - 1e-9


@pytest.mark.parametrize("schedule", [sequential_bp, gpipe, one_f_one_b, within_batch])
def test_every_schedule_does_all_work_and_keeps_what_it_depends_on(schedule: Any) -> None:
    forward, backward, links = [1.0, 2.5, 0.5, 1.0], [2.0, 3.0, 1.5, 2.0], [0.3, 0.0, 0.7]
    run = schedule(forward, backward, 3, links)
    dependencies_hold(run, links)
    for k in range(4):
        assert run.busy[k] == pytest.approx(3 * (forward[k] + backward[k]))
    ways = 1 if schedule is within_batch else 2  # gradients go back
    assert sum(send.end - send.start for send in run.sends) == pytest.approx(3 * ways * sum(links))


def test_table_1_keeps_what_it_depends_on_and_is_as_fast_as_its_slowest_stage() -> None:
    links = [0.3, 0.0, 0.7]
    run = table_1([1.0, 2.5, 0.5, 1.0], 9, links)
    dependencies_hold(run, links)
    assert run.makespan == pytest.approx(1 + 0.3 + 9 * 2.5 + 0.5 + 0.7 + 1)
    # a link that is slower than every stage is what all wait for
    assert table_1([1, 1], 10, 4).makespan == pytest.approx(1 + 10 * 4 + 1)


def test_makespans_worked_out_by_hand() -> None:
    """Three stages, forward 1 and backward 2, two batches, four micro-batches each."""
    f, b = [1.0] * 3, [2.0] * 3
    assert sequential_bp(f, b, 2).makespan == 2 * 9
    # M + K - 1 micro-batches' times up and down, for each batch
    assert gpipe(f, b, 2).makespan == pytest.approx(2 * (4 + 2) * (1 / 4 + 2 / 4))
    assert one_f_one_b(f, b, 2).makespan == pytest.approx(gpipe(f, b, 2).makespan)
    assert within_batch(f, b, 2).makespan == 2 * (3 + 2)
    assert table_1([3.0] * 3, 2).makespan == 3 * (2 + 2)
    assert gpipe(f, b, 2, micro=1).makespan == sequential_bp(f, b, 2).makespan


def test_memory_in_flight() -> None:
    f, b = [1.0] * 4, [2.0] * 4
    assert gpipe(f, b, 2, micro=8).in_flight == [1, 1, 1, 1]  # all micro-batches of a batch
    assert one_f_one_b(f, b, 2, micro=8).in_flight == [4 / 8, 3 / 8, 2 / 8, 1 / 8]
    assert within_batch(f, b, 3).in_flight == [1, 1, 1, 1]
    assert sequential_bp(f, b, 3).in_flight == [1, 1, 1, 1]


def test_a_bounded_queue_holds_the_fast_stage_back_and_costs_no_time() -> None:
    free, bounded = table_1([1, 3, 1], 20), table_1([1, 3, 1], 20, queue=2)
    assert free.makespan == bounded.makespan == 1 + 3 * 20 + 1
    assert free.waiting[1] > 10
    assert bounded.waiting[1] == 3  # two in the queue and the one that the stage keeps
    assert max(t.start for t in bounded.tasks if t.stage == 0) > max(
        t.start for t in free.tasks if t.stage == 0
    )


def test_balance_is_the_best_of_all_cuts() -> None:
    seconds = [3, 1, 4, 1, 5, 9, 2, 6]
    for stages in range(1, 9):
        found = balance(seconds, stages)
        assert [a for a, _ in found] == [0, *(b for _, b in found[:-1])]
        assert found[-1][1] == 8
        assert all(b > a for a, b in found)
        slowest = min(
            max(sum(seconds[a:b]) for a, b in itertools.pairwise((0, *cuts, 8)))
            for cuts in itertools.combinations(range(1, 8), stages - 1)
        )
        assert max(sum(seconds[a:b]) for a, b in found) == slowest


def test_times_are_of_any_unit_and_stay_exact() -> None:
    third = Fraction(1, 3)
    assert table_1([third] * 3, 3).makespan == pytest.approx(5 / 3, abs=1e-15)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: table_1([], 3), "0 stages are not allowed: from 1 to 64"),
        (lambda: table_1([1] * 65, 3), "65 stages are not allowed: from 1 to 64"),
        (lambda: table_1([1], 0), "batches = 0 is not allowed: at least 1"),
        (lambda: table_1([1, 1], 1, [1, 1]), "2 link times for 2 stages: 1"),
        (lambda: table_1([1, -1], 1), "times must not be below 0"),
        (lambda: table_1([1, 1], 1, queue=0), "queue = 0 is not allowed"),
        (lambda: gpipe([1, 1], [1], 1), "2 forward times and 1 backward times: one each"),
        (lambda: gpipe([1], [1], 1, micro=0), "micro = 0 is not allowed"),
        (lambda: balance([1, 1], 3), "cannot put 2 components on 3 stages: from 1 to 2"),
    ],
)
def test_mistakes_are_named(call: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()
