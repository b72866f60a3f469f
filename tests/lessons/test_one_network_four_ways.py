"""Lesson 1: its loop cuts where it says; what it says of blocks holds for three seeds."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import nbformat
import pytest
import torch
import torch.nn.functional as F
from support.lessons import definitions, shown_by
from support.runs import ROOT
from torch import nn

from delog_nb import Batch, data, lab
from delog_nb.lab.lessons.one_network_four_ways import Associate, way_down
from delog_nb.measure.features import features_in_training, separation
from delog_nb.methods.al import AssociatedObjective

WAYS = ("BP", "Early Exit", "AL", "Delog-SCL")
LESSON = ROOT / "notebooks" / "solutions" / "01_one_network_four_ways.ipynb"


def defined(name: str) -> Any:
    """A function of the lesson."""
    (cell,) = (
        cell.source
        for cell in nbformat.read(LESSON, as_version=4).cells
        if cell.source.startswith(f"def {name}(")
    )
    names: dict[str, Any] = {"torch": torch, "nn": nn, "F": F}
    exec(cell, names)
    return names[name]


def classify(r: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return F.cross_entropy(r, target), target


def test_with_one_piece_the_loop_is_backpropagation() -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    plain = copy.deepcopy(ours)
    step = defined("train_step")
    mine, other = (torch.optim.SGD(net.parameters(), 0.1) for net in (ours, plain))
    for _ in range(3):
        batch, labels = torch.randn(5, 6).double(), torch.randint(0, 3, (5,))
        step([ours], [classify], [mine], batch, labels)
        other.zero_grad()
        F.cross_entropy(plain(batch), labels).backward()
        other.step()
    for p, q in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.equal(p, q)


def test_a_loss_changes_its_own_piece_and_no_other() -> None:
    step = defined("train_step")
    for place in range(3):
        pieces = [nn.Linear(4, 4) for _ in range(3)]

        def loss(
            r: torch.Tensor, target: torch.Tensor, *, counts: bool
        ) -> tuple[torch.Tensor, torch.Tensor]:
            return float(counts) * r.square().sum(), target

        goals = [lambda r, t, n=n: loss(r, t, counts=n == place) for n in range(3)]  # noqa: B023
        before = [piece.weight.detach().clone() for piece in pieces]
        optimizers = [torch.optim.SGD(piece.parameters(), 0.1) for piece in pieces]
        step(pieces, goals, optimizers, torch.randn(5, 4), torch.zeros(5))
        changed = [not torch.equal(p.weight, q) for p, q in zip(pieces, before, strict=True)]
        assert changed == [n == place for n in range(3)]


def test_the_loss_of_al_is_the_packages_on_the_same_modules() -> None:
    torch.manual_seed(0)
    losses, r, target = [Associate(8, 10), Associate(16)], torch.rand(5, 8, 8, 8), torch.arange(5)
    below, told = target, Batch.of(target)
    for loss, features in zip(losses, (r, torch.rand(5, 16, 8, 8)), strict=True):
        theirs = AssociatedObjective(loss.bridge, loss.encode, loss.decode, 10)
        value, below = loss(features, below)
        expected, code = theirs(features, told)
        assert torch.equal(value, expected)
        assert torch.equal(below, code)
        told = replace(told, target=code.detach())
    over = losses[1].bridge(features)
    assert torch.equal(way_down(losses, features), losses[0].decode(losses[1].decode(over)))


def test_the_dips_are_those_of_running_averages() -> None:
    """By the test images' own averages, both are at about 95 % after epoch 3; AL's wait stays."""
    found = {
        way: (float(running), float(own))
        for way, running, own in re.findall(
            r"(.+, epoch \d): ([\d.]+)% with running averages, ([\d.]+)% with the test images' own",
            shown_by(LESSON.stem, "with running averages"),
        )
    }
    for way in ("BP", "Delog-SCL"):
        assert found[f"{way}, epoch 3"][0] < found[f"{way}, epoch 2"][0] - 3
        assert found[f"{way}, epoch 3"][1] == pytest.approx(95, abs=1.5)
    assert max(found["AL, epoch 1"]) < 12


def test_the_separations_are_as_the_lesson_says() -> None:
    shown = shown_by(LESSON.stem, "features_in_training(")
    last = [float(number) for number in re.findall(r"\d\.\d\d", shown.splitlines()[-1])]
    bp, early_exit, scl = (last[n : n + 4] for n in (0, 4, 8))
    assert all(found == sorted(found) for found in (bp, early_exit, scl))
    assert bp[0] < min(early_exit[0], scl[0]) - abs(early_exit[0] - scl[0])
    assert bp[-1] > max(early_exit[-1], scl[-1])


@pytest.mark.long
def test_bp_separates_least_behind_the_first_block_with_another_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DELOG_NB_PRESET", raising=False)  # the lesson's own size
    run = lab.experiment(seed=1)  # the lesson itself has seed 0
    images = data.load(run)
    bp, early_exit, scl = (
        separation(features_in_training(run.but(method=name), images))[-1, 0]
        for name in ("bp", "early-exit", "delog-scl")
    )
    assert bp < min(early_exit, scl) - 0.05


@pytest.mark.long
def test_after_an_epoch_al_alone_is_near_guessing_with_two_more_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DELOG_NB_PRESET", raising=False)  # the lesson's own size
    begin = torch.manual_seed
    for seed in (1, 2):  # the lesson itself has seed 0
        run = lab.experiment(method="delog-scl", seed=seed)
        names = definitions(LESSON.stem, {"run": run, "images": data.load(run)})
        monkeypatch.setattr(torch, "manual_seed", lambda _, seed=seed: begin(seed))
        first = {
            way: names["train_pieces"](*names["pieces_and_losses"](way), epochs=1)[0][0]
            for way in WAYS
        }
        assert [way for way in WAYS if first[way] < 0.2] == ["AL"], first


def test_the_lines_under_exercise_1_train() -> None:
    """What the lesson proposes to try with one's own answer."""
    (text,) = (
        cell.source
        for cell in nbformat.read(LESSON, as_version=4).cells
        if "**1. Build: cut where you like.**" in cell.source
    )
    run = lab.experiment(preset="quick", method="delog-scl")
    names = definitions(LESSON.stem, {"run": run, "images": data.load(run)})
    names["train_pieces"].__defaults__ = (1, 0.005)  # one epoch
    (lines,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(lines, names)
    assert [len(piece) for piece in names["pieces"]] == [2, 2]
