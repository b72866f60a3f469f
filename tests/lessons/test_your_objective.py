"""Lesson 12: comparisons are fair, attempts stay, and its ideas do what the text says of them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from scipy import stats
from support.lessons import SOLUTIONS, defined
from support.runs import tiny

from delog_nb import Batch, Experiment, check_method, lab, methods, records, training
from delog_nb.course.exercises import check
from delog_nb.course.exercises import your_objective as asked
from delog_nb.course.paired import interval
from delog_nb.data import load
from delog_nb.experiment import plugins, registry
from delog_nb.experiment.registry import METHODS
from delog_nb.lab.lessons import your_objective as lesson
from delog_nb.lab.lessons.your_objective import NEAREST, attempts, nearest
from delog_nb.measure.probes import block_outputs

STEM = "12_your_objective"
STORED = nbformat.read(SOLUTIONS / f"{STEM}.ipynb", as_version=4)


def cell_of(name: str) -> str:
    """The cell that declares the method ``name``."""
    (found,) = (c.source for c in STORED.cells if f'@delog_nb.method("{name}"' in c.source)
    return found


def declare(*names: str) -> None:
    for name in names:
        registry.use(plugins.Plugin(f"a cell: {name}", cell_of(name)))


def said(beginning: str) -> str:
    """What the cell that has ``beginning`` in it printed and showed, as text."""
    (cell,) = (c for c in STORED.cells if c.cell_type == "code" and beginning in c.source)
    texts = [o.get("text") or o.data.get("text/plain", "") for o in cell.outputs]
    return "\n".join(texts)


# --- a fair comparison


def test_runs_of_one_seed_begin_with_the_same_network() -> None:
    declare("pull", "one-table", "compass", "frozen")
    for seed in (0, 1):
        built = {
            name: methods.build(tiny(method=name, seed=seed))
            for name in ("bp", "pull", "one-table", "compass", "frozen", *NEAREST)
        }
        weights = {
            name: torch.cat([p.flatten() for part in m.parts() for p in part.layers.parameters()])
            for name, m in built.items()
        }
        for name, found in weights.items():
            assert torch.equal(found, weights["bp"]), name


def test_recorded_runs_are_found_where_all_but_the_loss_is_the_same() -> None:
    declare("compass")
    run = Experiment(preset="lesson", method="compass", lr=0.01, precision="float32")
    found = nearest(run)
    names = [record.experiment.method for record in found]
    assert names == [name for name in ("bp", *NEAREST) for _ in range(3)]
    for record in found:
        e = record.experiment
        for field in ("dataset", "net", "width", "depth", "epochs", "batch_size", "limit", "norm"):
            assert e.get(field) == run.get(field)
        tried = [
            r
            for r in records.readable(lesson.RESULTS / "rates")
            if (r.experiment.method, r.experiment.dataset) == (e.method, "digits")
        ]
        validated = {r.experiment.lr: r.results["val_acc"] for r in tried}
        assert len(validated) == 4
        assert validated[e.lr] == max(validated.values())
    for changes in ({"epochs": 9}, {"norm": "none"}, {"precision": "bf16"}, {"net": "vgg"}):
        assert nearest(run.but(**changes)) == []


def test_the_interval_of_the_cell_is_that_of_the_package() -> None:
    difference = defined(STEM, "difference", np=np, stats=stats)
    rng = np.random.default_rng(0)
    for n in (2, 3, 7):
        one, other = (dict(enumerate(rng.random(n))) for _ in range(2))
        mean, low, high, counted = difference(one, other | {99: 0.5})
        gaps = [100 * (one[k] - other[k]) for k in one]
        assert (low, high) == pytest.approx(interval(gaps))
        assert (mean, counted) == (pytest.approx(sum(gaps) / n), n)
        _, low, high, _ = difference(one, other, 7)
        assert (low, high) == pytest.approx(interval(gaps, 1 - 0.05 / 7))


def test_what_the_text_says_of_the_neighbours_is_so() -> None:
    found = nearest(Experiment(preset="lesson", method="bp", precision="float32"))
    counts = {r.experiment.method: r.experiment.num_components for r in found}
    assert (counts["dgl"], counts["predsim"]) == (9, 9)  # two layers a block, and the classifier
    assert counts["infopro"] < counts["delog-scl"] == 5
    shares = [r.results["test_acc"] for r in found if r.experiment.method == "bp"]
    assert 0.005 < 1 - sum(shares) / len(shares) < 0.015
    assert str(counts["dgl"]) in said("Components:")


# --- attempts


def test_attempts_are_listed_by_source_and_setting(tmp_path: Path) -> None:
    declare("compass")
    runs = [tiny(method="compass", epochs=1, seed=seed) for seed in (0, 1)]
    made = lab.train_all(runs, keep_in=tmp_path)
    changed = cell_of("compass").replace("/ 0.1", "/ 0.2")
    registry.use(plugins.Plugin("changed", changed))
    lab.train_all([tiny(method="compass", epochs=1)], keep_in=tmp_path)
    del METHODS._entries["compass"]  # as in a session that has run no cell yet
    table = attempts(tmp_path)
    assert table["Attempt"].tolist() == ["Compass", "Compass"]
    assert table["Seeds"].tolist() == [2, 1]
    assert table["Source"].nunique() == 2
    assert "compass" not in METHODS
    kept = [(tmp_path / name / "method.py").read_text() for name in table["First run"]]
    assert kept == [cell_of("compass"), changed]
    shares = [100 * record.results["test_acc"] for record in made]
    told = [float(text) for text in re.findall(r"[\d.]+", table["Test, last epoch (%)"][0])]
    assert told == pytest.approx([np.mean(shares), np.std(shares, ddof=1)], abs=0.006)


def test_attempts_stay_before_a_person_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lesson, "OWN_RUNS", tmp_path / "runs")
    lesson._for_now.cache_clear()
    gone = lesson.attempts_folder()
    assert gone.is_dir()
    assert not (tmp_path / "runs").exists()
    monkeypatch.setattr(lesson, "headless", lambda: False)
    assert lesson.attempts_folder() == tmp_path / "runs" / "attempts"
    assert len(attempts(tmp_path / "runs" / "attempts")) == 0


# --- the ideas


def test_what_the_checks_say_of_each_idea() -> None:
    declare("pull", "one-table", "compass", "frozen")
    assert check_method("pull") == check_method("compass") == []
    leaks = check_method("one-table")
    assert len(leaks) == 3
    assert all("has a gradient for component 1" in sentence for sentence in leaks)
    assert all("never gets a gradient" in sentence for sentence in check_method("frozen"))
    assert leaks[0] in said("lab.outcome(question, said")


def test_one_vector_added_to_all_features_makes_pull_s_loss_small() -> None:
    declare("pull")
    pull = methods.build(tiny(method="pull")).parts()[0].objective
    r, batch = torch.randn(20, 4, 4, 4), Batch.of(torch.arange(20) % 5)
    assert pull(r, batch) > 0.5
    assert pull(r + 100 * torch.ones(4, 4, 4), batch) < 1e-3


def test_pull_ends_with_all_images_in_nearly_one_direction() -> None:
    declare("pull")
    experiment = tiny(method="pull", epochs=6, limit=400, lr=0.005)
    images = load(experiment)
    run = training.train(experiment, data=images)
    r = next(block_outputs(run, images, images.test))[3][:100]
    z = torch.nn.functional.normalize(r.flatten(1).double())
    labels = images.test.labels[:100]
    others = (z @ z.T)[labels[:, None] != labels]
    assert others.mean() > 0.95


def test_the_stored_outputs_bear_out_the_text() -> None:
    reached = said("lab.outcome(question, said")
    rows = [line.split() for line in reached.splitlines() if line.startswith("loss")]
    assert len(rows) == 5
    for number, row in enumerate(rows, 1):
        arrives = [value != "–" for value in row[2:]]
        assert arrives == [part == number for part in range(1, 6)] + [number < 5]
    control, pulled = said("lab.outcome(control"), said("ends = [f")
    frozen = float(re.search(r"; ([\d.]+) % \(seeds", control)[1])
    assert "well above 10 %, well below BP" in control
    assert "at least 2 points below" in pulled
    share = float(re.search(r": ([\d.]+) %, while", pulled)[1])
    first, last = map(float, re.search(r"went from (\S+) in epoch 1 to (\d\.\d+)", pulled).groups())
    assert share < frozen - 50
    assert last < 0.005 < first
    *_, end = (line.split() for line in pulled.splitlines() if re.match(r" *\d+ +\d\.", line))
    pull, compass = float(end[4]), float(end[8])
    assert pull < 1.3 < 1.5 < compass
    assert said("print(check_method(").strip() == "no complaint"
    low = float(re.search(r"from ([+-][\d.]+) to", said('mine = "Compass"'))[1])
    assert low > 0
    told = said("rows = {row").splitlines()
    assert sum("not decided" in line or "no difference" in line for line in told) >= 5
    assert len(told) == 8
    needed = [
        float(x) for x in re.findall(r"n = \d+: ([\d.]+) points", said("for seeds in (3, 10"))
    ]
    assert needed == sorted(needed, reverse=True)


@pytest.mark.long
def test_an_idea_of_the_readers_own_goes_through_the_lesson(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lesson at quick size, then what "Your turn" says, with the solution's objective."""
    monkeypatch.setenv("DELOG_NB_PRESET", "quick")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    end = next(k for k, c in enumerate(STORED.cells) if c.source.startswith("## Exercises"))
    lesson_itself = [c.source for c in STORED.cells[:end] if c.cell_type == "code"]
    idea = (
        cell_of("batch-means").replace("batch-means", "my-idea").replace("Batch Means", "My Idea")
    )
    (turn,) = (c.source for c in STORED.cells if "## Your turn" in c.source)
    (train_it,) = re.findall(r"```python\n(.*?)```", turn, re.DOTALL)
    check_it = re.findall(r"`(check_method.*?)`", turn)[0]
    third = next(k for k, text in enumerate(lesson_itself) if 'mine = "Compass"' in text)
    again = [text.replace('mine = "Compass"', 'mine = "My Idea"') for text in lesson_itself[third:]]
    sources = [*lesson_itself, idea, check_it, train_it, "attempts(folder)", *again]
    cells = [nbformat.v4.new_code_cell(text) for text in sources]
    NotebookClient(nbformat.v4.new_notebook(cells=cells), timeout=300).execute(cwd=str(tmp_path))
    checked, _, listed, first, shown, *_ = cells[len(lesson_itself) + 1 :]
    assert checked.outputs[0].data["text/plain"] == "[]"
    assert "My Idea" in listed.outputs[0].data["text/plain"]
    assert re.match(r"My Idea − Frozen: .* points, from .* to .*, n = 3\n", first.outputs[0].text)
    assert "My Idea against its nearest methods" in str(shown.outputs)


def test_the_repaired_table_makes_a_method_without_complaints() -> None:
    (repaired,) = (c.source for c in STORED.cells if c.source.startswith("def aims("))
    names: dict[str, Any] = {"__name__": "a_cell"}
    exec(cell_of("one-table") + "\n\n\n" + repaired, names)

    def build(net: Any, options: Any) -> Any:
        backbone = net()
        objectives = names["aims"](backbone.shapes, backbone.classes)
        cut = names["cut_with_objectives"]
        return cut(backbone, options.components, lambda end: objectives[end - 1])

    assert check_method(methods.build(tiny(), make=build)) == []


# --- the exercise's yardstick


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_frozen_blocks_are_below_what_the_exercise_asks_for_and_known_methods_above(
    seed: int,
) -> None:
    declare("frozen")
    found = {}
    for name in ("frozen", "delog-scl", "early-exit"):
        experiment = training.planned(Experiment(**asked._SHORT, method=name, seed=seed))
        images = load(experiment)
        run = training.train(experiment, data=images)
        z = asked.block_means(run, images, torch.arange(len(images.test)))[-1].double()
        inside, across = [], []
        for k in range(0, len(z), 3):  # by a loop of its own
            for m in range(k + 1, len(z), 7):
                alike = images.test.labels[k] == images.test.labels[m]
                (inside if alike else across).append(math.dist(z[k], z[m]))
        found[name] = np.mean(across) / np.mean(inside)
    assert found["frozen"] < 1.2 < asked._APART < 1.5
    assert min(found["delog-scl"], found["early-exit"]) > 1.5


def test_what_is_no_objective_is_told_so() -> None:
    assert "give the class of your objective" in str(check("own-objective", 3))
    assert "is not yours" in str(check("own-objective", METHODS.loaded("bp").make))
