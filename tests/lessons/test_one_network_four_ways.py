"""Lesson 1: its loop cuts where it says; what it says of blocks holds for three seeds."""

from __future__ import annotations

import copy
from typing import Any

import nbformat
import pytest
import torch
import torch.nn.functional as F
from support.lessons import definitions
from support.runs import ROOT
from torch import nn

from delog_nb import data, lab
from delog_nb.measure.features import features_in_training, separation

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


@pytest.mark.long
def test_which_block_groups_the_classes_further_holds_for_two_more_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DELOG_NB_PRESET", raising=False)  # the lesson's own size
    run = lab.experiment()
    images = data.load(run)
    for seed in (1, 2):  # the lesson itself has seed 0
        bp, scl = (
            separation(features_in_training(run.but(method=name, seed=seed), images))[-1]
            for name in ("bp", "delog-scl")
        )
        assert scl[0] > bp[0]
        assert scl[-1] < bp[-1]


@pytest.mark.long
def test_associated_learning_starts_last_with_two_more_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DELOG_NB_PRESET", raising=False)  # the lesson's own size
    begin = torch.manual_seed
    for seed in (1, 2):  # the lesson itself has seed 0
        run = lab.experiment(method="delog-scl", seed=seed)
        names = definitions(LESSON.stem, {"run": run, "images": data.load(run)})
        monkeypatch.setattr(torch, "manual_seed", lambda _, seed=seed: begin(seed))
        first = {way: names["train_way"](way, 1)[2][0] for way in WAYS}
        assert min(first, key=first.__getitem__) == "AL", first


@pytest.mark.long
def test_the_dips_are_those_of_running_averages(monkeypatch: pytest.MonkeyPatch) -> None:
    """After epoch 3, with the averages of the test batches, both are better than after epoch 2."""
    monkeypatch.delenv("DELOG_NB_PRESET", raising=False)  # the lesson's own size
    run = lab.experiment(method="delog-scl")
    names = definitions(LESSON.stem, {"run": run, "images": data.load(run)})
    for way in ("BP", "Delog-SCL"):
        pieces, losses, running, *_ = names["train_way"](way, 3)
        assert running[2] < running[1]
        hits = []
        with torch.no_grad():
            for views, labels in lab.test_batches(run, names["images"]):
                hits.append(names["predict_with"](pieces, losses, views).argmax(1) == labels)
        assert torch.cat(hits).float().mean() > running[1]
