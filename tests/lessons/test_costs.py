"""Lesson 9: costs are counted right, a step taken apart is the same step, checks know right."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from support.runs import tiny

from delog_nb import methods
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS
from delog_nb.instruments.memory import LiveBytes
from delog_nb.lab.lessons.costs import (
    bill_figure,
    bill_table,
    by_depth_figure,
    by_depth_table,
    influence_figure,
    influence_table,
    seconds_table,
    stacked_figure,
    stacked_table,
    timing_bars,
    timing_spread,
)
from delog_nb.measure.cost import Bill, bill_of, longest_flow, step_flops, step_memory
from delog_nb.measure.trial import PARTS, StepInParts, Timing, Trial, time_steps
from delog_nb.methods import Batch
from delog_nb.methods.component import count_parameters


def small(method: str, **changes: object) -> Experiment:
    return tiny(method=method, device="cpu", batch_size=4, **changes)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_taken_apart_is_the_same_step(method: str) -> None:
    """Three steps, whole and apart, from the same weights on the same batch."""
    one, other = Trial(small(method)), Trial(small(method))
    apart = StepInParts(other)
    for _ in range(3):
        one.step()
        found = apart.step()
        assert tuple(found) == PARTS
        assert min(found.values()) >= 0
    for p, q in zip(one.method.parameters(), other.method.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_from_seam_to_seam_are_those_of_one_backward(method: str) -> None:
    trial = Trial(small(method))
    apart = StepInParts(trial)
    whole = copy.deepcopy(trial.method)
    index = trial.batches.parts[0]
    s, told = trial.batches.views(index), trial.batches.batch(index, 0)
    flow = apart.gradients(trial.flow())
    for part, reference, made in zip(trial.method.parts(), whole.parts(), flow, strict=True):
        s, told, loss = reference(s.detach(), told)
        loss.backward()
        for p, q in zip(part.parameters(), reference.parameters(), strict=True):
            assert p.grad is not None
            assert q.grad is not None
            torch.testing.assert_close(p.grad, q.grad)
        assert torch.equal(made.r, s)


def test_hooks_are_gone_after_a_step() -> None:
    trial = Trial(small("al"))
    StepInParts(trial).step()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in trial.method.modules())


def test_experiments_take_turns() -> None:
    timings = time_steps({"BP": small("bp"), "Delog-SCL": small("delog-scl")}, rounds=2)
    for timing in timings.values():
        assert len(timing.steps) == len(timing.parts) == len(timing.predictions) == 2
    assert all(parts["heads"] == 0 for parts in timings["BP"].parts)
    assert all(parts["heads"] > 0 for parts in timings["Delog-SCL"].parts)


@pytest.mark.parametrize("method", ["bp", "delog-scl"])
def test_memory_by_shapes_is_what_real_tensors_take(method: str) -> None:
    """With one backward of all losses, counted on the CPU."""
    run = small(method)
    model = methods.build(run)
    r, told = torch.randn(8, 1, 16, 16), Batch.of(torch.arange(8))
    with LiveBytes() as live:
        live.track([r, told.labels, *model.parameters(), *model.buffers()])
        losses = []
        for part in model.parts():
            r, told, loss = part(r.detach(), told)
            losses.append(loss)
        torch.stack(losses).sum().backward()
    count = count_parameters(model.parameters())
    found = step_memory(run, summed=True)
    assert found.stays == 12 * count
    assert sum(found) == pytest.approx(live.peak + 8 * count, rel=0.02)
    one_by_one = step_memory(run)
    assert (one_by_one.comes < 0.95 * found.comes) == (method == "delog-scl")


def test_arithmetic_is_that_of_the_formula() -> None:
    """One block and the classifier: two a multiply-add, for forward, by weights and by inputs."""
    run = small("bp", depth=1)
    samples, pixels, width = 8, 16 * 16, round(32 * run.width)
    first = 2 * samples * pixels * 9 * width
    second = 2 * samples * pixels * 9 * width * width
    hidden, classes = round(1500 * run.width), 10
    linear = 2 * samples * (width * pixels * hidden + hidden * classes)
    # no gradient goes to the images
    assert step_flops(run) == 2 * first + 3 * (second + linear)


def test_longest_flows() -> None:
    for depth, method in itertools.product((1, 3), METHODS):
        expected = depth + 2 if method == "bp" else 3
        assert longest_flow(small(method, depth=depth)) == expected


def test_a_bill_is_made_of_the_other_counts() -> None:
    run = Experiment(preset="paper", dataset="cifar10", method="delog-scl", batch_size=2)
    bill = bill_of(run)
    assert (bill.effective, bill.affiliated) == (6_318_430, 33_560_576)  # facts of the paper's net
    assert bill.bytes == sum(step_memory(run))
    assert (bill.flops, bill.longest_flow) == (step_flops(run), 3)


def test_figures_and_tables_hold_the_same_numbers() -> None:
    bars = {"BP": {"stays": 2.0, "comes": 3.0}, "AL": {"stays": 10.0, "comes": 1.0}}
    figure = stacked_figure(bars, "title", "MB", spread={"BP": (4.0, 7.0), "AL": (11.0, 12.0)})
    assert [list(bar.x) for bar in figure.data[:2]] == [[2, 10], [3, 1]]
    assert [list(line.x) for line in figure.data[2:]] == [[4, 7], [11, 12]]
    assert [note.text for note in figure.layout.annotations] == [" 5", " 11"]
    assert stacked_table(bars, "By").to_numpy().tolist() == [
        ["BP", "2", "3", "5"],
        ["AL", "10", "1", "11"],
    ]
    panels = {"flow": {"BP": {4: 6.0, 8: 10.0}, "Delog-SCL, one sum": {4: 3.0, 8: 3.0}}}
    assert [list(line.y) for line in by_depth_figure(panels).data] == [[6, 10], [3, 3]]
    assert list(by_depth_table(panels)["H = 8"]) == ["10", "3"]

    bills = {"BP": Bill(10, 0, 10**6, 10**9, 6), "AL": Bill(5, 15, 2 * 10**6, 10**9, 3)}
    assert list(bill_figure(bills, "title").data[0].x) == [2, 0.5, 2, 1, 0.5]
    row = bill_table(bills).iloc[1]
    assert row["Parameters in training"] == "20 (× 2.00)"
    assert row["Memory of a step"] == "2 MB (× 2.00)"
    assert row["Arithmetic of a step"] == "1.0 GFLOP (× 1.00)"


def test_who_listens_to_whom_is_drawn_by_place() -> None:
    found = {"BP": [[True, True], [True, True]], "AL": [[True, False], [True, True]]}
    figure = influence_figure(found)
    assert [[list(row) for row in panel.z] for panel in figure.data[:2]] == [
        [[1, 2], [1, 1]],
        [[1, 0], [1, 1]],
    ]
    assert influence_table(found).iloc[:, 1:].to_numpy().tolist() == [
        ["f₁ f₂", "f₁ f₂"],
        ["f₁", "f₁ f₂"],
    ]


def test_seconds_are_medians_of_repeated_steps() -> None:
    parts = [dict.fromkeys(PARTS, value) for value in (0.001, 0.002, 0.009)]
    one = Timing([0.01, 0.02, 0.09], parts, [1e-4] * 3)
    two = Timing([0.02, 0.04, 0.09], parts, [1e-4] * 3)
    assert timing_bars({"BP": one})["BP"]["views"] == pytest.approx(2)
    assert timing_spread({"BP": one})["BP"] == pytest.approx((7, 63))
    table = seconds_table({"BP": one, "AL": two}, train_images=100, batch_size=10, test_images=50)
    assert list(table["A step (ms)"]) == ["20 (10 to 90)", "40 (20 to 90)"]
    assert list(table["An epoch of training (s)"]) == ["0.20 (0.10 to 0.90)", "0.40 (0.20 to 0.90)"]
    assert table["Predicting the test images (s)"][0] == "0.01 (0.01 to 0.01)"
    assert list(table["A step, compared with BP"]) == ["× 1.00", "× 2.00"]
