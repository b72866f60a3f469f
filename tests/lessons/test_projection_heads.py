"""Lesson 6: its probe and its comparisons are what they say, and so is its text."""

from __future__ import annotations

import math
import re
from typing import Any

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from support.lessons import defined, shown_by
from support.runs import ROOT, tiny
from torch import Tensor, nn

import delog_nb
from delog_nb import Experiment, check_method, data, lab, methods, train
from delog_nb.components import Batch, heads
from delog_nb.course.assessing import FAILS, OPEN
from delog_nb.course.claims import CLAIMS
from delog_nb.experiment import plugins, registry
from delog_nb.lab.lessons.projection_heads import compared, digits_by_head, photographs
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.measure.cost import parameter_counts
from delog_nb.measure.features import head_outputs
from delog_nb.measure.probes import linear_probe

LESSON = "06_projection_heads"


def features(count: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    return torch.randn(count, 7, generator=generator) + 2 * torch.eye(7)[labels], labels


def test_the_cells_probe_is_the_packages() -> None:
    fitted = defined(LESSON, "fitted", torch=torch, nn=nn, F=F)
    probe = defined(LESSON, "probe", fitted=fitted)
    seen, new = features(60, 0), features(200, 1)
    assert probe(*seen, *new) == pytest.approx(linear_probe(seen, new), abs=0.006)
    assert 0.6 < probe(*seen, *new) < 1


@pytest.mark.parametrize("kind", ["identity", "linear", "mlp"])
def test_heads_are_the_papers(kind: str) -> None:
    head = defined(LESSON, "head_of_kind", nn=nn)(kind, 16 * 4 * 4)
    package = heads.projection_head(kind, (16, 16, 16), hidden=256, dim=128, pool=4)
    count = sum(p.numel() for p in head.parameters())
    assert count == sum(p.numel() for p in package.parameters())


def test_sizes_are_those_of_the_authors_networks() -> None:
    def counts(net: str, pool: int) -> tuple[int, int]:
        run = Experiment(preset="paper", dataset="cifar10", net=net, pool=pool)
        both = parameter_counts(run)
        return both.training - both.inference, both.inference

    # computed from the definitions of the authors' networks, see the parameter table
    assert counts("convnet", 0)[0] == 33_560_576
    assert counts("vgg", 0) == (57_677_824, 11_938_294)
    assert counts("resnet", 0)[0] == 61_085_696
    channels = (32, 32, 64, 64)
    assert counts("convnet", 1)[0] == sum((c + 1) * 512 + 513 * 1024 for c in channels)


def row(seed: int, block: int, accuracy: float, **other: Any) -> dict[str, Any]:
    known = {"task": "colour", "head": "mlp", "features": "z", "data": "digits", "classes": True}
    return known | {"seed": seed, "block": block, "accuracy": accuracy} | other


def test_accuracies_by_seed_are_means_over_blocks() -> None:
    probes = pd.DataFrame(
        [
            row(0, 1, 0.6),
            row(0, 2, 0.8),
            row(1, 1, 0.5),
            row(0, 1, 0.1, task="rotation"),
            row(0, 1, 0.2, head="identity"),
            row(0, 1, 0.3, features="r"),
            row(0, 1, 0.4, data="photographs"),
            row(0, 1, 0.9, classes=False),
        ]
    )
    by_seed = defined(LESSON, "by_seed", probes=probes, pd=pd)
    assert by_seed("colour", "mlp", "z") == pytest.approx({0: 0.7, 1: 0.5})
    assert by_seed("colour", "mlp", "z", "photographs") == {0: 0.4}
    assert by_seed("colour", "mlp", "z", classes=False) == {0: 0.9}


def test_the_exercises_loss_takes_the_labels_that_it_is_given() -> None:
    with_labels = defined(
        LESSON, "with_labels", delog_nb=delog_nb, losses=delog_nb.losses,
        projection_head=heads.projection_head,
    )  # fmt: skip
    goal = with_labels("linear", lambda labels, samples: samples)((4, 8, 8), 10)
    r, samples = torch.rand(6, 4, 8, 8), torch.tensor([7, 3, 5]).repeat(2)
    batch = Batch.of(torch.zeros(6, dtype=torch.long), samples)
    expected = supervised_contrastive_loss(goal.head(r), samples, 0.1)
    assert goal(r, batch).item() == pytest.approx(expected.item())


def test_photographs_are_those_of_the_sheet() -> None:
    images, source = photographs(4)
    assert source.startswith("4 of 200 ")
    assert "CIFAR-10" in source
    assert images.dtype == torch.uint8
    again, _ = photographs(2)
    assert torch.equal(images[::2], again)
    assert len({tuple(image.flatten().tolist()) for image in images}) == 4


def test_r_is_compared_as_a_loss_without_a_head_sees_it() -> None:
    run = train(tiny(head="identity", limit=60))
    images, chosen = data.load(run.experiment), torch.tensor([3, 0, 5])
    for mine, theirs in zip(
        compared(run, images, chosen), head_outputs(run, images, chosen), strict=True
    ):
        assert torch.allclose(mine, theirs, atol=1e-6)
        assert mine.norm(dim=1) == pytest.approx(torch.ones(3))


@pytest.fixture
def silent() -> Any:
    """The recorded method whose labels say nothing, registered for one test."""
    path = ROOT / "experiments" / "heads" / "without_classes.py"
    registry.use(plugins.read(path))
    return "without-classes"


def test_the_recorded_method_has_a_class_for_each_image(silent: str) -> None:
    assert check_method(silent) == []
    run = tiny(method=silent, head="mlp")
    images = data.load(run)
    views, labels = next(lab.train_batches(run, images, 0))
    samples = torch.arange(len(views) // 2).repeat(2)
    ours, theirs = methods.build(run), methods.build(run.but(method="delog-scl"))
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(p, q)  # the same first weights
    first = ours.parts()[0].train()
    r, _, loss = first(views, Batch.of(labels, samples))
    head = first.objective.get_submodule("head")
    assert loss.item() == pytest.approx(
        supervised_contrastive_loss(head(r), samples, run.tau).item(), rel=1e-4
    )


def test_recorded_runs_are_pairs_of_the_same_seeds() -> None:
    seeds: dict[tuple[str, str], set[int]] = {}
    for run in digits_by_head():
        place = run.experiment.method, run.experiment.get("head")
        seeds.setdefault(place, set()).add(run.experiment.seed)
    assert set(seeds) == {
        *(("delog-scl", head) for head in ("identity", "linear", "mlp")),
        *(("without-classes", head) for head in ("identity", "mlp")),
    }
    assert len(set(map(frozenset, seeds.values()))) == 1


# What the text says of its outputs


def told(part: str) -> str:
    """What came out, of the cell that has ``part`` in it."""
    return (
        shown_by(LESSON, part)
        .partition("It came out: ")[2]
        .partition(". You made no prediction")[0]
    )


def test_clusters_are_in_z() -> None:
    times = dict(re.findall(r"(\w \([\w ]+\)): (\d\.\d\d)", told("lab.outcome(\n    apart_q")))
    none, below, behind = (float(times[n]) for n in ("r (no head)", "r (MLP)", "z (MLP)"))
    assert behind > 1.3 * none
    assert none > below


def test_the_cells_probe_agrees_with_the_packages_in_the_lesson() -> None:
    lines = shown_by(LESSON, 'asked = [ask(split, "rotation", 600').splitlines()
    shares = [re.findall(r"(\d+\.\d)%", line) for line in lines if "turns right" in line]
    assert len(shares) == 3
    for mine, theirs in shares:
        assert float(mine) == pytest.approx(float(theirs), abs=0.6)


def test_one_network_cannot_tell_the_three_places_apart() -> None:
    lines = shown_by(LESSON, 'asked = [ask(split, "rotation", 600').splitlines()
    shares = [float(re.findall(r"(\d+\.\d)%", line)[0]) / 100 for line in lines]
    images = int(re.findall(r"of (\d+) turns", lines[0])[0])
    spread = 2 * math.sqrt(max(p * (1 - p) for p in shares) / images)
    assert len(shares) == 3
    assert max(shares) - min(shares) < spread


def test_the_explanation_passes_on_the_digits() -> None:
    assert told("lab.outcome(a_question") == "colours"
    lines = shown_by(LESSON, "lab.outcome(a_question")
    _, _, b = lines.partition("B, digits: what can surely be read better from r")
    assert re.match("[^?]*[?] It came out: colours and turns", b)
    rows = dict(re.findall(r"^ *([ABC] · \w+, \w+): .* (holds|not decided|does not)", lines, re.M))
    assert rows["C · digits, colours"] == "holds"
    assert {v for row, v in rows.items() if "photographs" in row} == {"not decided"}


def test_without_a_head_more_is_thrown_away() -> None:
    lines = shown_by(LESSON, "read from r:").splitlines()
    shares = [[float(share) for share in re.findall(r"(\d+\.\d)%", line)] for line in lines]
    for none, linear, mlp in shares[:2]:
        assert none < linear < mlp


def test_networks_with_a_head_end_higher_on_the_digits() -> None:
    lines = shown_by(LESSON, "def chosen(")
    found = dict(re.findall(r"^([\w ,]+): (\d+\.\d) ± ", lines, re.M))
    shares = {name: float(share) for name, share in found.items()}
    assert min(shares["digits, linear"], shares["digits, MLP"]) > shares["digits, none"] + 1
    pilot = [share for name, share in shares.items() if name.startswith("photographs")]
    assert shares["photographs, pilot, MLP"] < max(pilot)


def test_short_runs_give_a_linear_head_a_few_points_and_not_ten() -> None:
    lines = shown_by(LESSON, "lab.findings([assessed])")
    rows = dict(re.findall(r"^ *9 +(.+), ConvNet, short +(> .+)$", lines, re.MULTILINE))
    low, high = re.findall(r"([+−]\d+\.\d) to ([+−]\d+\.\d)", rows["linear − identity"])[0]
    assert 0.5 < float(low) < float(high) < 5.5  # "by 1 to 5 points"
    assert rows["linear − identity"].startswith("> 10")
    assert "does not hold" in rows["linear − identity"]
    assert "not decided" in rows["mlp − linear"]
    assert all("short, beside" in row and "5 of 5" in row for row in rows.values())


def test_the_guess_fails() -> None:
    last = shown_by(LESSON, "support for the guess").splitlines()[-1]
    assert last.endswith("no difference above the margin")


def test_the_papers_heads_gain_what_the_text_says() -> None:
    (claim,) = [claim for claim in CLAIMS if claim.number == "9"]
    (assessed,) = lab.checklist(lab.evidence(), [claim])
    found = {f.label: f for f in assessed.findings if "linear − identity, ConvNet" in f.label}
    ours, papers = found.values()
    assert ("the paper's heads" in papers.label, papers.seeds, ours.seeds) == (True, 3, 5)
    assert f"{100 * papers.mean:.0f}" == "4"
    assert [f"{100 * end:.0f}" for end in (ours.low, ours.high)] == ["1", "5"]
    assert ours.verdict == papers.verdict == FAILS
    open_ = [f.verdict for f in assessed.findings if "mlp − linear, ConvNet" in f.label]
    assert open_ == [OPEN, OPEN]
