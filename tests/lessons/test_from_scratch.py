"""Lesson 4: what it measures and draws is so, and its checks know right from wrong."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from support.lessons import shown_by
from support.runs import ROOT, same_history, tiny
from torch import Tensor, nn

from delog_nb import data, lab, methods
from delog_nb.components import Batch
from delog_nb.lab.charts.boxes import sub
from delog_nb.measure.cost import parameter_counts
from delog_nb.measure.paths import paths
from delog_nb.measure.reach import reach
from delog_nb.training import train

STUDENTS = ROOT / "notebooks" / "04_from_scratch.ipynb"
SOLVED = ROOT / "notebooks" / "solutions" / STUDENTS.name


def chain(detach: bool) -> tuple[list[Tensor], list[nn.Module]]:
    """Three linear layers with a loss each."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(3, 3) for _ in range(3)]
    r, losses = torch.randn(5, 3), []
    for layer in layers:
        r = layer(r.detach() if detach else r).tanh()
        losses.append(r.square().sum())
    return losses, layers


@pytest.mark.parametrize("detach", [True, False])
def test_reach_is_the_length_of_what_backward_leaves_in_grad(detach: bool) -> None:
    losses, layers = chain(detach)
    found = reach(losses, layers)
    assert all(p.grad is None for layer in layers for p in layer.parameters())
    for row, loss in enumerate(losses):
        for layer in layers:
            layer.zero_grad(set_to_none=True)
        loss.backward(retain_graph=True)
        for column, layer in enumerate(layers):
            gradients = [p.grad.flatten() for p in layer.parameters() if p.grad is not None]
            assert bool(gradients) == (column == row or (column < row and not detach))
            if gradients:
                length = torch.cat(gradients).norm().item()
                assert found[row, column].item() == pytest.approx(length, rel=1e-5)
            else:
                assert found[row, column].isnan()


def test_a_gradient_of_zero_is_not_none() -> None:
    layer = nn.Linear(2, 1)
    (found,) = reach([(layer(torch.ones(1, 2)) * 0).sum()], [layer])
    assert found.tolist() == [0.0]


def test_train_batches_are_those_of_training() -> None:
    """A loop over them ends, bit for bit, at the losses of `delog_nb.train`."""
    run = tiny(method="delog-scl", device="cpu", limit=100)
    images = data.load(run)
    method = methods.build(run).to(memory_format=torch.channels_last)
    adams = [torch.optim.Adam(part.parameters(), run.lr, fused=True) for part in method.parts()]
    total = torch.zeros(len(adams))
    for batch, labels in lab.train_batches(run, images, 0):
        r, count = batch, len(labels) // 2
        for place, (part, adam) in enumerate(zip(method.parts(), adams, strict=True)):
            r, _, loss = part(r.detach(), Batch.of(labels))
            loss.backward()
            adam.step()
            adam.zero_grad()
            total[place] += loss.detach() * count
    history = train(run, data=images).history
    means = (total / len(images.train)).tolist()
    row: dict[str, Any] = {f"loss_{n}": loss for n, loss in enumerate(means, 1)}
    assert same_history([{n: history[0][n] for n in row}], [row])


def test_test_batches_are_all_test_images_once() -> None:
    run = tiny()
    images = data.load(run)
    pixels, labels = zip(*lab.test_batches(run, images), strict=True)
    assert torch.equal(torch.cat(labels), images.test.labels)
    back = torch.cat(pixels) * images.std[0] + images.mean[0]
    assert torch.equal((back * 255).round().to(torch.uint8), images.test.images)


def test_components_are_counted_and_a_prediction_passes_every_head() -> None:
    run = tiny(depth=3)
    shown = lab.cut_network({"Delog-SCL": paths(run, data.load(run))}, "One way")
    effective, affiliated = (
        shown.table[f"{kind} parameters"].sum() for kind in ("Effective", "Affiliated")
    )
    assert (effective + affiliated, effective) == parameter_counts(run)
    assert shown.table["Loss"].tolist() == ["SCL₁", "SCL₂", "SCL₃", "CE₄"]
    assert shown.says.endswith("prediction: f₁ f₂ f₃ classifier.")
    assert sub("L", 10) == "L₁₀"


@pytest.mark.long
def test_with_open_blanks_the_lesson_runs_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "DELOG_NB_PRESET", "quick")
    lesson = nbformat.read(STUDENTS, as_version=4)
    NotebookClient(lesson, resources={"metadata": {"path": str(STUDENTS.parent)}}).execute()
    texts = [str(output) for cell in lesson.cells for output in cell.get("outputs", [])]
    assert sum("The lesson goes on with ours" in text for text in texts) == 3
    assert sum("put your answer in place of the three dots" in text for text in texts) == 6


@pytest.mark.long
def test_broken_steps_end_where_the_lesson_says_with_two_more_seeds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DELOG_NB_PRESET", raising=False)  # the lesson's own size
    for seed in (1, 2):  # the lesson itself has seed 0
        names: dict[str, Any] = {}
        for cell in nbformat.read(SOLVED, as_version=4).cells:
            defines = cell.source.lstrip().startswith(
                ("def ", "class ", "import", "steps", "run =")
            )
            if cell.cell_type == "code" and (defines or "def headless_step" in cell.source):
                exec(cell.source.replace("lab.cut_network", "(lambda *_: None)"), names)
                if cell.source.startswith("run ="):
                    names["run"] = names["run"].but(seed=seed)
            if cell.source.startswith("def train_with"):
                break
        del names["steps"]["no detach"]  # of which nothing is said
        train_with, new_network = names["train_with"], names["new_network"]
        last = {way: train_with(step, new_network()) for way, step in names["steps"].items()}
        torch.manual_seed(seed)
        pixels, classes = math.prod(names["images"].shape), len(names["images"].classes)
        alone = nn.ModuleList([names["classifier"](pixels, classes)])
        last["alone"] = train_with(names["local_step"], alone)
        assert last["alone"] < last["detach before the head"] < last["correct"], (seed, last)
        assert abs(last["no heads"] - last["correct"]) < 0.04, (seed, last)


def test_the_misplaced_detach_lets_losses_fall_and_blocks_stay() -> None:
    lines = shown_by(SOLVED.stem, "its block is {told}").splitlines()
    assert len(lines) == 3
    for line in lines:
        before, after = map(float, re.findall(r" (\d\.\d+)[,;]", line))
        assert after < before - 1
        assert line.endswith("its block is unchanged")


def test_memory_falls_only_where_a_component_goes_backward_at_once() -> None:
    lines = shown_by(SOLVED.stem, "peaks = {").splitlines()[-3:]
    uncut, summed, at_once = (list(map(int, re.findall(r"(\d+) MB", line))) for line in lines)
    assert uncut == summed
    assert uncut[1] > 1.9 * uncut[0]
    assert uncut[0] / 12 < at_once[0] < uncut[0] / 4
    assert at_once[1] < 1.5 * at_once[0]
