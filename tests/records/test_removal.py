"""`delog-nb runs rm` removes the runs' own files, and nothing else."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from support.runs import ROOT

from delog_nb.cli import main
from delog_nb.instruments.run_files import ALL

RECORDED = sorted((ROOT / "results" / "cpu").glob("*-s0-*"))[:3]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Three recorded runs in a folder of their own."""
    for folder in RECORDED:
        shutil.copytree(folder, tmp_path / "runs" / folder.name)
    return tmp_path / "runs"


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def removed(out: Path, *more: str) -> int:
    return main(["runs", "rm", "--out", str(out), "--yes", *more])


def test_a_run_goes_with_all_that_it_wrote(out: Path) -> None:
    folder = out / RECORDED[0].name
    for name in ALL:
        if not (folder / name).exists():
            (folder / name).write_text("x")
    (folder / ".record.json.a1b2.part").write_text("of a killed process")
    assert removed(out) == 0
    assert tree(out) == set()
    assert out.is_dir()


def test_what_is_not_the_runs_stays_beside_below_and_above(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = out / RECORDED[0].name
    foreign = [
        out / "notes.txt",
        out.parent / "above.txt",
        first / "thesis.tex",
        first / "plots" / "history.csv",
        first / ".hidden.part",
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (first / "log.txt").mkdir()  # a folder of a run's file's name
    (first / "log.txt" / "mine").write_text("mine")
    assert removed(out, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "stays, with .hidden.part, log.txt, plots, thesis.tex" in said
    assert (first / "record.json").exists()
    assert removed(out) == 0
    assert all(path.read_text() == "mine" for path in foreign)
    assert (first / "log.txt" / "mine").exists()
    assert {path.name for path in out.iterdir()} == {"notes.txt", first.name}


def test_a_record_in_anothers_folder_is_a_run_of_its_own(out: Path) -> None:
    outer, inner = (out / folder.name for folder in RECORDED[:2])
    shutil.move(inner, outer / inner.name)
    spare = shutil.copytree(out, out.parent / "spare")
    method = outer.name.split("-")[2]
    assert removed(out, "--where", f"method={method}") == 0
    assert not (outer / "record.json").exists()
    assert (outer / inner.name / "record.json").exists()
    assert removed(spare) == 0  # both at once
    assert tree(spare) == set()


def test_links_are_not_followed(out: Path) -> None:
    target = out.parent / "elsewhere"
    target.mkdir()
    (target / "checkpoint.pt").write_text("mine")
    folder = out / RECORDED[0].name
    (folder / "checkpoint.pt").symlink_to(target / "checkpoint.pt")
    (folder / "plots").symlink_to(target)
    linked = out.parent / "kept" / RECORDED[1].name
    shutil.move(out / RECORDED[1].name, linked)
    (out / RECORDED[1].name).symlink_to(linked)
    assert removed(out) == 0
    assert (target / "checkpoint.pt").read_text() == "mine"
    assert (folder / "plots").is_symlink()
    assert not (folder / "checkpoint.pt").is_symlink()
    assert linked.is_dir()


def test_the_runs_folder_is_never_removed(out: Path) -> None:
    own = out / RECORDED[0].name  # asked for as the folder of all runs
    assert removed(own) == 0
    assert own.is_dir()
    assert tree(own) == set()


def test_nothing_is_removed_without_a_yes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(out)
    for answer in ("", "n\n", "yeah\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert main(["runs", "rm", "--out", str(out)]) == 1
        assert tree(out) == before
