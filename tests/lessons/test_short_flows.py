"""Lesson 5: its cells compute what they say, from few records and from many; its prose is so."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import RidgeClassifier
from support.lessons import SOLUTIONS, defined
from support.runs import same_history, tiny

from delog_nb import data, lab, methods, train
from delog_nb.experiment.identity import identity
from delog_nb.instruments.course_files import RESULTS
from delog_nb.measure.probes import quick_probe
from delog_nb.records import Record, readable

LESSON = "05_short_flows"
CELLS = json.loads((SOLUTIONS / f"{LESSON}.ipynb").read_text(encoding="utf-8"))["cells"]
Settings = Mapping[tuple[str, str], Sequence[int]]  # seeds by method and norm
ALL = {
    (method, norm): (3, 4, 5)
    for norm, methods in (
        ("none", ("bp", "scl-long", "delog-scl", "early-exit")),
        ("batch", ("bp", "delog-scl")),
    )
    for method in methods
}


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def output(words: str) -> str:
    """What the cell that contains ``words`` has printed, as it is stored."""
    (cell,) = (c for c in CELLS if c["cell_type"] == "code" and words in source(c))
    found = [
        "".join(out["text"] if "text" in out else out["data"].get("text/plain", ""))
        for out in cell["outputs"]
    ]
    return "\n".join(found)


def made_up(settings: Settings) -> list[Record]:
    """The study long with these settings; accuracies from nowhere."""
    base = next(r for r in readable(RESULTS / "long") if r.experiment.method == "bp")
    found = []
    for (method, norm), seeds in settings.items():
        for seed in seeds:
            rng = random.Random(f"{method} {norm} {seed}")
            e = base.experiment.but(method=method, norm=norm, seed=seed)
            history: list[Any] = [
                row | ({"test_acc": rng.random()} if row["test_acc"] is not None else {})
                for row in base.history
            ]
            results = base.results | {"test_acc": history[-1]["test_acc"]}
            found.append(
                replace(
                    base, experiment=e, identity=identity(e), history=history, results=results,
                    folder=Path("nowhere"),
                )
            )  # fmt: skip
    return found


def told(records: list[Record], monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
    """What the cells about the study long print if it holds these records; and their names."""
    monkeypatch.setattr(lab, "evidence", lambda: {"long": records}, raising=False)
    monkeypatch.setattr(lab, "train_all", lambda runs: [], raising=False)  # the digits have no part
    wanted = (
        "from statistics import",
        "NAMES = {",
        "long = {",
        "def early_accuracy(",
        'question = "',
        "def told(",
        "def paired_test(",
        "wanted = [",
        "lab.show_table(lab.verdicts(judged))",
        "first = judged[0]",
    )
    names: dict[str, Any] = {}
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        for cell in CELLS:
            if cell["cell_type"] != "code" or not any(w in source(cell) for w in wanted):
                continue
            exec(source(cell), names)
    names["gaps"] = defined(LESSON, "step_gaps", **names | {"STEPS": STEPS})(names["long"], 100)
    return shown.getvalue(), names


STEPS = {
    "losses": ("scl-long", "bp"),
    "cuts": ("delog-scl", "scl-long"),
    "both": ("delog-scl", "bp"),
}


def accuracy(record: Record, epoch: int) -> float:
    (row,) = (row for row in record.history if row["epoch"] == epoch)
    return float(row["test_acc"])


def mean_to(record: Record, last: int) -> float:
    rows: list[dict[str, Any]] = [dict(row) for row in record.history]
    inside = [r["test_acc"] for r in rows if r["test_acc"] is not None and r["epoch"] <= last]
    return float(np.mean(inside))


def test_one_component_is_bp_to_the_last_bit() -> None:
    one, bp = (train(tiny(**way)) for way in ({"components": 1}, {"method": "bp"}))
    assert same_history(one.history, bp.history)
    pairs = zip(one.model.parameters(), bp.model.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_the_paired_test_is_students(level: float) -> None:
    cell = defined(
        LESSON, "paired_test", stats=stats, mean=np.mean, stdev=lambda x: np.std(x, ddof=1)
    )
    one, other = np.random.default_rng(0).normal(0.5, 0.1, (2, 6))
    expected = stats.ttest_rel(one, other)
    low, high = expected.confidence_interval(level)
    assert cell(list(one - other), level) == pytest.approx(
        ((one - other).mean(), low, high, expected.pvalue)
    )


def test_equal_gaps_are_tested_too() -> None:
    cell = defined(
        LESSON, "paired_test", stats=stats, mean=np.mean, stdev=lambda x: np.std(x, ddof=1)
    )
    assert cell([0.0, 0.0])[-1] == pytest.approx(1)
    assert cell([0.1, 0.1, 0.1])[-1] < 0.001


def test_the_probe_is_a_ridge_classifier() -> None:
    torch.manual_seed(0)
    labels = torch.randint(0, 4, (230,))
    x = (5 + torch.randn(230, 20) + torch.randn(4, 20)[labels]).double()
    (a, b), (la, lb) = x.split([30, 200]), labels.split([30, 200])
    scaled = [((part - a.mean(0)) / a.std(0)).numpy() for part in (a, b)]
    probe = defined(LESSON, "least_squares_probe", torch=torch, F=torch.nn.functional)
    for penalty in (0.01, 1.0):
        theirs = RidgeClassifier(alpha=30 * penalty).fit(scaled[0], la.numpy())
        share = theirs.score(scaled[1], lb.numpy())
        assert quick_probe((a, la), (b, lb), penalty) == pytest.approx(share)
        assert probe((a, la), (b, lb), penalty) == pytest.approx(share)
        assert 0.5 < share < 1


def test_each_half_of_the_images_reads_the_other() -> None:
    class Kept:
        epochs, labels = [0, 10], [0, 1, 0, 1]
        scores = np.arange(2 * 2 * 4 * 3, dtype=np.float32).reshape(2, 2, 4, 3)

    seen = []

    def probe(fit: Any, test: Any) -> float:
        seen.append([fit[0][:, 0].tolist(), fit[1].tolist(), test[0][:, 0].tolist()])
        return len(seen) / 10

    read = defined(LESSON, "read_from_blocks", torch=torch, mean=mean)
    assert list(read(Kept, 10, probe)) == pytest.approx([0.15, 0.35])
    assert seen[0] == [[24, 30], [0, 0], [27, 33]]
    assert seen[1] == [[27, 33], [1, 1], [24, 30]]
    assert seen[2][0] == [36, 42]


def test_the_lesson_agrees_with_the_packages_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three seeds of everything: the same mean and interval by hand as in claim 6."""
    records = made_up(ALL)
    text, names = told(records, monkeypatch)
    runs = {(r.experiment.method, r.experiment.norm, r.experiment.seed): r for r in records}
    gaps = [
        mean_to(runs["delog-scl", "none", s], 100) - mean_to(runs["bp", "none", s], 100)
        for s in (3, 4, 5)
    ]
    assert names["lead"] == pytest.approx(gaps)
    finding = names["judged"][0].deciding[0]
    assert finding.mean == pytest.approx(np.mean(gaps))
    package, by_hand = (
        re.findall(r"[-+]\d+\.\d\d", line) for line in text.splitlines() if " level" in line
    )
    assert package == by_hand == [f"{100 * finding.low:+.2f}", f"{100 * finding.high:+.2f}"]
    for claim in names["judged"]:
        for found in claim.deciding:
            if found.study == "long":
                assert f"{found.seeds} of {found.planned} seeds: {found.verdict}" in text


def test_the_steps_add_up_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    _, names = told(made_up(ALL), monkeypatch)
    steps = names["gaps"]
    assert len(steps["both"]) == 3
    for losses, cuts, both in zip(*(steps[s] for s in ("losses", "cuts", "both")), strict=True):
        assert losses + cuts == pytest.approx(both)


def test_the_digits_differ_in_losses_and_cuts_alone() -> None:
    """All choices that two of the ways share are equal, and so are blocks, classifier, batches."""
    small = lab.experiment(width=0.25, epochs=4)
    runs = defined(LESSON, "on_digits", lab=lab)
    ways = [runs(method, 0.002)[1] for method in ("bp", "scl-long", "delog-scl", "early-exit")]
    assert [way.seed for way in runs("bp", 0.002)] == list(range(10, 16))
    weights, batches = [], []
    for way in ways:
        shared = way.choices().keys() & small.choices().keys() - {"method", "seed", "lr"}
        assert {way.get(name) == small.get(name) for name in shared} == {True}
        assert (way.lr, way.seed) == (0.002, 11)
        layers = [layer for part in methods.build(way).parts() for layer in part.layers]
        weights.append(torch.cat([p.flatten() for layer in layers for p in layer.parameters()]))
        batches.append(next(lab.train_batches(way, data.load(way), epoch=0))[0])
    for other in (1, 2, 3):
        assert torch.equal(weights[0], weights[other])
        assert torch.equal(batches[0], batches[other])


def test_few_records_are_told_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A control without a run, seeds that only one method has, and a run that diverged."""
    records = made_up({("bp", "none"): (3, 4, 5), ("delog-scl", "none"): (3, 4)})
    (lost,) = (r for r in records if (r.experiment.method, r.experiment.seed) == ("delog-scl", 4))
    records.remove(lost)
    records.append(replace(lost, results={"state": "diverged"}))
    text, names = told(records, monkeypatch)
    assert len(names["lead"]) == 1
    assert names["gaps"]["losses"] == []
    assert "Delog-SCL: 1" in text
    assert "by hand, the same level" not in text
    assert "not decided" in text
    assert "BP: 3; SCL, one flow: 0; Delog-SCL: 1" in text


def test_prose_about_records_is_so() -> None:
    """What the text says of the two records that it names, and of the digits."""
    (stuck,) = (r for r in readable(RESULTS / "start") if r.experiment.epochs == 150)
    long = sorted(lab.evidence()["long"], key=lambda r: r.experiment.seed)
    accuracies = [row["test_acc"] for row in stuck.history if row["test_acc"] is not None]
    assert max(accuracies) < 0.11  # it never left chance
    at_50 = [float(gap) for gap in re.findall(r"BP (\S+) points", output("at_50 = {"))]
    assert max(at_50) - min(at_50) > 5
    bp, cut = (
        [r for r in long if r.experiment.method == name and r.experiment.norm == "none"]
        for name in ("bp", "delog-scl")
    )
    spread = {
        epoch: stdev(
            accuracy(one, epoch) - accuracy(other, epoch)
            for one, other in zip(cut, bp, strict=True)
        )
        for epoch in range(5, 151, 5)
    }
    assert max(spread, key=lambda epoch: spread[epoch]) == 50  # "where seeds differ most"
    shares = {
        label: [float(share) for share in re.findall(r"(\d+\.\d) (?:±|%$)", line)]
        for label, line in re.findall(r"^(BP|Delog-SCL): (probe.*)$", output("epoch, table"), re.M)
    }
    probe, own = shares["BP"]
    assert own > probe + 10  # reads far more
    probe, own = shares["Delog-SCL"]
    assert 1.5 < (probe - own) / 3.3 < 2.5  # reads less, by two errors
    assert "32.5 ± 3.3" in output("epoch, table")
    assert output("epoch, table").count("same shares: True") == 4
    first, *others = (
        next(row["test_acc"] for row in r.history if row["epoch"] == 10)
        for r in long
        if (r.experiment.method, r.experiment.norm) == ("delog-scl", "none")
    )
    assert 100 * first == pytest.approx(own, abs=0.1)
    assert first < min(others)  # this seed is its worst
    rates = [
        r.results["val_acc"]
        for r in readable(RESULTS / "rates")
        if (r.experiment.method, r.experiment.dataset) == ("scl-long", "digits")
    ]
    assert (len(rates), len(set(rates))) == (4, 1)  # all four tied
    (lead,) = re.findall(r"^by hand: (.*) points", output("first = judged[0]"), re.M)
    assert all(float(gap) < 0 for gap in lead.split(", "))  # BP is ahead with every seed of long
    short = lab.recorded("short/short-1").records
    seeds = {r.experiment.seed for r in short}
    for seed in seeds:
        cut, bp = (
            next(r for r in short if (r.experiment.method, r.experiment.seed) == (name, seed))
            for name in ("delog-scl", "bp")
        )
        assert mean_to(cut, 12) < mean_to(bp, 12)  # and of short
    assert (len(short), len(seeds)) == (25, 5)
    moving = output("lab.features_in_motion(")
    (row,), (end,) = (re.findall(rf"^ *{epoch} +(.*)$", moving, re.M) for epoch in (10, 150))
    ways = re.findall(r"(?:Epoch|4) +(.+?), block 1", moving)
    grouped, at_the_end = (
        [way for _, way in sorted(zip(map(float, found.split()[3::4]), ways, strict=True))]
        for found in (row, end)
    )
    intervals, in_long = (
        {
            step: (float(low), float(high))
            for step, low, high in re.findall(r"^  ([\w ]+):.*, from (\S+) to (\S+)$", said, re.M)
        }
        for said in output("for study_name, by, found in").split("In long:")
    )
    assert (grouped[0], grouped[-1]) == ("Early Exit", "Delog-SCL")  # least, and most
    assert (at_the_end[0], at_the_end[-1]) == ("Early Exit", "SCL, one flow")  # "the control"
    for found in (intervals, in_long):  # "it is the same"
        assert found["losses"][0] < 0 < found["losses"][1]
        assert found["cuts"][1] < 0
    assert intervals["cuts and exits"][1] < -5  # far behind
    assert max(map(abs, in_long["cuts and exits"])) < 1  # level
    assert "does not hold" in output("lab.outcome(verdict_question")


def test_an_interval_has_as_many_errors_as_the_text_says() -> None:
    (said,) = re.findall(
        r"errors: ([\d.]+) of them for three runs, ([\d.]+) for six, ([\d.]+)", text()
    )
    quantiles = [stats.t.isf(0.025, runs - 1) for runs in (3, 6, 10_000)]
    assert list(said) == [f"{errors:.1f}" for errors in quantiles]


def test_there_is_one_verdict() -> None:
    """Words for what came out of a test are the package's alone."""
    assert "lab.differences" not in text()
    assert re.findall(r"lab.recorded\((.*?)\)", text()) == ['"short/short-1"']  # never the pilot
    assert not re.search(r"within noise|significant|holm", text(), re.IGNORECASE)


def text() -> str:
    return "\n".join(source(cell) for cell in CELLS)


def test_without_epoch_1_the_cuts_cost_as_much() -> None:
    """The exits are behind then: all of that interval is above 0."""
    cuts, exits = (
        [float(number) for number in re.findall(r"[-+]\d+\.\d", line)]
        for line in output("later = {").splitlines()
        if line.startswith(("cuts:", "other"))
    )
    (before,) = re.findall(r"they cost: (\S+) points", output("lab.outcome(steps_question"))
    assert abs(cuts[0] - float(before)) < 0.5
    assert cuts[2] < 0 < exits[1]


def test_at_its_own_rate_the_controls_signs_turn() -> None:
    lines = output("tuned = digits").splitlines()
    steps = {line.partition(":")[0]: line for line in lines if "mean" in line}
    for step in ("losses", "cuts"):
        now, before = (float(x) for x in re.findall(r"[-+]\d+\.\d", steps[step]))
        assert now * before < 0
    assert "it changes its sign" in output("tuned = digits")
    assert output("lab.outcome(steps_question").count("they cost") == 1
