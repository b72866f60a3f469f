"""Lesson 10: claims of the paper against made-up runs whose verdicts are known; its figures."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.runs import tiny

from delog_nb import Experiment, ExperimentError, lab
from delog_nb.course import COMPARED
from delog_nb.course.assessing import (
    FAILS,
    HOLDS,
    OPEN,
    Comparison,
    Counted,
    Runs,
    by_size,
    judge,
    together,
    variant,
)
from delog_nb.course.claims import CLAIMS, slope_by_seed
from delog_nb.experiment.identity import identity
from delog_nb.grids import grid
from delog_nb.lab.asks.predict import keep
from delog_nb.lab.lessons import full_comparison as comparing
from delog_nb.lab.lessons.full_comparison import NOW, SOURCES, Source, compared
from delog_nb.lab.runs.recorded import GRIDS
from delog_nb.records import Record, save

CIFAR10 = {"dataset": "folder", "data_dir": "data/jpeg", "dataset_label": "CIFAR-10 (JPEG)"}
CIFAR10 |= {"data_id": "0123456789abcdef", "precision": "float32"}


def made(curve: list[float], **choices: Any) -> Record:
    small = {"preset": "quick", "epochs": len(curve), "precision": "float32"}
    e = Experiment(**(small | choices))
    history = [{"epoch": k, "test_acc": share, "seconds": 2.0} for k, share in enumerate(curve, 1)]
    results = {
        "test_acc": curve[-1],
        "epochs": len(curve),
        "train_params": 1,
        "inference_params": 1,
    }
    results |= {"test_acc_at_best_val": None, "sec_per_epoch": 2.0}
    machine = {"processor": "made up", "cores": 2, "threads": 1, "gpu": None}
    versions = {"python": "3", "torch": "2", "git": None}
    return Record(e, identity(e), results, history, machine, versions, "2026-01-01")  # type: ignore[arg-type]


def world(agrees: bool, epochs: int = 200, seeds: int = 4, jitter: float = 0.002) -> list[Record]:
    """Runs in which each of claims 1 to 9 is true, or each is false; claim 10 needs no runs."""
    sign = 1 if agrees else -1
    rng = np.random.default_rng(0)
    found = []

    def add(seed: int, early: float, late: float, **choices: Any) -> None:
        noise = rng.normal(0, jitter, 2)
        turn = min(100, epochs)
        curve = [early + noise[0]] * turn + [late + noise[1]] * (epochs - turn)
        found.append(made(curve, seed=seed, **choices))

    offset = {
        "convnet": {"bp": 0, "early-exit": -0.1, "al": 0.02, "delog-scl": 0.05},
        "vgg": {"bp": 0, "early-exit": -0.1, "al": 0.02, "delog-scl": 0.05},
        "resnet": {"bp": 0, "early-exit": -0.2, "al": -0.15, "delog-scl": -0.1},
    }
    tiny_imagenet = {"dataset": "tiny-imagenet", "data_id": "0" * 16}
    sources: list[dict[str, Any]] = [CIFAR10, {"dataset": "cifar100"}, tiny_imagenet]
    for seed in range(seeds):
        for source in sources:
            for net, by_method in offset.items():
                for method, more in by_method.items():
                    # ahead at the beginning (claim 7): BP
                    early = 0.3 + sign * (0.05 if method == "bp" else 0)
                    late = 0.5 + sign * more
                    add(seed, early, late, net=net, method=method, **source)
        for net in ("convnet", "vgg", "resnet"):
            last = 0.5 + sign * offset[net]["delog-scl"]
            gain = sign * (0.02 if net == "vgg" else 0.01)  # for a batch twice as large
            for doubling, batch in ((-1, 32), (1, 128), (2, 256)):
                level = last + doubling * gain
                add(seed, 0.3, level, net=net, batch_size=batch, **CIFAR10)
            linear = last - sign * 0.03
            add(seed, 0.3, linear, net=net, head="linear", **CIFAR10)
            add(seed, 0.3, linear - sign * 0.15, net=net, head="identity", **CIFAR10)
            # behind by much first and by less later (claim 6)
            add(seed, 0.3 - sign * 0.1, last - sign * 0.01, net=net, components=1, **CIFAR10)
    return found


def verdicts(records: list[Record]) -> dict[int, str]:
    return {a.claim.number: a.verdict for a in lab.checklist(records)}


def test_ten_claims_are_numbered_and_say_where_they_stand() -> None:
    assert [claim.number for claim in CLAIMS] == list(range(1, 11))
    assert all("section" in claim.source for claim in CLAIMS)
    assert len({claim.name for claim in CLAIMS}) == 10


def test_every_claim_holds_where_the_paper_is_right() -> None:
    assert set(verdicts(world(agrees=True)).values()) == {HOLDS}


def test_every_claim_fails_where_it_is_wrong_but_for_what_is_counted() -> None:
    assert verdicts(world(agrees=False)) == dict.fromkeys(range(1, 10), FAILS) | {10: HOLDS}


@pytest.mark.parametrize(
    "records",
    [[], world(agrees=True, seeds=1), world(agrees=True, jitter=1.0, seeds=2)],
    ids=["no runs", "one seed", "noise"],
)
def test_nothing_is_decided_by_too_little(records: list[Record]) -> None:
    assert verdicts(records) == dict.fromkeys(range(1, 10), OPEN) | {10: HOLDS}


def test_short_runs_leave_open_what_the_paper_says_of_later_epochs() -> None:
    found = {a.claim.number: a for a in lab.checklist(world(agrees=True, epochs=60))}
    for number in (6, 7):
        assert found[number].verdict == OPEN
        texts = {f.text for f in found[number].findings if not f.seeds}
        assert texts == {"runs end before epoch 101"}
        assert any(f.verdict == HOLDS for f in found[number].findings)


def test_a_claim_needs_its_own_data_set() -> None:
    cifar10 = [r for r in world(agrees=True) if r.experiment.dataset == "folder"]
    found = {a.claim.number: a for a in lab.checklist(cifar10)}
    assert found[1].verdict == HOLDS
    assert found[5].verdict == OPEN
    assert found[5].where == "no runs"
    assert {f.text for f in found[5].findings} == {"no runs"}
    assert "CIFAR-10 (JPEG): ConvNet (width 0.3125), VGG (width 0.3125)" in found[1].where
    assert "400 images, 200 epochs" in found[1].where


def test_one_comparison_against_a_claim_is_enough() -> None:
    def worse(record: Record) -> Record:
        e = record.experiment
        if (e.net, e.method, e.dataset) != ("vgg", "al", "folder"):
            return record
        return replace(
            record, results=record.results | {"test_acc": record.results["test_acc"] - 0.2}
        )

    (first, *_) = lab.checklist([worse(r) for r in world(agrees=True)])
    assert first.verdict == FAILS
    assert first.counts == "as the paper says: 3, against it: 1"


def test_verdicts_are_those_of_scipys_paired_test_and_holms_correction() -> None:
    gaps = {
        "a": [0.05, 0.06, 0.04, 0.055],
        "b": [0.01, 0.03, 0.02, -0.001],
        "c": [-0.3, -0.2, -0.25, -0.2],
    }
    found = judge([Comparison(name, dict(enumerate(values))) for name, values in gaps.items()])
    tests = {name: stats.ttest_1samp(values, 0) for name, values in gaps.items()}
    # Holm by hand: c or a first, b is the largest and is not raised
    order = sorted(tests, key=lambda name: tests[name].pvalue)
    raised = np.maximum.accumulate(
        [min(1.0, tests[name].pvalue * times) for name, times in zip(order, (3, 2, 1), strict=True)]
    )
    for finding in found:
        assert finding.p == pytest.approx(raised[order.index(finding.label)])
        ends = tests[finding.label].confidence_interval(0.95)
        assert (finding.low, finding.high) == pytest.approx((ends.low, ends.high))
        assert finding.mean == pytest.approx(np.mean(gaps[finding.label]))
        assert finding.std == pytest.approx(np.std(gaps[finding.label], ddof=1))
    assert [f.verdict for f in found] == [HOLDS, OPEN, FAILS]


def test_a_claim_of_more_than_ten_points_is_held_to_it() -> None:
    eight = dict(enumerate([0.079, 0.08, 0.081]))
    at_least = [judge([Comparison("", eight, above)])[0].verdict for above in (0, 0.079, 0.1)]
    assert at_least == [HOLDS, OPEN, FAILS]
    (said,) = judge([Counted("c", "1", true=False)])
    assert (said.verdict, said.seeds) == (FAILS, 0)
    assert math.isnan(said.p)


def test_no_comparison_decides_nothing() -> None:
    assert together([]) == OPEN


def test_the_gain_of_a_doubled_batch_is_the_least_squares_slope() -> None:
    rng = np.random.default_rng(1)
    runs = {
        size: {seed: made([rng.random()], seed=seed, batch_size=size) for seed in range(3)}
        for size in (32, 64, 512)
    }
    del runs[512][2]  # a seed without all sizes is left out
    found = slope_by_seed(runs)
    assert set(found) == {0, 1}
    for seed, slope in found.items():
        shares = [by_seed[seed].results["test_acc"] for by_seed in runs.values()]
        assert slope == pytest.approx(np.polyfit(np.log2(list(runs)), shares, 1)[0])


@pytest.mark.parametrize("name", ["table2", "table8", "table9", "figure4"])
def test_runs_of_the_recorded_grids_are_told_apart_by_what_they_vary(name: str) -> None:
    described = grid.read(GRIDS / f"{name}.yaml")
    varied = {"table8": "batch_size", "table9": "head", "figure4": "components"}.get(name)
    found = [variant(e) for e in described.experiments()]
    assert {field for choices in found for field in choices} == ({varied} if varied else set())
    assert {} in found  # the preset's own


def test_sizes_are_not_mixed() -> None:
    short, long = (world(agrees=True, epochs=epochs, seeds=2) for epochs in (12, 150))
    with pytest.raises(ExperimentError, match="one size at a time"):
        lab.checklist([*short, *long])
    assert by_size([*long[:5], *short]) == [short, long[:5]]
    assert len(Runs([*short, *short]).find("CIFAR-10", "vgg", "al")) == 2


@pytest.mark.parametrize("name", list(SOURCES))
def test_every_place_names_a_grid_of_its_size(name: str) -> None:
    experiments = grid.read(comparing.ROOT / SOURCES[name].grid).experiments()
    assert {e.method for e in experiments} == {*COMPARED}
    if "paper size" in name:
        assert {e.preset for e in experiments} == {"paper"}


@pytest.mark.parametrize(
    ("data", "net", "commands"),
    [
        (
            "CIFAR-100",
            "vgg",
            [
                "delog-nb sweep experiments/paper/table3.yaml --out runs/table3",
                "delog-nb tables runs/table3",
            ],
        ),
        # the paper's Table 4 has no ConvNet
        (
            "Tiny-ImageNet",
            "convnet",
            ["delog-nb compare --preset paper --dataset tiny-imagenet --nets convnet"],
        ),
    ],
)
def test_where_there_are_no_runs_are_the_commands_and_nothing_else(
    data: str, net: str, commands: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "experiments").symlink_to(comparing.ROOT / "experiments")
    monkeypatch.setattr(comparing, "ROOT", tmp_path)  # whatever has been trained in this checkout
    shown = compared(f"{data} at paper size", net)
    assert not shown.figure.data
    assert "no runs here" in shown.figure.layout.title.text
    assert shown.table.iloc[:, 0].tolist() == commands
    assert commands[0] in shown.folded().html


@pytest.mark.parametrize("net", ["convnet", "vgg", "resnet"])
def test_the_recorded_runs_are_drawn(net: str) -> None:
    """All four methods with three seeds, as the lesson asks for them."""
    shown = compared("CIFAR-10 (JPEG) at CPU size", net)
    assert "recorded, 3 seeds" in shown.figure.layout.title.text
    assert list(shown.table)[::2] == ["BP", "Early Exit", "AL", "Delog-SCL"]
    assert len(shown.table) == 12


def test_runs_that_the_command_made_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text("fixed: {preset: quick, net: vgg, epochs: 2}\ncross: {method: [bp, al]}\n")
    monkeypatch.setattr(comparing, "ROOT", tmp_path)
    monkeypatch.setitem(SOURCES, "here", Source("grid.yaml", "out", "recorded"))
    assert not compared("here", "vgg").figure.data
    for e in grid.read(path).experiments():
        save(made([0.25, 0.5], method=e.method, net="vgg"), tmp_path / "out")
    save(made([0.25, 0.5], method="delog-scl", net="vgg"), tmp_path / "out")  # not of the grid
    both = compared("here", "vgg")
    assert "recorded, 1 seed" in both.figure.layout.title.text
    assert both.table.loc[2].to_dict() == {"BP": 50, "AL": 50}
    assert list(compared("here", "vgg", "AL").table) == ["AL"]
    assert not compared("here", "vgg", "Delog-SCL").figure.data
    assert not compared("here", "resnet").figure.data


def test_the_digits_are_made_now_at_the_learners_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "experiment", lambda **choices: tiny(**choices | {"epochs": 1}))
    comparing.made_now.cache_clear()
    shown = compared(NOW, "convnet")
    comparing.made_now.cache_clear()
    assert "made now, one seed" in shown.figure.layout.title.text
    assert list(shown.table) == ["BP", "Early Exit", "AL", "Delog-SCL"]


def test_the_quiz_tells_the_checklists_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    found = lab.checklist(world(agrees=True, seeds=3))
    assert lab.quiz_score(found).startswith("No guess yet")
    lab.quiz_question(found, 4)
    printed = capsys.readouterr().out
    assert CLAIMS[3].text in printed
    assert f"Holds. {CLAIMS[3].why}" in printed
    keep(f"Quiz: {CLAIMS[3].text}", HOLDS)
    keep(f"Quiz: {CLAIMS[0].text}", FAILS)
    assert lab.quiz_score(found) == (
        "1 of your 2 guesses agree with the runs. 8 are still to be guessed."
    )
    with pytest.raises(ValueError, match="no claim 11: there are 1, 2"):
        lab.quiz_question(found, 11)


def test_the_quiz_answers_after_a_guess(monkeypatch: Any) -> None:
    from delog_nb.lab.asks import quiz as quizzing

    shown: list[Any] = []
    monkeypatch.setattr(quizzing, "headless", lambda: False)
    monkeypatch.setattr(quizzing, "display", shown.append)
    found = lab.checklist(world(agrees=True, seeds=3))
    lab.quiz_question(found, 2)
    _, buttons, area = shown[0].children
    assert area.outputs == ()
    buttons.value = OPEN
    said, table = area.outputs
    assert "Holds.</b> Your guess: not decided." in said["data"]["text/html"]
    assert "<table" in table["data"]["text/html"]
    lab.quiz_question(found, 2)  # again: the guess is kept
    assert shown[1].children[1].value == OPEN
