"""A learner's work as a file: what goes into it, and that nothing is lost where it comes back."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from delog_nb import ExperimentError
from delog_nb.instruments import course_files
from delog_nb.lab.asks.predict import keep, kept
from delog_nb.lab.asks.take_away import packed, restored

NAME = "01_one_network_four_ways.ipynb"


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer with nothing of a learner's on it."""
    monkeypatch.setenv("DELOG_NB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(course_files, "OWN_RUNS", tmp_path / "runs")
    return tmp_path


def course() -> NotebookNode:
    return nbformat.read(course_files.NOTEBOOKS / NAME, as_version=4)


def write(folder: Path, name: str, notebook: NotebookNode) -> None:
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / name)


def answered() -> NotebookNode:
    notebook = course()
    cell = next(c for c in notebook.cells if c.source.startswith("cut_after = ..."))
    cell.source = "cut_after = list"
    cell.outputs = [nbformat.v4.new_output("stream", text="long ago")]
    return notebook


def test_work_comes_back_on_another_computer(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(own / "here", NAME, answered())
    write(own / "here", "02_gradient_flow.ipynb", new_notebook(cells=[new_code_cell("mine")]))
    untouched = "03_contrastive_loss.ipynb"
    write(own / "here", untouched, nbformat.read(course_files.NOTEBOOKS / untouched, 4))
    keep("Which?", "this one")
    attempt = own / "runs" / "attempts" / "digits-s0" / "method.py"
    attempt.parent.mkdir(parents=True)
    attempt.write_text("# an idea")
    content = packed(own / "here")
    assert set(zipfile.ZipFile(io.BytesIO(content)).namelist()) == {
        "predictions.json", NAME, "02_gradient_flow.ipynb", "attempts/digits-s0/method.py",
    }  # fmt: skip

    monkeypatch.setenv("DELOG_NB_CACHE", str(own / "other cache"))
    monkeypatch.setattr(course_files, "OWN_RUNS", own / "other runs")
    write(own / "there", NAME, course())  # as a fresh session has it
    assert kept() == {}
    written = restored(content, own / "there")
    assert kept() == {"Which?": "this one"}
    back = nbformat.read(own / "there" / NAME, as_version=4)
    assert "cut_after = list" in [cell.source for cell in back.cells]
    assert not any(cell.get("outputs") for cell in back.cells)
    assert (own / "other runs/attempts/digits-s0/method.py").read_text() == "# an idea"
    assert set(written) == {
        "predictions: 1", NAME, "02_gradient_flow.ipynb", "attempts/digits-s0/method.py",
    }  # fmt: skip
    assert restored(content, own / "there") == ["predictions: 1"]  # a second time changes nothing


def test_nothing_of_ones_own_is_overwritten(own: Path) -> None:
    write(own / "here", NAME, answered())
    keep("Which?", "this one")
    content = packed(own / "here")
    other = course()
    other.cells[1].source = "My notes."
    write(own / "there", NAME, other)
    keep("Another?", "yes")
    before = (own / "there" / NAME).read_bytes()
    assert restored(content, own / "there")[1] == f"{Path(NAME).stem} (restored).ipynb"
    assert (own / "there" / NAME).read_bytes() == before
    assert kept() == {"Which?": "this one", "Another?": "yes"}


def test_a_restored_notebook_that_was_changed_stays_too(own: Path) -> None:
    write(own / "here", NAME, answered())
    content = packed(own / "here")
    other = course()
    other.cells[1].source = "My notes."
    for name in (NAME, f"{Path(NAME).stem} (restored).ipynb"):
        write(own / "there", name, other)
    assert restored(content, own / "there")[1:] == [f"{Path(NAME).stem} (restored 2).ipynb"]
    assert restored(content, own / "there")[1:] == []


def test_what_cannot_be_read_is_named_and_left_alone(own: Path) -> None:
    write(own / "here", NAME, answered())
    content = packed(own / "here")
    (own / "here" / NAME).write_text("{")
    with pytest.raises(ExperimentError, match=f"{NAME} is not a readable notebook"):
        packed(own / "here")
    assert restored(content, own / "here")[1:] == [f"{Path(NAME).stem} (restored).ipynb"]
    assert (own / "here" / NAME).read_text() == "{"


def zipped(**files: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(name, text)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no zip", "not a file that lab.take_away made"),
        (zipped(), "not a file that lab.take_away made"),
        (zipped(**{"predictions.json": "[1]"}), "not a file that lab.take_away made"),
        (zipped(**{"predictions.json": "{}", "a.ipynb": "{"}), "not a file that lab.take_away"),
        (zipped(**{"predictions.json": "{}", "../a.ipynb": "{}"}), "it holds ../a.ipynb"),
        (zipped(**{"predictions.json": "{}", "attempts/../../x": "1"}), "it holds attempts/../"),
        (zipped(**{"predictions.json": "{}", "/etc/x": "1"}), "it holds /etc/x"),
        (zipped(**{"predictions.json": "{}", "attempts/x": "0" * 60_000_000}), "more than 50 MB"),
    ],
)
def test_what_it_did_not_make_is_refused(own: Path, content: bytes, said: str) -> None:
    with pytest.raises(ExperimentError, match=said):
        restored(content, own)
    assert [path.name for path in own.rglob("*") if path.is_file()] == []
