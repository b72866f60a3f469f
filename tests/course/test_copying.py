"""The lessons in a folder of a person's own: brought whole, and nothing written over."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.runs import ROOT

import delog_nb
from delog_nb.cli import main
from delog_nb.course import copying
from delog_nb.course.copying import BROUGHT, Copied, copy_course

NEW = f"new-{delog_nb.__version__}-"


def files(folder: Path) -> dict[str, bytes]:
    """Contents by name, without the list of what was brought."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != BROUGHT
    }


@pytest.fixture
def edition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small course of two notebooks and a grid, whose files a test may change."""
    home = tmp_path / "course"
    for name in ("notebooks/01_a.ipynb", "notebooks/lab.ipynb", "experiments/paper/t.yaml"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"{name} 1")
    monkeypatch.setattr(copying, "NOTEBOOKS", home / "notebooks")
    monkeypatch.setattr(copying, "EXPERIMENTS", home / "experiments")
    return home


def test_the_lessons_of_students_come_with_all_that_their_texts_name(tmp_path: Path) -> None:
    done = copy_course(tmp_path / "mine")
    found = files(tmp_path / "mine")
    assert set(done.new) == set(found)
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert found[path.name] == path.read_bytes()
        for picture in re.findall(r"!\[.+?\]\((.+?)\)", path.read_text()):
            assert found[picture] == (path.parent / picture).read_bytes()
    assert "experiments/paper/table2.yaml" in found
    assert not [name for name in found if "solutions" in name]
    assert copy_course(tmp_path / "mine") == Copied()


def test_what_is_there_stays_and_what_is_missing_comes(edition: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "01_a.ipynb").write_text("work from before")
    (mine / "notes.txt").write_text("notes")
    done = copy_course(mine)
    assert (done.new, done.older) == (["lab.ipynb", "experiments/paper/t.yaml"], ["01_a.ipynb"])
    assert (mine / "01_a.ipynb").read_text() == "work from before"
    (mine / "lab.ipynb").write_text("my lab")
    (mine / "experiments/paper/t.yaml").unlink()
    assert copy_course(mine).new == ["experiments/paper/t.yaml"]
    assert (mine / "lab.ipynb").read_text() == "my lab"
    assert (mine / "notes.txt").read_text() == "notes"


def test_an_update_replaces_what_is_unchanged_and_stands_beside_the_rest(
    edition: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    copy_course(mine)
    (mine / "01_a.ipynb").write_text("my answers")
    assert copy_course(mine, update=True) == Copied()  # there is nothing newer
    for path in (edition / "notebooks").iterdir():
        path.write_text(f"{path.name} 2")
    before = files(mine)
    assert sorted(copy_course(mine).older) == ["01_a.ipynb", "lab.ipynb"]
    assert files(mine) == before
    done = copy_course(mine, update=True)
    assert (done.new, done.renewed) == ([], ["lab.ipynb"])
    assert done.beside == {"01_a.ipynb": f"{NEW}01_a.ipynb"}
    after = before | {"lab.ipynb": b"lab.ipynb 2", f"{NEW}01_a.ipynb": b"01_a.ipynb 2"}
    assert files(mine) == after
    assert copy_course(mine, update=True) == Copied()  # it was brought
    (mine / f"{NEW}01_a.ipynb").write_text("more answers")
    (mine / BROUGHT).write_text("{")  # lost: nobody knows what was a person's work
    done = copy_course(mine, update=True)
    assert done.beside == {"01_a.ipynb": f"{NEW}2-01_a.ipynb"}
    assert files(mine) == after | {
        f"{NEW}01_a.ipynb": b"more answers",
        f"{NEW}2-01_a.ipynb": b"01_a.ipynb 2",
    }


@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")
def test_a_killed_copy_leaves_whole_files_and_the_next_one_completes_it(tmp_path: Path) -> None:
    code = """if True:
        import os, signal, sys
        from pathlib import Path
        from delog_nb.course.copying import copy_course
        calls = []
        def killed(*words, own=os.replace):
            calls.append(words)
            if len(calls) == 6:
                os.kill(os.getpid(), signal.SIGKILL)
            own(*words)
        os.replace = killed
        copy_course(Path("mine"))
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    mine, whole = tmp_path / "mine", tmp_path / "whole"
    copy_course(whole)
    cut = {name: text for name, text in files(mine).items() if not name.endswith(".part")}
    assert 0 < len(cut) < len(files(whole))
    assert cut.items() <= files(whole).items()
    copy_course(mine)
    assert files(mine) == files(whole)


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one sentence of a copy that does not go."""
    assert main(["lab", *map(str, words), "--no-open"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_folders_that_cannot_be_are_one_sentence(
    edition: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_text("mine")
    assert refused(capsys, tmp_path / "file") == (
        f"delog-nb: {tmp_path / 'file'} is a file: name a folder for the lessons"
    )
    assert (tmp_path / "file").read_text() == "mine"
    assert "Not a directory" in refused(capsys, tmp_path / "file" / "below")
    assert "the course's own files" in refused(capsys, edition / "notebooks")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device" in refused(capsys, tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


def test_the_command_says_what_became_of_each_file(
    edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = str(tmp_path / "mine")
    assert main(["lab", mine, "--no-open"]) == 0
    assert capsys.readouterr().out == f"3 files copied to {mine}\n"
    (tmp_path / "mine/01_a.ipynb").write_text("my answers")
    for name in ("01_a.ipynb", "lab.ipynb"):
        (edition / "notebooks" / name).write_text("2")
    assert main(["lab", mine, "--no-open"]) == 0
    assert capsys.readouterr().out.startswith(f"2 files in {mine} left, not as in")
    assert main(["lab", mine, "--no-open", "--update"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 file, unchanged since copied, replaced by this version's",
        f"{mine}/01_a.ipynb stays as you changed it; this version's is {NEW}01_a.ipynb",
    ]
