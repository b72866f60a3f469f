"""Claims as tables and figures, from comparisons that are made up; runs that are kept."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.made import made

from delog_nb import Experiment, lab
from delog_nb.course.assessing import (
    FAILS,
    HOLDS,
    OPEN,
    UNTESTED,
    Assessment,
    Claim,
    Comparison,
    Counted,
    Untested,
    judge,
)
from delog_nb.experiment.identity import identity
from delog_nb.lab.charts.played import Played
from delog_nb.lab.runs import recorded
from delog_nb.lab.runs.forest import SAYS
from delog_nb.records import Record, save

SEEDS = range(3)
AHEAD = {seed: 0.05 + 0.001 * seed for seed in SEEDS}
BEHIND = {seed: -0.08 - 0.001 * seed for seed in SEEDS}


def claim(*compared: Comparison | Counted | Untested, number: str = "1") -> Assessment:
    asked = Claim(number, "name", "text", "section 1", list, "refuted", "why")
    return Assessment(asked, judge(compared), "no runs")


ASSESSED = [
    claim(
        Comparison("a − b", AHEAD, 0.02, "long", 3),
        Comparison("b − c", {0: -0.01}, 0.0, "short", 3, decides=False),
    ),
    claim(Comparison("c − d", BEHIND, 0.0, "long", 3), number="2"),
    claim(Untested("d − e", "no data"), Untested("e − f", "no data"), number="3"),
    claim(Counted("parameters", "7; BP 7", true=True), number="4"),
]


def of_the_papers_size(**choices: Any) -> Record:
    e = Experiment(preset="paper", dataset="cifar10", precision="float32", **choices)
    return replace(made(0.5), experiment=e, identity=identity(e))


def drawn(figure: Any) -> dict[str, dict[str, tuple[float, float, float]]]:
    """By name and row, a mark and both ends of its interval."""
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    for trace in figure.data:
        lows = [low or 0 for low in trace.error_x.arrayminus or [0] * len(trace.x)]
        highs = [high or 0 for high in trace.error_x.array or [0] * len(trace.x)]
        marks = zip(trace.text, trace.x, lows, highs, strict=True)
        found[trace.name] = {row: (x, x - low, x + high) for row, x, low, high in marks}
    return found


def test_verdicts_have_a_row_for_each_claim() -> None:
    rows = lab.verdicts(ASSESSED).set_index("No.")
    assert rows["Verdict"].to_dict() == {"1": HOLDS, "2": FAILS, "3": UNTESTED, "4": HOLDS}
    assert rows.loc["1", "Comparisons"] == "as the paper says: 1"
    assert rows.loc["3", "Tested on"] == "no runs"


def test_every_measured_comparison_is_drawn_beside_what_the_claim_says() -> None:
    marks = drawn(lab.findings(ASSESSED).figure)
    said = marks.pop(SAYS)
    assert {row: x for row, (x, _, _) in said.items()} == {
        "1 · a − b": 2,
        "1 · b − c (beside)": 0,
        "2 · c − d": 0,
    }
    assert {verdict: list(rows) for verdict, rows in marks.items()} == {
        HOLDS: ["1 · a − b"],
        FAILS: ["2 · c − d"],
        OPEN: ["1 · b − c (beside)"],
    }
    assert marks[OPEN]["1 · b − c (beside)"] == pytest.approx(
        (-1, -1, -1)
    )  # one seed has no interval
    (first, _), *_ = [a.findings for a in ASSESSED]
    ends = 100 * first.low, 100 * first.high
    assert marks[HOLDS]["1 · a − b"] == pytest.approx((5.1, *ends))
    half = 4.303 * 0.1 / math.sqrt(3)  # t with two degrees of freedom
    assert ends == pytest.approx((5.1 - half, 5.1 + half), 1e-4)


def test_a_page_plays_with_the_gaps_of_each_claim() -> None:
    shown = lab.findings(ASSESSED)
    assert isinstance(shown, Played)
    first, second, third, fourth = shown.data["groups"]
    assert [row["studies"] for row in first["rows"]] == [
        [[5.0, 5.1, 5.2]],
        [[-1.0]],
    ]
    assert [row["decides"] for row in first["rows"]] == [True, False]
    assert second["text"][0] == "The paper says: text"
    assert (third["rows"], third["verdicts"]) == ([], [UNTESTED, UNTESTED])
    assert third["notes"] == [f"all 2 comparisons: no data; {UNTESTED}"]
    assert fourth["notes"] == [f"parameters: 7; BP 7; {HOLDS}"]


def test_an_interval_that_is_very_wide_leaves_the_figure() -> None:
    wide = {0: -0.9, 1: 0.9}
    figure = lab.findings([claim(Comparison("a", wide))]).figure
    (x, low, high) = drawn(figure)[OPEN]["1 · a"]
    half = 12.706 * 90  # Student's t for one degree of freedom, times the standard error
    assert (x, low, high) == pytest.approx((0, -half, half), rel=1e-4, abs=1e-9)
    assert figure.layout.xaxis.range == (-40, 40)


def test_the_table_has_what_cannot_be_tested_too() -> None:
    table = lab.findings(ASSESSED).table
    assert table["Comparison"].tolist() == [
        "a − b",
        "b − c",
        "c − d",
        "all 2 comparisons",
        "parameters",
    ]
    assert table["Measured (points)"].tolist() == [
        "+5.1 ± 0.1",
        "−1.0",
        "−8.1 ± 0.1",
        "no data",
        "7; BP 7",
    ]
    assert table["Says (points)"].tolist() == ["> 2", "> 0", "> 0", "–", "–"]
    assert table["Seeds"].tolist() == ["3 of 3", "1 of 3", "3 of 3", "–", "–"]
    assert table["Interval"].tolist()[1] == "–"
    assert table["Level (%)"].tolist() == ["95", "–", "95", "–", "–"]
    assert table["Study"].tolist() == ["long", "short, beside", "long", "–", "–"]
    assert table["Verdict"].tolist() == [HOLDS, "not decided (n = 1)", FAILS, UNTESTED, HOLDS]


def test_own_runs_are_those_of_the_papers_size_that_most_were_made_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "OWN_RUNS", tmp_path / "runs")
    assert lab.own_runs() == []
    short = [of_the_papers_size(seed=seed, epochs=100) for seed in range(2)]
    long = of_the_papers_size(epochs=200)
    for run in (*short, long, made(0.5)):
        save(run, tmp_path / "runs" / "table2")
    assert {run.run_id for run in lab.own_runs()} == {run.run_id for run in short}


def test_evidence_is_what_each_studys_grids_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(recorded, "OWN_RUNS", tmp_path / "runs")
    assert lab.evidence() == {}
    folder = tmp_path / "results" / "long"
    (folder / "grids").mkdir(parents=True)
    grids = {"long-1": "[bp, al]", "long-2": "[al, delog-scl]", "none-yet": "[early-exit]"}
    for name, methods in grids.items():
        text = f"fixed: {{preset: quick, precision: float32}}\ncross: {{method: {methods}}}\n"
        (folder / "grids" / f"{name}.yaml").write_text(text)
    assert lab.evidence() == {}
    for method in ("bp", "al", "delog-scl", "predsim"):
        save(made(0.5, method=method), folder)
    found = {name: [r.experiment.method for r in runs] for name, runs in lab.evidence().items()}
    assert found == {"long": ["bp", "al", "delog-scl"]}
    own = of_the_papers_size()
    save(own, tmp_path / "runs" / "table2")
    assert [run.run_id for run in lab.evidence()["full"]] == [own.run_id]


def test_where_nothing_is_measured_the_figure_says_so() -> None:
    shown = lab.findings([claim(Untested("d − e", "no data"))])
    assert not any(trace.x for trace in shown.figure.data)
    assert shown.figure.layout.annotations[0].text == "Nothing to show yet"
    assert shown.says.endswith("Nothing to show yet.")
    assert shown.table["Verdict"].tolist() == [UNTESTED]
