"""Lesson 9: costs are counted right, a step taken apart is the same step, checks know right."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from support.runs import tiny

from delog_nb import methods
from delog_nb.components import Batch
from delog_nb.components.component import count_parameters
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS
from delog_nb.instruments.memory import LiveBytes
from delog_nb.measure.cost import bill_of, longest_flow, step_flops, step_memory
from delog_nb.measure.trial import PARTS, StepInParts, Trial, time_steps
from delog_nb.training import local_losses


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
    plain = local_losses(whole.parts(), s, told, trial.context, trial.draws)
    parts = zip(trial.method.parts(), whole.parts(), flow, plain, strict=True)
    for part, reference, made, (r, _, loss) in parts:
        loss.backward()
        for p, q in zip(part.parameters(), reference.parameters(), strict=True):
            assert p.grad is not None
            assert q.grad is not None
            torch.testing.assert_close(p.grad, q.grad)
        assert torch.equal(made.r, r)


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
        # AugLocal's last component has three of the ConvNet's layers, two a block, and no cut
        expected = {
            "bp": depth + 2,
            "scl-long": depth + 2,
            "auglocal": min(2 * depth, 3) + 2,
        }.get(method, 3)
        assert longest_flow(small(method, depth=depth)) == expected


def test_a_bill_is_made_of_the_other_counts() -> None:
    run = Experiment(preset="paper", dataset="cifar10", method="delog-scl", batch_size=2)
    bill = bill_of(run)
    assert (bill.effective, bill.affiliated) == (6_318_430, 33_560_576)  # facts of the paper's net
    assert bill.bytes == sum(step_memory(run))
    assert (bill.flops, bill.longest_flow) == (step_flops(run), 3)
