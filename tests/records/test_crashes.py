"""Nothing is lost: real processes, killed by SIGKILL while they train and while they write."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import torch
from support.crashes import dooms, experiment, make_run
from support.forked import FORKED
from support.runs import same_history

from delog_nb import records, train
from delog_nb.experiment import WriteError
from delog_nb.records.locks import Busy, claim

KILLS = 12  # while training, and as many while writing


def start(*arguments: object) -> object:
    process = FORKED.Process(target=make_run, args=arguments)
    process.start()
    return process


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[records.Record, dict]:
    """The run without interruption, in a process of its own like the others."""
    out = tmp_path_factory.mktemp("whole")
    process = start(out)
    process.join()
    return result(out)


def result(out: Path) -> tuple[records.Record, dict]:
    folder = out / experiment().run_id
    state = torch.load(folder / records.CHECKPOINT, weights_only=True)
    return records.load(folder), state["model"]


def same(one: tuple[records.Record, dict], other: tuple[records.Record, dict]) -> bool:
    return same_history(one[0].history, other[0].history) and all(
        torch.equal(one[1][name], other[1][name]) for name in one[1]
    )


def assert_whole_or_absent(out: Path) -> None:
    """What a reader finds after a kill: whole files under their names."""
    folder = out / experiment().run_id
    if (folder / records.CHECKPOINT).exists():
        torch.load(folder / records.CHECKPOINT, weights_only=True)
    if (folder / records.RECORD).exists():
        records.load(folder)


@pytest.mark.long
def test_killed_at_random_steps_of_training(
    tmp_path: Path, whole: tuple[records.Record, dict]
) -> None:
    draw, kills, out = random.Random(0), 0, tmp_path / "0"
    while kills < KILLS:
        here, there = FORKED.Pipe(duplex=False)
        process = start(out, there)
        there.close()
        beats = draw.randint(1, 20)
        try:
            for _ in range(beats):
                here.recv_bytes()
            process.kill()
        except EOFError:
            pass  # it ended before
        process.join()
        assert_whole_or_absent(out)
        if process.exitcode == -signal.SIGKILL:
            kills += 1
        else:
            assert same(result(out), whole)
            out = tmp_path / str(kills)  # the next one begins anew
    process = start(out)
    process.join()
    assert same(result(out), whole)


@pytest.mark.long
def test_killed_at_random_moments_of_writing(
    tmp_path: Path, whole: tuple[records.Record, dict]
) -> None:
    kills, left_behind = 0, 0
    for doom in dooms(seed=1, count=KILLS):
        process = start(tmp_path, None, doom)
        process.join()
        assert_whole_or_absent(tmp_path)
        kills += process.exitcode == -signal.SIGKILL
        folder = tmp_path / experiment().run_id
        left_behind += len(list(folder.glob(".*.part")))
        if (folder / records.RECORD).exists():
            assert same(result(tmp_path), whole)
            (folder / records.RECORD).unlink()
            (folder / records.CHECKPOINT).unlink()
    assert kills >= KILLS - 3  # a doom after the run's last write does not strike
    assert left_behind > 0
    process = start(tmp_path)
    process.join()
    assert same(result(tmp_path), whole)
    assert not list((tmp_path / experiment().run_id).glob(".*"))  # nothing half-written stays


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    here, there = FORKED.Pipe(duplex=False)
    process = start(tmp_path, there)
    there.close()
    here.recv_bytes()  # it has begun, so it has the claim
    os.kill(process.pid, signal.SIGSTOP)
    with (
        pytest.raises(Busy, match="is being written by another process"),
        claim(tmp_path, experiment().run_id, 0.0),
    ):
        pass
    process.kill()
    process.join()
    with claim(tmp_path, experiment().run_id, 0.0):
        pass


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True
    )
    if made.returncode:
        pytest.skip("no right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: IO[bytes]) -> None:
    while True:
        file.write(bytes(1000))


def test_a_full_disk_is_one_sentence_and_what_is_there_stays(small_disk: Path) -> None:
    path = small_disk / "checkpoint.pt"
    train(experiment().but(epochs=1), checkpoint=path)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        fill(file)
    before = path.read_bytes()
    with pytest.raises(WriteError, match=r"cannot write .*: No space left on device"):
        records.train_once(experiment(), small_disk)
    assert path.read_bytes() == before
    filler.unlink()
    assert records.train_once(experiment(), small_disk) is not None


def test_a_file_that_may_not_grow_is_one_sentence_too(tmp_path: Path) -> None:
    """The same without the right to mount: torch wraps the error that it gets from the file."""
    process = FORKED.Process(target=_with_small_files, args=(tmp_path,))
    process.start()
    process.join()
    assert (tmp_path / "sentence").read_text().endswith("File too large")
    assert not list((tmp_path / experiment().run_id).glob(".*"))


def _with_small_files(out: Path) -> None:
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        records.train_once(experiment(), out, checkpoint_every=0.0)
    except WriteError as error:
        (out / "sentence").write_text(str(error))


def test_a_read_only_folder_is_one_sentence_and_stays_readable(small_disk: Path) -> None:
    short = experiment().but(epochs=1, seed=1)
    assert records.train_once(short, small_disk) is not None
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(WriteError, match=r"cannot write .*: Read-only file system"):
        records.train_once(experiment(), small_disk)
    assert records.train_once(short, small_disk) is not None  # what is there needs no writing
