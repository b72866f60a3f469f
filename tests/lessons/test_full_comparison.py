"""Lesson 10: claims of the paper against made-up runs whose verdicts are known; its figures."""

from __future__ import annotations

import json
import math
import re
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
    SAME,
    UNTESTED,
    Comparison,
    Counted,
    Planned,
    judge,
    together,
)
from delog_nb.course.claims import CLAIMS
from delog_nb.course.evidence import (
    CLASSES,
    FULL,
    LONG,
    SHORT,
    Runs,
    Study,
    accuracy,
    by_size,
    data_name,
    slope,
    variant,
)
from delog_nb.course.own_claims import OURS
from delog_nb.course.paired import seeds_to_decide
from delog_nb.experiment.identity import identity
from delog_nb.grids import grid
from delog_nb.lab.asks.stored import MIME as SITE
from delog_nb.lab.charts.played import FIGURE
from delog_nb.lab.lessons import full_comparison as comparing
from delog_nb.lab.lessons.full_comparison import NOW, SOURCES, Source, compared
from delog_nb.lab.runs import recorded
from delog_nb.lab.runs.recorded import GRIDS
from delog_nb.records import Record, save

CIFAR10 = {"dataset": "folder", "data_dir": "data/jpeg", "dataset_label": "CIFAR-10 (JPEG)"}
CIFAR10 |= {"data_id": "0123456789abcdef", "precision": "float32"}


def made(curve: list[float], **choices: Any) -> Record:
    small = {"preset": "paper", "limit": 400, "epochs": len(curve), "precision": "float32"}
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


LEADS = {
    "convnet": {"bp": 0.0, "early-exit": -0.1, "al": 0.04, "delog-scl": 0.08},
    "vgg": {"bp": 0.0, "early-exit": -0.1, "al": 0.04, "delog-scl": 0.08},
    "resnet": {"bp": 0.0, "early-exit": -0.2, "al": -0.15, "delog-scl": -0.1},
}


def lead(net: str, method: str, epoch: int) -> float:
    """What claims 1 to 9 say together: 6 has Delog-SCL ahead first, 7 has BP ahead in the mean."""
    if epoch > 100:
        return LEADS[net][method]
    if method != "delog-scl":
        return 0.0
    return 0.05 if epoch <= 12 else -0.1 if epoch <= 50 else 0.4


def world(
    agrees: bool, epochs: int = 200, seeds: int = 4, jitter: float = 0.002
) -> dict[str, list[Record]]:
    """Runs at the paper's size in which each of claims 1 to 9 is true, or each is false."""
    sign = 1 if agrees else -1
    rng = np.random.default_rng(0)
    found = []

    def add(seed: int, net: str, method: str, more: float = 0.0, **choices: Any) -> None:
        noise = rng.normal(0, jitter, 2)
        curve = [
            0.5 + sign * (lead(net, method, epoch) + more) + noise[int(epoch > 100)]
            for epoch in range(1, epochs + 1)
        ]
        found.append(made(curve, seed=seed, net=net, method=method, **choices))

    tiny_imagenet = {"dataset": "tiny-imagenet", "data_id": "0" * 16}
    sources: list[dict[str, Any]] = [CIFAR10, {"dataset": "cifar100"}, tiny_imagenet]
    for seed in range(seeds):
        for source in sources:
            for net, leads in LEADS.items():
                for method in leads:
                    add(seed, net, method, **source)
        for net in LEADS:
            gain = 0.02 if net == "vgg" else 0.01  # for a batch twice as large than 128
            for doubling, batch in ((-2, 32), (-1, 64), (1, 256), (2, 512), (3, 1024)):
                add(seed, net, "delog-scl", doubling * gain, batch_size=batch, **CIFAR10)
            add(seed, net, "delog-scl", -0.03, head="linear", **CIFAR10)
            add(seed, net, "delog-scl", -0.18, head="identity", **CIFAR10)
    return {"full": found}


NUMBERS = [claim.number for claim in CLAIMS]


def verdicts(studies: dict[str, list[Record]]) -> dict[str, str]:
    return {a.claim.number: a.verdict for a in lab.checklist(studies)}


def test_the_papers_claims_are_numbered_and_say_where_they_stand() -> None:
    assert NUMBERS == ["1", "2", "3", "4", "5a", "5b", "6", "7", "8", "9", "10"]
    assert all("section" in claim.source and claim.refuted for claim in CLAIMS)
    assert len({claim.name for claim in (*CLAIMS, *OURS)}) == len(CLAIMS) + len(OURS)


def test_every_claim_holds_where_the_paper_is_right() -> None:
    assert set(verdicts(world(agrees=True)).values()) == {HOLDS}


def test_every_claim_fails_where_it_is_wrong_but_for_what_is_counted() -> None:
    assert verdicts(world(agrees=False)) == dict.fromkeys(NUMBERS, FAILS) | {"10": HOLDS}


@pytest.mark.parametrize(
    "studies",
    [world(agrees=True, seeds=1), world(agrees=True, jitter=1.0, seeds=2)],
    ids=["one seed", "noise"],
)
def test_nothing_is_decided_by_too_little(studies: dict[str, list[Record]]) -> None:
    assert verdicts(studies) == dict.fromkeys(NUMBERS, OPEN) | {"10": HOLDS}


def test_without_runs_nothing_is_tested() -> None:
    found = {a.claim.number: a for a in lab.checklist({})}
    of_full = dict.fromkeys(("2", "5a", "8", "9"), UNTESTED)
    assert {n: a.verdict for n, a in found.items()} == (
        dict.fromkeys(NUMBERS, OPEN) | of_full | {"10": HOLDS}
    )
    assert {f.text for f in found["2"].deciding} == {f"needs {FULL.size}"}
    assert {f.text for f in found["5a"].findings} == {"no data here"}
    assert {f.verdict_text for f in found["5b"].findings} == {"not decided (n = 0)"}


def test_short_runs_leave_open_what_the_paper_says_of_later_epochs() -> None:
    found = {a.claim.number: a for a in lab.checklist(world(agrees=True, epochs=100))}
    for number in ("6", "7"):
        assert found[number].verdict == OPEN
        texts = {f.text for f in found[number].deciding if not f.seeds}
        assert texts == {"runs end before epoch 101"}
        assert any(f.verdict == HOLDS for f in found[number].findings)


def test_a_claim_needs_its_own_data_set() -> None:
    cifar10 = [r for r in world(agrees=True)["full"] if r.experiment.dataset == "folder"]
    found = {a.claim.number: a for a in lab.checklist({"full": cifar10})}
    assert found["1"].verdict == HOLDS
    assert (found["5a"].verdict, found["5b"].verdict) == (UNTESTED, OPEN)
    assert found["5b"].where == "no runs"
    assert "CIFAR-10 (JPEG): ConvNet, VGG; 400 images, 32 pixels, 200 epochs" in found["1"].where


def test_the_size_of_a_verdict_is_told_by_study_and_only_where_something_was_measured() -> None:
    found = {a.claim.number: a for a in lab.checklist(lab.evidence())}
    assert "; 20,000 images, 16 pixels, 150 epochs · " in found["6"].where
    assert "; 5,000 images, 32 pixels, 12 epochs" in found["6"].where
    for a in found.values():
        measured = any(f.seeds for f in a.deciding)
        assert (a.where not in ("no runs", "counted")) == measured, a.claim.number


def test_one_comparison_against_a_claim_is_enough() -> None:
    def worse(record: Record) -> Record:
        e = record.experiment
        if (e.net, e.method, e.dataset) != ("vgg", "al", "folder"):
            return record
        return replace(
            record, results=record.results | {"test_acc": record.results["test_acc"] - 0.2}
        )

    (first, *_) = lab.checklist({"full": [worse(r) for r in world(agrees=True)["full"]]})
    assert first.verdict == FAILS
    assert first.counts == "as the paper says: 3, against it: 1"


def test_runs_of_a_shorter_study_stand_beside_a_claim_of_trained_networks() -> None:
    against = world(agrees=False, epochs=12)["full"]
    (first, *_) = lab.checklist({"short": against})
    assert first.verdict == OPEN
    beside = [f for f in first.findings if not f.decides]
    assert [f.study for f in beside] == ["short"] * 4
    assert [f.seeds for f in beside] == [4] * 4
    both = lab.checklist({"short": against, **world(agrees=True)})[0]
    assert both.verdict == HOLDS
    assert [(f.study, f.verdict) for f in both.deciding] == [("full", HOLDS)] * 4


def test_a_study_has_a_name_of_the_plan() -> None:
    with pytest.raises(ExperimentError, match="no study 'longer': one of long, short, classes"):
        lab.checklist({"longer": []})


def test_verdicts_are_read_from_scipys_intervals_at_the_familys_level() -> None:
    gaps = {
        "a": [0.05, 0.06, 0.04, 0.055],
        "b": [0.01, 0.06, 0.02, -0.001],
        "c": [-0.3, -0.2, -0.25, -0.2],
        "d": [0.001, 0.002, -0.001, 0.0015],
    }
    found = judge([Comparison(name, dict(enumerate(values))) for name, values in gaps.items()])
    for finding in found:
        values = gaps[finding.label]
        test = stats.ttest_1samp(values, 0)
        assert finding.p == pytest.approx(min(1, 4 * test.pvalue))
        ends = test.confidence_interval(1 - 0.05 / 4)
        assert (finding.low, finding.high) == pytest.approx((ends.low, ends.high))
        assert (finding.p < 0.05) == (ends.low > 0 or ends.high < 0)
        assert finding.mean == pytest.approx(np.mean(values))
        assert finding.std == pytest.approx(np.std(values, ddof=1))
    assert [f.verdict for f in found] == [HOLDS, OPEN, FAILS, SAME]
    assert found[1].verdict_text == "not decided (n = 4)"


def test_a_claim_of_more_than_ten_points_is_held_to_it() -> None:
    eight = dict(enumerate([0.079, 0.08, 0.081]))
    at_least = [judge([Comparison("", eight, above)])[0].verdict for above in (0, 0.079, 0.1)]
    assert at_least == [HOLDS, SAME, FAILS]
    (said,) = judge([Counted("c", "1", true=False)])
    assert (said.verdict, said.seeds) == (FAILS, 0)
    assert math.isnan(said.p)


def test_no_comparison_decides_nothing() -> None:
    assert together([]) == UNTESTED


def test_a_slope_is_the_least_squares_one() -> None:
    rng = np.random.default_rng(1)
    sizes = (32, 128, 512)
    records = [
        made([rng.random()], seed=s, batch_size=b, **CIFAR10) for b in sizes for s in range(3)
    ][:-1]
    line = slope(
        {
            b: accuracy("convnet", "delog-scl", None if b == 128 else {"batch_size": b})
            for b in sizes
        },
        doublings=4,
    )
    found = line.by_seed(Runs(records))
    assert set(found) == {0, 1}  # a seed without all sizes is left out
    for seed, gain in found.items():
        shares = [r.results["test_acc"] for r in records if r.experiment.seed == seed]
        assert gain == pytest.approx(4 * np.polyfit(np.log2(sizes), shares, 1)[0])


def test_a_run_that_diverged_has_no_accuracy() -> None:
    good = made([0.5], seed=1, **CIFAR10)
    bad = replace(
        made([0.5], **CIFAR10), results={"test_acc": None, "state": "diverged", "diverged": {}}
    )
    assert accuracy("convnet", "delog-scl").by_seed(Runs([good, bad])) == {1: 0.5}


EVIDENCE = sorted((comparing.HOME / "experiments" / "evidence").glob("*.yaml"))


def planned_runs(study: str) -> dict[tuple[Any, ...], set[int]]:
    """The seeds of every setting that the study's grids have."""
    found: dict[tuple[Any, ...], set[int]] = {}
    for path in EVIDENCE:
        if path.stem.partition("-")[0] == study:
            for e in grid.read(path).experiments():
                setting = data_name(e), e.net, e.method, frozenset(variant(e).items())
                found.setdefault(setting, set()).add(e.seed)
    return found


@pytest.mark.parametrize("study", [LONG, SHORT, CLASSES], ids=lambda study: study.name)
def test_every_planned_comparison_has_its_runs_in_the_studys_grids(study: Study) -> None:
    there = planned_runs(study.name)
    compared = [p for claim in (*CLAIMS, *OURS) for p in claim.compare()]
    planned = [p for p in compared if isinstance(p, Planned) and p.study.name == study.name]
    assert planned
    for p in planned:
        seeds = [there[s.data, s.net, s.method, s.choices] for _, s in p.value.terms]
        assert seeds
        assert all(own == {*p.study.seeds} for own in seeds)


def test_no_comparison_has_two_verdicts_and_no_claim_one_from_another_study() -> None:
    labels: dict[tuple[str, str], str] = {}
    for assessment in [*lab.checklist(lab.evidence()), *lab.checklist(lab.evidence(), OURS)]:
        plan = assessment.claim.compare()
        for planned, finding in zip(plan, assessment.findings, strict=True):
            if isinstance(planned, Counted) or not finding.study:
                continue
            assert finding.study in (planned.study.name, "full")
            place = str(planned.value), finding.study
            assert labels.setdefault(place, finding.verdict) == finding.verdict


@pytest.mark.parametrize("name", ["table2", "table8", "table9", "figure4"])
def test_runs_of_the_recorded_grids_are_told_apart_by_what_they_vary(name: str) -> None:
    described = grid.read(GRIDS / f"{name}.yaml")
    varied = {"table8": "batch_size", "table9": "head", "figure4": "components"}.get(name)
    found = [variant(e) for e in described.experiments()]
    assert {field for choices in found for field in choices} == ({varied} if varied else set())
    assert {} in found  # the preset's own


def test_sizes_are_not_mixed() -> None:
    short, long = (world(agrees=True, epochs=n, seeds=2)["full"] for n in (12, 150))
    with pytest.raises(ExperimentError, match="one size at a time"):
        lab.checklist({"full": [*short, *long]})
    assert by_size([*long[:5], *short]) == [short, long[:5]]
    assert len(Runs([*short, *short]).find("CIFAR-10", "vgg", "al")) == 2


@pytest.mark.parametrize("name", list(SOURCES))
def test_every_place_names_a_grid_of_its_size(name: str) -> None:
    experiments = grid.read(comparing.HOME / SOURCES[name].grid).experiments()
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
    # whatever has been trained in this checkout
    monkeypatch.setattr(comparing, "OWN_RUNS", tmp_path / "runs")
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
    monkeypatch.setattr(comparing, "HOME", tmp_path)
    monkeypatch.setitem(SOURCES, "here", Source("grid.yaml", "out", "recorded"))
    assert not compared("here", "vgg").figure.data
    for e in grid.read(path).experiments():
        save(made([0.25, 0.5], preset="quick", method=e.method, net="vgg"), tmp_path / "out")
    other = made([0.25, 0.5], preset="quick", method="delog-scl", net="vgg")  # not of the grid
    save(other, tmp_path / "out")
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


LESSON = Path(__file__).resolve().parents[2] / "notebooks/solutions/10_full_comparison.ipynb"


def outputs(kind: str) -> list[Any]:
    """What the lesson's stored outputs have of a MIME type."""
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    found = [o.get("data", {}).get(kind) for cell in cells for o in cell.get("outputs", [])]
    return ["".join(data) if isinstance(data, list) else data for data in found if data]


def test_the_stored_figure_and_the_stored_table_have_one_verdict_for_each_claim() -> None:
    *_, claims = (o["data"] for o in outputs(FIGURE))
    (table,) = (text for text in outputs("text/plain") if text.lstrip().startswith("No. "))
    (listed,) = (text for text in outputs("text/markdown") if text.startswith("Decided"))
    assert [group["key"] for group in claims["groups"]] == NUMBERS
    for group in claims["groups"]:
        found = list(group["verdicts"])
        for row in (row for row in group["rows"] if row["decides"]):
            ((*points,),) = row["studies"]
            own = Comparison(row["label"], dict(enumerate(p / 100 for p in points)))
            own = replace(own, above=row["above"] / 100, planned=row["planned"])
            same = [own] * row["family"]
            found.append(judge(same)[0].verdict)
        verdict = together(found)
        lines = [" ".join(line.split()) for line in table.splitlines()]
        start = f"{group['key']} {group['name']} "
        (line,) = (text for text in lines if text.startswith(start))
        assert line.startswith(f"{start}{verdict} ")
        (said,) = (text for text in listed.splitlines() if f"({group['key']})" in text)
        assert said.startswith(f"- **{verdict.capitalize()}**: ")


@pytest.mark.long
@pytest.mark.parametrize("agrees", [True, False])
def test_the_lesson_reads_more_runs_than_there_are_today(
    agrees: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    studies = world(agrees)
    monkeypatch.setattr(recorded, "evidence", lambda: studies)
    monkeypatch.setattr(lab, "evidence", lambda: studies, raising=False)
    there: dict[str, Any] = {}
    for cell in json.loads(LESSON.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code" and "    compared,\n" not in (
            text := "".join(cell["source"])
        ):
            exec(text, there)
    told = capsys.readouterr().out
    own = [case for case in there["cases"]() if case[0] != "made up"]
    assert len(own) > 30
    found = {there["verdict_of"](*case[2:5]) for case in own}
    assert found == {HOLDS if agrees else FAILS}
    assert all(there["verdict_of"](*case[2:5]) == case[5] for case in own)
    assert len(there["decided"]) == len(CLAIMS)
    assert "4 of 3 planned seeds" in told


def test_the_lesson_says_of_no_method_how_it_compares() -> None:
    """Comparisons are the claims', and their verdicts the outputs': prose names none."""
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    text = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    assert [label for label in ("Early Exit", "Delog-SCL", "AL ") if label in text] == []
    assert not re.search(r"\b(better|worse|faster than|slower than|wins|beats)\b", text)


def test_chance_misleads_as_often_as_the_lesson_says() -> None:
    (told,) = (o["answer"] for o in outputs(SITE) if "of 100; with" in o.get("answer", ""))
    alone, corrected = (int(n) for n in re.findall(r"(\d+) of 100", told))
    assert alone == pytest.approx(100 * (1 - 0.95**6), abs=1)
    assert corrected == pytest.approx(100 * (1 - (1 - 0.05 / 6) ** 6), abs=1)


def test_the_made_up_studies_have_what_there_is_to_find() -> None:
    made, _ = (o["data"] for o in outputs(FIGURE))
    (group,) = made["groups"]

    def verdicts_of(study: int, seeds: int, family: int) -> list[tuple[str, float]]:
        found = []
        for row in group["rows"]:
            points = dict(enumerate(p / 100 for p in row["studies"][study][:seeds]))
            found.append((judge([Comparison("", points)] * family)[0].verdict, row["truth"]))
        return found

    def wrong(found: list[tuple[str, float]]) -> int:
        return sum(
            (v == HOLDS and t <= 0) or (v == FAILS and t >= 0) or (v == SAME and abs(t) >= 1)
            for v, t in found
        )

    assert {v for v, _ in verdicts_of(0, 1, 6)} == {OPEN}
    assert verdicts_of(0, made["seeds"], 6)[0] == (HOLDS, 4)
    first = [next((n for n in range(2, 31) if verdicts_of(0, n, 6)[k][0] == v), 99)
             for k, v in ((0, HOLDS), (1, HOLDS), (3, SAME))]  # fmt: skip
    assert first[0] < first[1] < first[2] <= 30
    at_three = [verdicts_of(study, 3, 1) for study in range(10)]
    assert len({tuple(v for v, _ in found) for found in at_three}) > 3
    found = [study for study in range(10) if wrong(at_three[study])]
    assert len(found) == 1
    assert not any(wrong(verdicts_of(study, 3, 6)) for study in found)


def test_the_last_solution_has_the_number_of_seeds_that_it_names() -> None:
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    (text,) = (t for c in cells if "for any number of seeds" in (t := "".join(c["source"])))
    numbers = [int(n) for n in re.findall(r"(?:says|needs?) (\d+)", text)]
    rule = math.ceil((2 * 1.5 / 2) ** 2)
    assert numbers == [rule, seeds_to_decide(2, 1.5, 0, 1), seeds_to_decide(2, 1.5, 0, 6)]
