from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.made import made

from delog_nb import ExperimentError
from delog_nb.cli import main
from delog_nb.course.paired import Difference, difference, holm
from delog_nb.grids.grid import Grid, Layout
from delog_nb.lab.runs import tables
from delog_nb.lab.runs.files import write
from delog_nb.records import save

ACCURACIES = {  # three seeds each
    "bp": (0.80, 0.82, 0.84),
    "early-exit": (0.60, 0.61, 0.63),
    "al": (0.81, 0.80, 0.86),
    "delog-scl": (0.90, 0.91, 0.94),
}
RECORDS = [
    made(accuracy, method=method, seed=seed)
    for method, values in ACCURACIES.items()
    for seed, accuracy in enumerate(values)
]


def test_marks_are_the_papers_and_noise_is_called_that() -> None:
    found = {c.row: c for c in tables.cells(RECORDS, Layout())}
    assert {r for r, c in found.items() if c.best} == {"Delog-SCL"}
    assert {r for r, c in found.items() if c.beats_bp} == {"AL", "Delog-SCL"}
    raw = {
        m: stats.ttest_rel(ACCURACIES[m], ACCURACIES["bp"]).pvalue
        for m in ("early-exit", "al", "delog-scl")
    }
    # Holm by hand: the smallest times 3, the next times 2, the largest as it is
    ordered = sorted(raw.values())
    adjusted = np.maximum.accumulate(np.minimum(1, np.multiply(ordered, [3, 2, 1])))
    for name, row in (("early-exit", "Early Exit"), ("al", "AL"), ("delog-scl", "Delog-SCL")):
        tested = found[row].difference
        assert tested is not None
        assert tested.p == pytest.approx(adjusted[ordered.index(raw[name])])
    assert str(found["AL"].difference) == "within noise"
    assert str(found["Delog-SCL"].difference) == "higher"
    assert str(found["Early Exit"].difference) == "lower"
    assert found["BP"].difference is None
    assert found["BP"].text == "82.00 ± 2.00"


def test_the_same_marks_in_every_format(tmp_path: Path) -> None:
    text = write("t", Grid(title="50 % & more"), RECORDS, tmp_path)
    assert "| Delog-SCL | **91.67 ± 2.08**† |" in text
    assert "| AL | 82.33 ± 3.21† ≈ |" in text
    latex = (tmp_path / "t.tex").read_text()
    assert r"\textbf{91.67 $\pm$ 2.08}$^\dagger$ \\" in latex
    assert r"\caption{50 \% \& more." in latex
    page = (tmp_path / "t.html").read_text()
    assert "<b>91.67 ± 2.08</b>†" in page
    assert "50 % &amp; more" in page
    numbers = pd.read_csv(tmp_path / "t.csv").set_index("row")
    assert numbers.loc["AL", "mean"] == pytest.approx(np.mean(ACCURACIES["al"]))
    assert numbers.loc["AL", "std"] == pytest.approx(np.std(ACCURACIES["al"], ddof=1))
    assert numbers.loc["AL", "verdict"] == "within noise"


def test_rows_that_are_no_methods_are_compared_with_the_best() -> None:
    runs = [
        made(0.1 * head + 0.01 * seed * head, head=name, seed=seed)
        for head, name in enumerate(("identity", "linear", "mlp"), 1)
        for seed in range(3)
    ]
    found = {c.row: c for c in tables.cells(runs, Layout(rows="head"))}
    assert [c.best for c in found.values()] == [False, False, True]
    assert not any(c.beats_bp for c in found.values())
    assert found["head mlp"].difference is None
    assert found["head linear"].difference is not None
    assert found["head linear"].difference.mean == pytest.approx(-0.11)


def test_a_figure_has_its_lines_and_their_numbers(tmp_path: Path) -> None:
    runs = [
        made(0.5 + 0.1 * bool(components), components=components, seed=seed)
        for components in (None, 1)
        for seed in range(2)
    ]
    text = write("f", Grid(layout=Layout(kind="figure", rows="components")), runs, tmp_path)
    assert "5 short gradient flows" in text
    assert "single long gradient flow" in text
    page = (tmp_path / "f.html").read_text()
    assert page.count('"legendgroup":"single long gradient flow"') >= 1
    names = ["5 short gradient flows", "single long gradient flow"]
    columns = ["Epoch", *(f"{name}{of}" for name in names for of in ("", " ±"))]
    assert list(pd.read_csv(tmp_path / "f-epochs.csv").columns) == columns


def test_runs_that_differ_do_not_share_a_cell() -> None:
    with pytest.raises(ExperimentError, match=r"differ in tau: 0\.1 and 0\.5"):
        tables.cells([made(0.5), made(0.6, seed=1, tau=0.5)], Layout())


def test_counts_are_shown_whole() -> None:
    (cell,) = tables.cells([made(0.5)], Layout(values=("train_params",)))
    assert cell.text == "1,234,567"


def test_differences_at_their_edges() -> None:
    assert str(difference({0: 0.5}, {0: 0.4})) == "one seed: no test"
    assert str(difference({0: 0.5}, {1: 0.4})) == "no seed in common"
    assert difference({0: 0.5, 1: 0.5}, {0: 0.5, 1: 0.5}).p == 1.0
    assert difference({0: 0.5, 1: 0.5, 9: 1.0}, {0: 0.25, 1: 0.25}) == Difference(0.25, 2, 0.0)
    untested = Difference(0.1, 1, math.nan)
    assert holm([untested, Difference(0.1, 3, 0.04)])[1].p == 0.04


def test_tables_and_runs_read_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for record in RECORDS:
        save(record, tmp_path)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "record.json").write_text("not ours")
    assert main(["tables", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert "**91.67 ± 2.08**†" in shown.out
    assert f"Skipped: {tmp_path / 'foreign' / 'record.json'}" in shown.err
    assert main(["runs", "--out", str(tmp_path), "--where", "method=al", "--where", "seed=2"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "86.00 %" in line
    assert main(["runs", "rm", "--yes", "--out", str(tmp_path), "--where", "method=al"]) == 0
    capsys.readouterr()
    assert main(["runs", "--out", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 9


def test_removing_asks_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    folder = save(RECORDS[0], tmp_path)
    for answer, left in (("n\n", True), ("", True), ("y\n", False)):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        main(["runs", "rm", "--out", str(tmp_path)])
        assert folder.exists() is left
    assert "Remove these 1 runs for good?" in capsys.readouterr().out
