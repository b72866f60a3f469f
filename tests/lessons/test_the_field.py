"""Lesson 13: its lines are the package's losses, and its tables and text say what is there."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import nbformat
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from support.lessons import defined, shown_by
from support.runs import ROOT, tiny

from delog_nb import Batch, data, lab, methods, train
from delog_nb.components import Component
from delog_nb.course.building import tags
from delog_nb.course.exercises import check
from delog_nb.experiment.published import published
from delog_nb.experiment.registry import METHODS
from delog_nb.grids import grid
from delog_nb.lab.lessons.the_field import by_component, measured, reported
from delog_nb.losses import info_nce, similarity_matrix, supervised_contrastive_loss
from delog_nb.measure.invariance import CLASS, Probe, write_probes
from delog_nb.measure.paths import paths
from delog_nb.records import readable, record_of, save

LESSON = "13_the_field"
SIX = ["predsim", "gim", "dgl", "infopro", "auglocal", "cwcomp"]
STORED = nbformat.read(ROOT / "notebooks" / "solutions" / f"{LESSON}.ipynb", as_version=4)


def line(name: str) -> Any:
    """A line of loss as the lesson has it."""
    names: dict[str, Any] = {
        "CE": F.cross_entropy,
        "BCE": F.binary_cross_entropy_with_logits,
        "MSE": F.mse_loss,
        "S": similarity_matrix,
        "SCL": supervised_contrastive_loss,
        "F": F,
        "torch": torch,
        "info_nce": info_nce,
        "classes": 10,
    }
    for helper in ("goodness", "further_down"):
        names[helper] = defined(LESSON, helper, **names)
    return defined(LESSON, name, **names)


def given(name: str) -> list[tuple[Component, Any]]:
    """The components of a method, each with its features, labels and images in [0, 1]."""
    run = tiny(method=name)
    images = data.load(run)
    views, y = next(lab.train_batches(run, images, epoch=0))
    x = (views * images.std[0] + images.mean[0]).clamp(0, 1)
    found, r = [], views
    for part in methods.build(run).parts():
        r = part.layers(r).detach()
        found.append((part, (part.objective, r, y, x)))
    return found


@pytest.mark.parametrize(
    ("name", "written", "places"),
    [
        ("predsim", "predsim", range(8)),
        ("gim", "gim", range(4)),
        ("dgl", "dgl", range(8)),
        ("auglocal", "dgl", range(5)),
        ("infopro", "infopro", (1, 2)),
        ("cwcomp", "cwcomp", range(8)),
    ],
)
def test_each_line_is_the_packages_loss(name: str, written: str, places: range) -> None:
    found = given(name)
    for place in places:
        _, (o, r, y, x) = found[place]
        torch.manual_seed(0)
        ours = line(written)(o, r, y, x)
        torch.manual_seed(0)
        torch.testing.assert_close(ours, o(r, Batch.of(y, inputs=x)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SIX)
def test_what_a_loss_hears_is_found_by_trying(name: str) -> None:
    hears = defined(LESSON, "hears", torch=torch, Batch=Batch)
    expected = {"gim": [], "infopro": ["labels", "images"]}.get(name, ["labels"])
    assert hears(*given(name)[1][1]) == expected


def test_reported_figures_are_those_of_the_file_with_bp_of_the_same_source() -> None:
    with (ROOT / "delog_nb" / "methods" / "published.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = reported(SIX)
    assert set(table["Method"]) == {METHODS[name].label for name in SIX}
    for shown in table.to_dict("records"):
        same = [
            row
            for row in rows
            if (row["source"], row["net"], row["dataset"])
            == (shown["Source"], shown["Net"], shown["Data"])
        ]
        own = [row for row in same if METHODS[row["method"]].label == shown["Method"]]
        most = max(own, key=lambda row: int(row["components"]))
        assert int(most["components"]) == shown["Components"]
        assert most["test_error"] == shown["Test error (%)"]
        whole = [row["test_error"] for row in same if row["method"] == "bp"]
        assert shown["BP there (%)"] == (whole or ["–"])[0]


def test_measured_says_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    (folder / grid.GRIDS).mkdir(parents=True)
    fixed = {"preset": "quick", "limit": 200, "batch_size": 32, "epochs": 2, "precision": "float32"}
    plan = grid.Grid(title="x", fixed=fixed, cross={"seed": [0, 1], "method": ["bp", "dgl", "gim"]})
    (folder / grid.GRIDS / "digits.yaml").write_text(grid.text_of(plan))
    errors = []
    for seed in (0, 1, 2):
        record = record_of(train(tiny(method="bp", seed=seed)))
        place = save(record, folder)
        if seed == 2:  # beside the grid
            continue
        errors.append(100 - 100 * record.results["test_acc"])
        block = [Probe(b, "r", CLASS, 0.25 * b, 0.1, 50) for b in (1, 2, 3)]
        write_probes([*block, Probe(3, "r", "rotation", 1.0, 0.1, 50)], place)
    lost = record_of(train(tiny(method="dgl")))
    where = {"epoch": 2, "step": 3, "component": 1}
    diverged = lost.results | {"state": "diverged", "diverged": where, "test_acc": None}
    save(replace(lost, results=diverged), folder)
    table = measured(["bp", "dgl", "gim"], tmp_path).set_index("Method")
    mean, apart = sum(errors) / 2, abs(errors[0] - errors[1]) / 2**0.5
    own = table["Digits: test error (%)"]
    assert own["BP"] == f"{mean:.1f} ± {apart:.1f} (n 2)"
    assert own["DGL"] == "1 diverged"
    assert own["Greedy InfoMax"] == "no runs yet"
    assert table["Digits: of a probe on the last block (%)"]["BP"] == "25.0 ± 0.0 (n 2)"
    assert len(table.columns) == 2  # a study without runs has no column


def stored(part: str) -> str:
    """What the cell with ``part`` in it shows, as text."""
    (cell,) = [c for c in STORED.cells if c.cell_type == "code" and part in c.source]
    texts = [o.get("text") or o["data"].get("text/plain", "") for o in cell.outputs]
    return "\n".join(texts)


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"[+-]?\d+\.\d+", text)]


def test_published_figures_in_the_text_are_those_of_the_file() -> None:
    text = "\n".join(c.source for c in STORED.cells if c.cell_type == "markdown")
    (told,) = re.findall(r"PredSim's own paper: .*", text)
    figures = [f for name in ("bp", "predsim") for f in published(name)]
    there = {
        f["test_error"]
        for f in figures
        if f["dataset"] == "CIFAR-10"
        and (f["source"].startswith("Nokland") or f["source"].startswith("Ma "))
    }
    assert {f"{number:.2f}" for number in numbers(told)} == there - {"25.05"}
    for name in ("dgl", "infopro"):  # "the same direction"
        for net in ("ResNet-32", "ResNet-110"):
            own = {
                int(f["components"]): float(f["test_error"])
                for f in published(name)
                if f["net"] == net and f["source"].startswith("Wang")
            }
            assert sorted(own) == [2, 4, 8, 16]
            assert [own[k] for k in sorted(own)] == sorted(own.values())
    # of Löwe et al.: accuracies of 81.9, of CPC 80.5 and of the supervised net 71.4 %
    partners = re.findall(r"partners of Greedy InfoMax .*", stored("reported(six)"))[-1]
    assert numbers(partners) == [pytest.approx(100 - accuracy) for accuracy in (80.5, 71.4)]
    (gim,) = published("gim")
    assert float(gim["test_error"]) <= numbers(partners)[0]


def test_the_text_about_one_minute_is_true_of_the_stored_runs() -> None:
    shares = dict(re.findall(r"^ *(\S.*?) \(\d\) +([\d.]+\d)$", stored("Twelve methods"), re.M))
    reached = {name: float(share) for name, share in shares.items()}
    assert len(reached) == len(METHODS) - 1  # all but BP
    assert [reached["Greedy InfoMax"], reached["CwComp"]] == sorted(reached.values())[:2]
    run = lab.experiment(method="gim")
    assert (run.norm, run.get("gim_ahead")) == ("batch", 5)
    predictors = methods.build(run).parts()[0].objective.predictors
    assert len(predictors) == 1  # "one prediction, not five"
    aux = dict(re.findall(r"(AugLocal|DGL) .* (\d+) %", stored("def hears")))
    assert 3 * int(aux["AugLocal"]) < int(aux["DGL"])  # "deep, but much smaller than DGL's"
    for name in ("Greedy InfoMax", "CwComp"):
        row = re.findall(rf"{name} .*", stored("lab.show_table(kept)"))[0]
        said, read = numbers(row)[::2][:2]
        assert said > 3 * read
        if name == "Greedy InfoMax":
            asked, told = stored("answers, read = kept"), stored("lab.outcome(blocks")
            assert f"its test error is {said} %" in asked
            assert f"It came out: {read} %" in told
            assert abs(read - 10) < 2  # one of the options


def test_the_text_about_the_gap_is_true_of_the_stored_runs() -> None:
    first, last = numbers(re.findall(r"It came out: from .*", stored('title = "The gap'))[0])
    assert last - first > 2  # one of the options, and the text takes it for what came out
    (six,) = re.findall(r"^ *6 +([\d.]+) ±", stored('title = "The gap'), re.M)
    assert float(six) - first < 2  # "so it is up to 6 components"
    said = r"At 6 .* interval (\S+) to (\S+)$"  # "nor is which has the smaller gap at 6"
    low, high = re.findall(said, stored("half = 4.30 * error"), re.M | re.S)[0]
    assert float(low) < 0 < float(high)


def test_the_text_about_the_transformer_is_true_of_the_stored_runs() -> None:
    shown = stored("chance: {")
    orders = [row.partition(": ")[2] for row in shown.splitlines() if row[:4] in ("Conv", "Tran")]
    assert len(orders) == 2
    assert orders[0] != orders[1]
    chance, lowest = re.findall(r"chance: (\d+) %, lowest of all: ([\d.]+) %", shown)[0]
    assert float(lowest) > 2 * float(chance)  # "all of them learn"


def test_what_is_to_be_debugged_leaks() -> None:
    (cell,) = [c for c in STORED.cells if "def auxiliary" in c.source and "exercise" in tags(c)]
    names: dict[str, Any] = {}
    exec(compile(cell.source, LESSON, "exec"), names)
    told = repr(check("own-weights", names["auxiliary"]))
    assert "still has parameters of the network's own layers" in told


def test_the_gap_of_dgl_grows_with_every_seed_and_is_not_decided() -> None:
    told = shown_by(LESSON, "half = 4.30 * error")
    seeds, low, high = re.findall(
        r"^DGL, .* changes by (.*) points\n.* interval (\S+) to (\S+)$", told, re.M
    )[0]
    assert all(float(points) > 0 for points in seeds.split(", "))
    assert float(low) < 0 < float(high)
    # "seven leave out 0 in five cases of six": the growth and its spread as found
    points = [float(each) for each in seeds.split(", ")]
    effect = mean(points) / (stdev(points) / 7**0.5)
    power = stats.nct.sf(stats.t.isf(0.025, 6), 6, effect)
    assert power == pytest.approx(5 / 6, abs=0.04)
    assert f"{mean(points):.0f} points" == "13 points"
    assert stats.t.isf(0.025, len(seeds.split(", ")) - 1) == pytest.approx(4.30, abs=0.005)


def test_rates_at_the_edge_are_those_that_the_text_names() -> None:
    tried: dict[str, dict[float, float]] = {}
    for record in readable(ROOT / "results" / "rates"):
        run = record.experiment
        if run.dataset == "digits":
            tried.setdefault(run.method, {})[run.lr] = record.results["val_acc"]
    assert len(tried) == len(METHODS)
    best = {name: [lr for lr in of if of[lr] == max(of.values())] for name, of in tried.items()}
    assert [name for name, lrs in best.items() if min(lrs) == max(tried[name])] == ["cwcomp"]
    assert [name for name, lrs in best.items() if max(lrs) == min(tried[name])] == ["al"]
    assert min(best["scl-long"]) == min(tried["scl-long"])  # a tie: taken by the preset
    assert lab.experiment(method="scl-long").lr == min(tried["scl-long"])


def test_losses_are_numbered_by_component_and_blocks_by_their_layers() -> None:
    run = tiny(method="infopro")
    found = paths(run, data.load(run))
    named = by_component(found, 2)
    assert [loss.name for loss in named.losses] == ["BCE1", "BCE2", "SCL2", "BCE3", "SCL3", "CE4"]
    blocks = ["f₁₋₂", "f₃₋₄", "f₅₋₆", "f₇₋₈", "classifier"]
    assert [layer.name for layer in named.layers] == named.prediction == blocks
    assert set(named.losses[-1].norms) == set(blocks[-2:])
    assert list(named.kept.values()) == list(found.kept.values())
    alike = {name for loss in named.losses for name in (loss.name, *loss.norms)}
    assert alike <= {*named.kept}
    of_layers = tiny(method="dgl")
    same = paths(of_layers, data.load(of_layers))
    assert by_component(same) == same


def test_on_photographs_bp_leads_and_the_text_names_who_is_nearest() -> None:
    plan = grid.read(ROOT / "results" / "short" / "grids" / "methods.yaml")
    own = grid.records_of(plan, readable(ROOT / "results" / "short"))
    assert len(own) == len(plan.experiments())  # whole
    error = {(r.experiment.method, r.experiment.seed): 1 - r.results["test_acc"] for r in own}
    seeds = {seed for _, seed in error}
    assert all(error[name, s] > error["bp", s] for name in SIX for s in seeds)
    by_error = sorted(SIX, key=lambda name: mean(error[name, s] for s in seeds))
    count = {name: lab.experiment(method=name).num_components for name in SIX}
    assert (by_error[0], by_error[-1]) == ("infopro", "gim")
    assert count["infopro"] == min(count.values()) == count["gim"] - 1
