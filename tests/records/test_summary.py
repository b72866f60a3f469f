"""Many runs as one table, where neither pandas nor plotly is installed."""

from __future__ import annotations

import csv
import io
import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from delog_nb import Experiment
from delog_nb.cli import main
from delog_nb.experiment.identity import identity
from delog_nb.grids.grid import Grid
from delog_nb.lab.asks.train import line_of
from delog_nb.lab.runs.files import write
from delog_nb.lab.runs.overlay import overlay, overlay_table
from delog_nb.lab.runs.report import page
from delog_nb.records import Record, save
from delog_nb.records.summary import (
    aligned,
    csv_text,
    side_by_side,
    summary,
    summary_for_people,
)

LAB = "pandas plotly ipywidgets anywidget IPython jupyterlab nbformat nbclient papermill"
# scipy is not among them: scikit-learn, which holds the digits, needs it
WITHOUT_LAB = f"""
import sys

# so marked, an import fails and `find_spec`, which torch and others ask, finds nothing
sys.modules |= dict.fromkeys({LAB.split()})
from delog_nb.cli import main
sys.exit(main(sys.argv[1:]))
"""
NO_PAGE = "No page: it needs plotly and pandas, pip install 'delog_nb[lab]'"


def made(test_acc: float | None, seconds: float = 2.0, **choices: object) -> Record:
    """A run of one epoch; without an accuracy it diverged."""
    e = Experiment(preset="quick", precision="float32", **choices)
    results = {
        "epochs": 1,
        "test_acc": test_acc,
        "test_acc_at_best_val": test_acc,
        "test_acc_best_over_epochs": test_acc,
        "train_params": 1234567,
        "inference_params": 1234,
        "sec_per_epoch": seconds,
        "eval_sec_per_epoch": 0.5,
        "peak_train_mb": 10.0,
        "device": "cpu",
        "precision": "float32",
    }
    if test_acc is None:
        where = {"epoch": 2, "step": 3, "component": 1}
        results |= {"state": "diverged", "diverged": where}
    row = {"epoch": 1, "loss_1": 1.0, "val_acc": None, "test_acc": test_acc, "seconds": seconds}
    machine = {"processor": "p", "cores": 2, "threads": 1, "gpu": None}
    return Record(
        e, identity(e), results, [row], machine, {"torch": "0", "python": "3", "git": None}, "now"
    )


RECORDS = [
    made(0.8, seed=1, method="al"),
    made(0.5, seconds=1.0, method="bp"),
    made(0.7, seconds=3.0, seed=1, method="bp"),
    made(None, seconds=9.0, seed=2, method="bp"),
]
FAILED = [made(None, seed=seed, method="delog-scl") for seed in range(2)]


def run_without_lab(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_LAB, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_rows_are_means_over_the_runs_that_did_not_diverge() -> None:
    bp, al = summary(RECORDS)
    assert (bp["method"], bp["seeds"], bp["diverged"], bp["precision"]) == ("bp", 3, 1, "float32")
    assert bp["test_acc_mean"] == pytest.approx(0.6)
    assert bp["test_acc_std"] == pytest.approx(0.2 / math.sqrt(2))  # both are 0.1 away: n - 1 = 1
    assert bp["sec_per_epoch"] == pytest.approx(2.0)
    assert (al["method"], al["seeds"], al["diverged"]) == ("al", 1, 0)
    assert al["test_acc_mean"] == pytest.approx(0.8)
    assert math.isnan(al["test_acc_std"])


def test_people_read_percent_and_how_many_diverged() -> None:
    bp, al, delog = summary_for_people(summary(RECORDS + FAILED))
    assert bp["Seeds"] == "3, 1 diverged"
    assert bp["Test accuracy, last epoch (%)"] == "60.00 ± 14.14"
    assert bp["Training (s per epoch)"] == "2.00"
    assert (al["Seeds"], al["Precision"]) == ("1", "float32")
    assert al["Parameters in training"] == "1,234,567"
    assert delog["Seeds"] == "2, 2 diverged"
    assert {delog[name] for name in delog if "%" in name} == {"–"}


def test_a_group_that_mixes_precisions_names_them_all() -> None:
    other = made(0.9, seed=5, method="bp")
    other.results["precision"] = "bf16"
    assert summary([*RECORDS, other])[0]["precision"] == "bf16, float32"


def test_csv_and_text_are_what_pandas_writes() -> None:
    rows = summary(RECORDS + FAILED)
    frame = pd.DataFrame(rows)
    assert csv_text(rows) == frame.to_csv(index=False)
    assert next(iter(csv.DictReader(io.StringIO(csv_text(rows)))))["test_acc_mean"] == "0.6"
    people = pd.DataFrame(summary_for_people(rows))
    assert side_by_side(summary_for_people(rows)) == people.T.to_string(header=False)
    numbers = pd.DataFrame({"net": ["vgg", "a"], "count": ["1", "1,000"]})
    lines = [list(numbers), *numbers.to_numpy().tolist()]
    assert aligned(lines) == numbers.to_string(index=False)


def test_pages_tables_and_lists_name_precision_and_diverged_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = RECORDS + FAILED
    text = page(records, "delog-nb compare")
    assert "3, 1 diverged" in text
    assert ">Precision</th>" in text
    table = write("t", Grid(), records, tmp_path / "tables")
    assert "seeds, in float32. Diverged, and not in the mean: 1 of BP, ConvNet, 2 of" in table
    assert "| AL | **80.00**†" in table  # the best of those that have an accuracy
    assert set(pd.read_csv(tmp_path / "tables" / "t.csv")["precision"]) == {"float32"}
    assert (
        list(overlay_table(FAILED)["Test accuracy, last epoch (%)"])
        == ["diverged in epoch 2, step 3 (component 1)"] * 2
    )
    row = overlay_table(FAILED).iloc[0]
    assert row["Test accuracy, last epoch (%)"] == "diverged in epoch 2, step 3 (component 1)"
    assert row["Precision"] == "float32"
    drawn = [trace for trace in overlay(records).figure.data if trace.name]
    assert len(drawn) == len(records)
    assert line_of(FAILED[0]).endswith("diverged in epoch 2, step 3 (component 1)")

    for record in records:
        save(record, tmp_path)
    assert main(["runs", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("diverged in epoch 2, step 3 (component 1), float32") == 3
    assert main(["runs", "compare", "--out", str(tmp_path)]) == 0
    assert "3, 1 diverged" in capsys.readouterr().out


def test_a_table_that_mixes_precisions_says_which_cell_has_which(tmp_path: Path) -> None:
    other = made(0.9, method="early-exit")
    other.results["precision"] = "bf16"
    text = write("t", Grid(), [*RECORDS, other], tmp_path)
    assert "precision in brackets" in text
    assert "(bf16) |" in text
    assert "(float32) |" in text


def test_train_works_without_the_lab(tmp_path: Path) -> None:
    done = run_without_lab("train", "--preset", "quick", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Precision: " in done.stdout
    assert "Test accuracy, last epoch (%): " in done.stdout


def test_nets_whose_names_count_their_layers_are_rows_of_their_own() -> None:
    """ResNet-110 is no second seed of ResNet-20; depths that no name tells apart are together."""
    runs = [
        made(0.5 + depth / 1000, net=net, depth=depth, method="bp", seed=seed)
        for net, depths in (("resnet-cifar", (54, 9)), ("vgg", (4, 5)))
        for depth in depths
        for seed in (0, 1)
    ]
    rows = summary_for_people(summary(runs))
    found = [(row["Net"], row["Seeds"], row["Test accuracy, last epoch (%)"]) for row in rows]
    assert found == [
        ("VGG", "4", "50.45 ± 0.06"), ("ResNet-20", "2", "50.90 ± 0.00"),
        ("ResNet-110", "2", "55.40 ± 0.00"),
    ]  # fmt: skip
    html = page(runs, "delog-nb compare")
    for name in ("VGG", "ResNet-20", "ResNet-110"):
        assert f"<h2>{name} on Digits</h2>" in html


def test_compare_works_without_the_lab_and_says_that_there_is_no_page(tmp_path: Path) -> None:
    words = ["compare", "--preset", "quick", "--seeds", "1", "--methods", "bp,delog-scl"]
    done = run_without_lab(*words, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == NO_PAGE
    with (tmp_path / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["seeds"]) for row in rows] == [("bp", "1"), ("delog-scl", "1")]
    assert not (tmp_path / "report.html").exists()


def test_what_needs_the_lab_says_how_to_install_it(tmp_path: Path) -> None:
    save(RECORDS[0], tmp_path)
    done = run_without_lab("tables", str(tmp_path))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("delog-nb: tables needs ")
    assert line.endswith("is not installed: pip install 'delog_nb[lab]'")

    done = run_without_lab("doctor")
    assert done.returncode == 0, done.stdout
    sentence = "not installed, only lessons and pages need it: pip install 'delog_nb[lab]'"
    for name in ("plotly", "widgets"):
        assert f"[--]   {name}: {sentence}" in done.stdout
