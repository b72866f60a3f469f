"""Lesson 9: costs are counted right, and its text says what the stored figures say."""

from __future__ import annotations

import itertools
import re

import nbformat
import pytest
import torch
from support.runs import ROOT, tiny

from delog_nb import methods
from delog_nb.components import Batch
from delog_nb.components.component import count_parameters
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS
from delog_nb.instruments.memory import LiveBytes
from delog_nb.measure.cost import bill_of, longest_flow, step_flops, step_memory


def small(method: str, **changes: object) -> Experiment:
    return tiny(method=method, device="cpu", batch_size=4, **changes)


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


LESSON = ROOT / "notebooks" / "solutions" / "09_costs.ipynb"


@pytest.fixture(scope="module")
def told() -> str:
    """All that the stored lesson prints."""
    cells = nbformat.read(LESSON, as_version=4).cells
    outputs = [o for c in cells if c.cell_type == "code" for o in c.outputs]
    return "".join(o.get("text", o.get("data", {}).get("text/plain", "")) + "\n" for o in outputs)


def one(pattern: str, text: str) -> float:
    (found,) = re.findall(pattern, text)
    return float(found.replace(",", ""))


def test_the_lessons_tally_is_the_packages_but_for_the_batch(told: str) -> None:
    lines = re.findall(r"(.*): ([\d.]+) MB at the peak, ([\d.]+) MB by the package", told)
    assert [name for name, *_ in lines] == ["BP", "BP, checkpointed", "Delog-SCL"]
    batch = 2 * 64 * 3 * 32 * 32 * 4 / 1e6
    for _, ours, package in lines:
        gap = float(package) - float(ours)
        assert min(abs(gap), abs(gap - batch)) < 0.02


def test_checkpointing_keeps_the_gradient_and_accumulation_where_nothing_normalises(
    told: str,
) -> None:
    for norm in ("none", "batch"):
        assert one(rf"BP, checkpointed, normalisation {norm}: differs by (\S+)", told) < 1e-12
    assert one(r"BP, accumulated, normalisation none: differs by (\S+)", told) < 1e-12
    assert one(r"BP, accumulated, normalisation batch: differs by (\S+)", told) > 0.01


def test_memory_is_as_the_text_says(told: str) -> None:
    assert "least memory, all in all? It came out: BP. BP " in told
    four = {
        name: (float(whole.replace(",", "")), float(added.replace(",", "")))
        for name, whole, added in re.findall(
            r"(BP|Early Exit|AL|Delog-SCL) ([\d,]+) MB \(([\d,]+) of it added\)", told
        )
    }
    whole, added = four.pop("BP")
    for name, (own, new) in four.items():
        about = 1.5 if name == "AL" else 1
        assert new / added == pytest.approx(about, rel=0.1)
        assert own - new > 4 * (whole - added)  # "what stays is several times as much"
    adds = {
        name: one(rf"\n{re.escape(name)}: a step adds ([\d,]+) MB with 64 blocks", told)
        for name in (
            "BP",
            "BP, checkpointed",
            "BP, single images",
            "Early Exit",
            "Delog-SCL",
            "Delog-SCL, one sum",
        )
    }
    assert "It came out: BP, single images, " in told
    local = max(adds["Early Exit"], adds["Delog-SCL"])
    assert adds["BP, single images"] < local < adds["BP, checkpointed"] < adds["BP"]
    assert adds["Delog-SCL, one sum"] > adds["BP"]
    assert one(r"\nDelog-SCL: .*, ([\d.]+) times what it adds with 8", told) < 1.02
    assert one(r"\nBP: .*, ([\d.]+) times what it adds with 8", told) > 5


def test_prices_are_as_the_text_says(told: str) -> None:
    arithmetic = [
        one(rf"Delog-SCL {heads}: ([\d.]+) times BP's arithmetic", told)
        for heads in ("without heads", "with heads", "with large heads")
    ]
    assert arithmetic[0] < 0.95 < arithmetic[1] < 1.1  # "heads take it back"
    assert arithmetic[2] > 2  # "cost more than the network that they train"
    times = [
        one(rf"\n *{name} +\d+ \(\d+ to \d+\) +([\d.]+) ", told)
        for name in ("BP, checkpointed", "Delog-SCL, large heads")
    ]
    assert times[0] > 1.1  # "a second forward pass"
    assert times[1] > 1.5  # "in time too"


def test_half_the_memory_takes_depth_and_lean_heads(told: str) -> None:
    shares = re.findall(r"(the paper|\{.*\}): ([\d.]+) times BP's memory", told)
    paper, deep, lean, both = (float(share) for _, share in shares)
    assert deep > paper > 1
    assert 0.5 < lean < 1
    assert both <= 0.5


def test_heads_are_fully_connected_layers(told: str) -> None:
    rows = re.findall(r"(Early Exit|AL|Delog-SCL) +[\d,]+ +[\d,]+ +(\d+) +(\d+) +(\d+)", told)
    found = {name: tuple(map(int, numbers)) for name, *numbers in rows}
    assert found["Delog-SCL"][1:] == found["Early Exit"][1:] == (10, 2)  # of them two are BP's
    assert found["AL"][2] > 2
    assert found["Delog-SCL"][0] > 80  # "more than four fifths"


def test_properties_are_as_the_text_says(told: str) -> None:
    assert re.search(r"Longest flow with 4, 8, 16 blocks +6, 10, 18( +3, 3, 3){3}", told)
    assert re.search(r"An update waits for a block above +yes( +no){3}", told)
    assert re.search(r"Batches in training at once +1 \(as one component\) +5 +4 +5", told)
    assert told.count("weights as one by one: True") == 4
