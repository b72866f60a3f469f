from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from support.runs import make_folder, same_history, tiny

from delog_nb import records, training
from delog_nb.cli import main
from delog_nb.experiment import Experiment, WriteError
from delog_nb.grids import grid, job
from delog_nb.grids.job import Job, Outcome
from delog_nb.grids.sweep import Progress, sweep
from delog_nb.grids.workers import WorkerDied, Workers
from delog_nb.instruments.course_files import EXPERIMENT
from delog_nb.instruments.run_files import FEATURES
from delog_nb.measure.features import read_features
from delog_nb.records.locks import claim
from delog_nb.training import planned

SMALL = {"limit": 60, "epochs": 1, "width": 0.125, "batch_size": 32}


def runs(count: int, **changes: Any) -> list[Experiment]:
    return [
        tiny(method=method, seed=seed, **(SMALL | changes))
        for seed in range(count // 2)
        for method in ("bp", "delog-scl")
    ]


def kept(out: Path) -> dict[str, records.Record]:
    found = [r for r in records.find(out) if isinstance(r, records.Record)]
    return {r.experiment.run_id: r for r in found}


def in_threads() -> Executor:
    return ThreadPoolExecutor(1)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, records.Record]:
    """The 24 runs in this process, one after another."""
    out = tmp_path_factory.mktemp("alone")
    for experiment in runs(24):
        records.train_once(experiment, out)
    return kept(out)


def check_same(out: Path, alone: dict[str, records.Record]) -> None:
    found = kept(out)
    assert found.keys() == alone.keys()
    assert all(same_history(found[k].history, alone[k].history) for k in alone)


def test_a_process_pool_makes_the_same_records_and_survives_a_kill(
    tmp_path: Path, alone: dict[str, records.Record]
) -> None:
    struck = threading.Event()
    with Workers(2) as executor:

        def kill_one(progress: Progress, outcome: Outcome | None) -> None:
            if progress.done == 3 and not struck.is_set():
                struck.set()
                os.kill(executor.submit(os.getpid).result(), signal.SIGKILL)

        progress = sweep(runs(24), tmp_path, executor, slots=2, on_change=kill_one)
    assert struck.is_set()
    assert (progress.done, progress.failed, progress.running) == (24, 0, 0)
    check_same(tmp_path, alone)


@pytest.mark.long
def test_a_real_dask_cluster_loses_a_worker_then_its_scheduler_and_no_record(
    tmp_path: Path, alone: dict[str, records.Record], cache: Path
) -> None:
    """A scheduler and two workers as processes on loopback; a `LocalCluster` makes the rest."""
    pytest.importorskip("distributed")
    from distributed import Client, LocalCluster

    spot, out = tmp_path / "scheduler.json", tmp_path / "runs"
    dask = [sys.executable, "-m", "distributed.cli"]
    scheduler = [f"{dask[2]}.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    worker = [f"{dask[2]}.dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    worker += ["--local-directory", str(tmp_path), "--scheduler-file", str(spot)]
    commands = [
        [*dask[:2], *scheduler, "--no-dashboard", "--scheduler-file", str(spot)],
        [*dask[:2], *worker],
        [*dask[:2], *worker],
    ]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(c, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for c in commands
    ]
    scheduler_dies_at = 12

    def strike(progress: Progress, outcome: Outcome | None) -> None:
        if progress.done >= 3:
            started[1].kill()
        if progress.done >= scheduler_dies_at:
            started[0].kill()

    try:
        with Client(scheduler_file=str(spot), timeout="60s", set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            progress = sweep(
                runs(24),
                out,
                client.get_executor(),
                slots=2,
                on_change=strike,
                reachable=lambda: client.status == "running",
            )
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert progress.done + progress.failed == 24
    assert scheduler_dies_at <= progress.done < 24
    assert all("was lost" in o.error for o in progress.outcomes.values() if o.state == "failed")

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        progress = sweep(runs(24), out, client.get_executor(), slots=2)
    assert (progress.done, progress.failed) == (24, 0)
    check_same(out, alone)


def test_runs_of_an_executor_that_is_out_of_reach_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its futures would never end."""
    from concurrent.futures import Executor, Future

    from delog_nb.grids import sweep as module

    class Silent(Executor):
        def submit(self, *_: object, **__: object) -> Future:  # type: ignore[override, type-arg]
            return Future()

    monkeypatch.setattr(module, "_LOST_SECONDS", -1.0)
    monkeypatch.setattr(module, "_TICK_SECONDS", 0.01)
    progress = sweep(runs(4), tmp_path, Silent(), reachable=lambda: False)
    assert (progress.failed, progress.total) == (4, 4)
    assert all("was lost (no connection)" in o.error for o in progress.outcomes.values())


def test_runs_go_to_the_workers_that_have_what_they_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line on a cluster where one worker of two has a "GPU"."""
    pytest.importorskip("distributed")
    from distributed import Client, Nanny, Scheduler, SpecCluster

    (tmp_path / "grid.yaml").write_text(
        "fixed: {preset: quick, limit: 60, width: 0.125, epochs: 1, precision: float32}\n"
        "cross: {method: [bp, al], seed: [0, 1]}\n"
    )
    words = ["sweep", str(tmp_path / "grid.yaml"), "--out", str(tmp_path / "out"), "--no-notebook"]
    plain = {"nthreads": 1, "dashboard": False}
    with SpecCluster(
        workers={
            "gpu": {"cls": Nanny, "options": plain | {"resources": {"GPU": 1}}},
            "none": {"cls": Nanny, "options": plain},
        },
        scheduler={
            "cls": Scheduler,
            "options": {"host": "127.0.0.1", "port": 0, "dashboard": False},
        },
    ) as cluster:
        address = cluster.scheduler_address
        words += ["--scheduler", address, "--resources"]
        assert main([*words, "GPU=2"]) == 2
        assert "none of the 2 workers has GPU=2: start them with" in capsys.readouterr().err
        assert main([*words, "GPU=1"]) == 0
        with Client(address, set_as_default=False) as client:
            worked = client.run(eval, "'delog_nb.grids.job' in __import__('sys').modules")
            has_one = {
                worker: bool(info["resources"])
                for worker, info in client.scheduler_info(n_workers=-1)["workers"].items()
            }
    assert len(kept(tmp_path / "out")) == 4
    assert sorted(has_one.values()) == [False, True]
    assert worked == has_one


def test_one_failing_run_stops_no_other_and_is_retried_alone(tmp_path: Path) -> None:
    good = runs(2)
    images = make_folder(tmp_path / "images", count=40)
    bad = planned(tiny(dataset="folder", data_dir=images, **SMALL))
    images.rename(tmp_path / "elsewhere")
    nameless = tiny(dataset="folder", data_dir=tmp_path / "nowhere", **SMALL)
    with in_threads() as executor:
        progress = sweep([bad, nameless, *good], tmp_path / "out", executor)
        assert (progress.done, progress.failed, progress.total) == (2, 2, 4)
        assert (
            "nowhere does not exist" in progress.outcomes["folder-convnet-delog-scl-s0 (1)"].error
        )
        outcome = progress.outcomes[bad.run_id]
        assert "images does not exist" in outcome.error
        error = json.loads((tmp_path / "out" / bad.run_id / job.ERROR).read_text())
        assert error["error"] == outcome.error
        assert "Traceback" in error["traceback"]

        (tmp_path / "elsewhere").rename(images)
        again = sweep([bad, *good], tmp_path / "out", executor)  # it is not tried again by itself
        assert (again.done, again.failed) == (2, 1)
        retried = sweep([bad, *good], tmp_path / "out", executor, failed="only")
    assert (retried.total, retried.done, retried.failed) == (3, 3, 0)
    assert not (tmp_path / "out" / bad.run_id / job.ERROR).exists()


def test_what_is_there_is_not_run_again(tmp_path: Path) -> None:
    todo = runs(4)
    records.train_once(todo[0], tmp_path)
    with in_threads() as executor:
        states = [o.state for o in sweep(todo, tmp_path, executor).outcomes.values()]
        assert states == ["kept", "done", "done", "done"]
        states = [o.state for o in sweep(todo, tmp_path, executor).outcomes.values()]
        assert states == ["kept"] * 4


def test_weights_and_features_are_kept_where_they_are_asked_for(tmp_path: Path) -> None:
    gone, stays = runs(2)
    with in_threads() as executor:
        sweep([gone], tmp_path, executor)
        sweep([stays], tmp_path, executor, keep_checkpoints=True, keep_features=True)
    assert not (tmp_path / gone.run_id / records.CHECKPOINT).exists()
    assert not (tmp_path / gone.run_id / FEATURES).exists()
    assert read_features(tmp_path / stays.run_id).epochs[-1] == stays.epochs
    state = torch.load(tmp_path / stays.run_id / records.CHECKPOINT, weights_only=True)["model"]
    fresh = training.train(stays).model.state_dict()
    assert state.keys() == fresh.keys()
    assert all(torch.equal(state[name], fresh[name]) for name in fresh)


def test_a_run_of_another_sweep_is_waited_for_and_taken_over(tmp_path: Path) -> None:
    (experiment,) = runs(2)[:1]
    seen: list[str] = []
    other = claim(tmp_path, f"{experiment.run_id}.job", 0.0)
    other.__enter__()

    def on_change(progress: Progress, outcome: Outcome | None) -> None:
        if outcome is not None:
            seen.append(outcome.state)
        if seen == ["busy"]:
            other.__exit__(None, None, None)  # the other sweep dies without a record

    with in_threads() as executor:
        progress = sweep([experiment], tmp_path, executor, on_change=on_change)
    assert seen == ["busy", "done"]
    assert progress.done == 1


def test_two_sweeps_on_one_folder_make_each_run_once(tmp_path: Path) -> None:
    todo, made = runs(6), []

    def one(order: list[Experiment]) -> None:
        with in_threads() as executor:
            outcomes = sweep(order, tmp_path, executor).outcomes.values()
        made.extend(o.run_id for o in outcomes if o.state == "done")

    threads = [threading.Thread(target=one, args=(order,)) for order in (todo, todo[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == sorted(e.run_id for e in todo)
    logs = [(tmp_path / e.run_id / job.LOG).read_text() for e in todo]
    assert all(text.count("from epoch 0") == 1 for text in logs)


def test_a_call_that_kills_its_process_is_given_up() -> None:
    with Workers(1) as executor:
        with pytest.raises(WorkerDied, match="killed 3 times"):
            executor.submit(os._exit, 1).result()
        assert executor.submit(abs, -3).result() == 3


def test_a_lost_worker_is_a_failed_run_on_any_executor(tmp_path: Path) -> None:
    class Losing(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(WorkerDied("out of memory"))
            return future

    outcomes = sweep(runs(2), tmp_path, Losing()).outcomes.values()
    lost = "its worker, or what it was reached by, was lost (out of memory)"
    assert {o.error for o in outcomes} == {lost}


def test_an_unreadable_record_is_a_failure_and_stays(tmp_path: Path) -> None:
    experiment = runs(2)[0]
    folder = tmp_path / experiment.run_id
    folder.mkdir()
    (folder / records.RECORD).write_text("{")
    outcome = job.run(Job.of(experiment, tmp_path))
    assert outcome.state == "failed"
    assert "is not a readable record" in outcome.error
    assert (folder / records.RECORD).read_text() == "{"


@pytest.mark.long
def test_the_driver_killed_leaves_workers_dead_and_a_second_call_finishes(tmp_path: Path) -> None:
    """The command line itself: SIGKILL in the middle, then the same command again."""
    (tmp_path / "grid.yaml").write_text(
        "fixed: {preset: quick, limit: 60, width: 0.125, epochs: 30, precision: float32}\n"
        "cross: {method: [bp, al], seed: [0]}\n"
    )
    out = tmp_path / "out"
    command = [sys.executable, "-m", "delog_nb", "sweep", str(tmp_path / "grid.yaml")]
    command += ["--out", str(out), "--no-notebook", "--workers", "1", "--checkpoint-every", "0"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as driver:
        while not list(out.glob("*/checkpoint.pt")):
            with pytest.raises(subprocess.TimeoutExpired):  # it is still there
                driver.wait(0.05)
        driver.kill()
    (folder,) = (path.parent for path in out.glob("*/checkpoint.pt"))
    with claim(out, folder.name, 60.0):  # the orphan ends, and its claim with it
        pass
    assert not (folder / records.RECORD).exists()
    assert main(command[3:]) == 0
    assert len(kept(out)) == 2
    assert all(len(r.history) == 30 for r in kept(out).values())


def test_dry_run_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "grid.yaml").write_text(
        "fixed: {preset: quick}\ncross: {method: [bp, delog-scl], seed: [0, 1]}\n"
    )
    words = ["sweep", str(tmp_path / "grid.yaml"), "--out", str(tmp_path / "out"), "--dry-run"]
    assert main([*words, "--workers", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith("4 runs, 0 of them done; the others take about ")
    assert not (tmp_path / "out").exists()
    assert main([*words[:2], "--dry-run"]) == 0
    assert main(words[:2]) == 2
    assert "--out is missing: name the folder for the runs" in capsys.readouterr().err


def test_a_notebook_for_each_run(tmp_path: Path) -> None:
    """One good, one that fails inside its notebook: both notebooks stay, neither is large."""
    good = tiny(method="al", **SMALL)
    bad = tiny(dataset="folder", data_dir=tmp_path / "none", data_id="0" * 16, **SMALL)
    with in_threads() as executor:
        progress = sweep([good, bad], tmp_path, executor, notebook=EXPERIMENT)
    assert (progress.done, progress.failed) == (1, 1)
    assert "none does not exist" in progress.outcomes[bad.run_id].error
    folder = tmp_path / good.run_id
    assert sorted(path.name for path in folder.iterdir()) == [
        "history.csv",
        "log.txt",
        "record.json",
        "run.ipynb",
    ]
    assert same_history(
        records.load(folder).history,
        records.train_once(good, tmp_path / "again").history,  # type: ignore[union-attr]
    )
    for experiment in (good, bad):
        text = (tmp_path / experiment.run_id / job.NOTEBOOK).read_text()
        content = json.loads(text)
        assert len(text) < 300_000
        assert "widgets" not in content["metadata"]
    assert "epoch 1, test" in (folder / job.LOG).read_text()
    assert (tmp_path / bad.run_id / job.ERROR).exists()


def test_a_folder_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"cannot write .*file"):
        sweep(runs(2), tmp_path / "file", in_threads())


FULL = [Path(__file__).parents[2] / "experiments" / "results" / f"table{n}.yaml" for n in (2, 9, 8)]


def test_the_full_size_grids_take_one_seed_first_and_share_runs() -> None:
    table2, table9, table8 = (grid.read(path).experiments() for path in FULL)
    assert [e.seed for e in table2] == [0] * 12 + [1] * 12 + [2] * 12
    assert [e.net for e in table2[:12]] == ["convnet"] * 4 + ["vgg"] * 4 + ["resnet"] * 4
    assert {e.data_label for e in table2 + table9 + table8} == {"CIFAR-10 (JPEG)"}
    assert {(e.preset, e.epochs) for e in table2 + table9 + table8} == {("paper", 200)}

    def ids(experiments: list[Experiment]) -> set[str]:
        return {e.but(data_id="0" * 16).run_id for e in experiments}

    assert len(ids(table9) - ids(table2)) == 12  # the mlp head is in Table 2
    assert len(ids(table8) - ids(table2)) == 45  # and so is batch 128


def test_several_grids_spread_over_short_calls(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The grids of the full-size results, made small: stopped by the time, then to the end."""
    make_folder(tmp_path / "images", count=40)
    small = {"net": ["convnet"], "seed": [0], "head": ["mlp", "linear"], "batch_size": [32, 16]}
    files = []
    for path in FULL:
        content = yaml.safe_load(path.read_text())
        content["fixed"] |= SMALL | {"preset": "quick", "data_dir": str(tmp_path / "images")}
        if "batch_size" in content["cross"]:
            del content["fixed"]["batch_size"]
        content["cross"] = {name: small.get(name, v) for name, v in content["cross"].items()}
        files.append(str(tmp_path / path.name))
        Path(files[-1]).write_text(yaml.safe_dump(content))
    out = tmp_path / "out"
    words = ["sweep", *files, "--out", str(out), "--no-notebook", "--workers", "1", "--hours"]
    assert main([*words, "1e-9"]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert main([*words, "1"]) == 0
    assert len(kept(out)) == 6  # of 8: two of the second and third grid are in the first
    assert {r.experiment.data_label for r in kept(out).values()} == {"CIFAR-10 (JPEG)"}
    assert {p.name for p in (out / "grids").iterdir()} == {p.name for p in FULL}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--hours", "0"], "hours = 0 is not allowed: a number above 0"),
        (["--hours", "soon"], "argument --hours: invalid float value: 'soon'"),
        ([str(FULL[0])], "two grid files are named table2.yaml: rename one of them"),
    ],
)
def test_what_a_sweep_does_not_take(
    words: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(FULL[0]), *words, "--out", str(tmp_path / "out")]) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
