"""How commands end: on request, by a reader that goes, where nothing can be written, by a fault."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.runs import ROOT

from delog_nb.cli import FAULT, main
from delog_nb.cli import runs as command_runs

SMALL = ["--preset", "quick", "--limit", "100", "--width", "0.125", "--precision", "float32"]
LONG = [*SMALL, "--epochs", "100000", "--checkpoint-every", "0"]


def wait_for(process: subprocess.Popen[str], out: Path, pattern: str) -> None:
    """Until a file is there: the process has come so far."""
    while not list(out.glob(pattern)):
        with pytest.raises(subprocess.TimeoutExpired):  # it is still there
            process.wait(0.05)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_train_says_where_it_goes_on(number: signal.Signals, status: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "delog_nb", "train", *LONG, "--out", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(process, tmp_path, "*/checkpoint.pt")
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert errors.splitlines()[-1].startswith("Stopped. The same command goes on from ")
    assert "Traceback" not in errors


STUBBORN = """
import os, signal, sys
from delog_nb.cli import main
from delog_nb.cli import train as command

def never_ends(*_, **__):
    print("begun", flush=True)
    while True:
        signal.pause()

command.train = never_ends
sys.exit(main(["train", "--preset", "quick"]))
"""


def test_a_second_signal_ends_at_once() -> None:
    command = [sys.executable, "-c", STUBBORN]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        for number in (signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "delog-nb: interrupted\n"


@pytest.mark.long
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_pipeline_ends_as_one_process_does(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "delog_nb", "train", *LONG, "--out", str(tmp_path)]
    command += ["--pipeline", "2"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_for(process, tmp_path, "*/checkpoint.pt")
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == status
    assert "Stopped. The same command goes on from " in errors
    assert "Traceback" not in errors


def test_a_reader_that_goes_is_no_error() -> None:
    command = f"{sys.executable} -m delog_nb runs --out {ROOT / 'results' / 'cpu'} | head -n 1"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr == ""


def test_a_fault_of_ours_is_shown_whole_and_has_its_own_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> int:
        raise RuntimeError("not meant to happen")

    monkeypatch.setattr(command_runs, "run", broken)
    assert main(["runs"]) == FAULT == 70
    errors = capsys.readouterr().err
    assert "RuntimeError: not meant to happen" in errors
    last = errors.splitlines()[-1]
    assert last.startswith("delog-nb: this is a fault of delog_nb, not yours: please report it")
    assert "torch " in last


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


COMMANDS = {
    "train": ["train", *SMALL],
    "compare": ["compare", *SMALL, "--methods", "bp", "--seeds", "1"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_in_the_folders_place_is_one_sentence(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main([*COMMANDS[command], "--out", str(tmp_path / "file")]) == 2
    assert sentence(capsys).startswith("delog-nb: cannot write ")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_that_is_too_long_is_one_sentence(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMANDS[command], "--out", str(tmp_path / ("x" * 300))]) == 2
    assert "File name too long" in sentence(capsys)


@pytest.mark.parametrize("name", ["report.html", "summary.csv"])
def test_a_folder_in_the_pages_place_is_seen_before_training(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).mkdir()
    assert main([*COMMANDS["compare"], "--out", str(tmp_path)]) == 2
    assert sentence(capsys) == f"delog-nb: cannot write {tmp_path / name}: it is a folder"
    assert {path.name for path in tmp_path.iterdir()} == {name}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from delog_nb.experiment import WriteError
    from delog_nb.instruments import files

    path = tmp_path / "table.csv"
    path.write_text("old")
    full = os.open("/dev/full", os.O_WRONLY)  # every write to it fails with ENOSPC
    plain = files.tempfile.mkstemp

    def mkstemp(**given: object) -> tuple[int, str]:
        handle, name = plain(**given)  # type: ignore[call-overload]
        os.dup2(full, handle)
        return handle, name

    monkeypatch.setattr(files.tempfile, "mkstemp", mkstemp)
    with pytest.raises(WriteError, match="No space left"), files.write_atomically(path) as file:
        file.write(b"new")
    os.close(full)
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]
    assert path.read_text() == "old"
