from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from support.ranks import DECOUPLED, SHARED, experiments, of_method, ranks_of, run_ranks, sgd_steps
from support.runs import plugged, same_history, tiny

from delog_nb import Experiment, ExperimentError, records, train
from delog_nb.cli import main
from delog_nb.cli.rank import main as be_main
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.pipeline import check
from delog_nb.pipeline.links import Form
from delog_nb.training.team import Team

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def one_after_another() -> dict[str, Any]:
    """The runs of `experiments` by the ordinary loop."""
    return {e.method: train(e) for e in experiments()}  # type: ignore[attr-defined, arg-type]


@pytest.mark.long
@pytest.mark.parametrize("stages", [2, 5])  # components beside each other, and one in each
def test_weights_after_fifty_steps_are_those_of_the_ordinary_loop_to_the_last_bit(
    stages: int, tmp_path: Path, one_after_another: dict[str, Any]
) -> None:
    run_ranks(stages, "pipelined", str(tmp_path), folder=tmp_path)
    for name in DECOUPLED:
        expected = one_after_another[name]
        found = torch.load(tmp_path / f"{name}.pt")
        assert len(found["history"]) == 5
        assert same_history(found["history"], expected.history)
        weights = expected.model.state_dict()
        assert weights.keys() == found["weights"].keys()
        assert all(torch.equal(weights[key], found["weights"][key]) for key in weights)
        ranks = [json.loads((tmp_path / f"{name}-{k}.json").read_text()) for k in range(stages)]
        # each component is on one stage, in order, and every rank has the history
        ends = [tuple(run) for run in ranks[0]["runs"]]
        assert [place for a, b in ends for place in range(a, b)] == list(
            range(len(expected.model.components))
        )
        assert all(rank["rows"] == 5 for rank in ranks)
        # ranks other than the last keep the parameters of their own components alone
        sizes = [len(list(part.parameters())) for part in expected.model.parts()]
        kept = [sum(sizes[a:b]) for a, b in ends[:-1]] + [sum(sizes)]
        assert [rank["kept"] for rank in ranks] == kept
        # and images alone that make their views, or that are evaluated
        for rank, (trained, tested) in enumerate(rank["images"] for rank in ranks):
            own = expected.model.parts()[slice(*ends[rank])]
            views = rank == 0 or any("inputs" in part.needs for part in own)
            assert (trained > 0, tested > 0) == (views, rank == stages - 1)


@pytest.mark.long
@pytest.mark.parametrize("method", DECOUPLED)
def test_every_net_in_a_pipeline_ends_as_in_the_ordinary_loop(method: str, tmp_path: Path) -> None:
    run_ranks(2, f"every net with {method}", str(tmp_path), folder=tmp_path)
    for net, experiment in of_method(method).items():
        expected, found = train(experiment), torch.load(tmp_path / f"{net}.pt")
        assert same_history(found["history"], expected.history)
        weights = expected.model.state_dict()
        assert weights.keys() == found["weights"].keys()
        assert all(torch.equal(weights[key], found["weights"][key]) for key in weights)


def test_dropout_in_a_pipeline_draws_what_it_draws_in_one_process(
    tmp_path: Path,
) -> None:
    plugged("dropout_net")
    expected = train(tiny(method="early-exit", net="with-dropout"))
    run_ranks(2, "dropout", str(tmp_path), folder=tmp_path)
    found = torch.load(tmp_path / "dropout.pt")
    assert same_history(found["history"], expected.history)
    weights = expected.model.state_dict()
    assert all(torch.equal(weights[key], found["weights"][key]) for key in weights)


def test_a_stop_reaches_all_stages_and_the_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    run_ranks(3, "interrupted", str(tmp_path), folder=tmp_path)
    ranks = [json.loads((tmp_path / f"stop-{k}.json").read_text()) for k in range(3)]
    assert [(rank["stopped"], rank["rows"]) for rank in ranks] == [(True, 1)] * 3
    assert [rank["events"] for rank in ranks[:2]] == [[], []]
    # three steps of the second epoch were made before the stop
    epochs = [*["Stepped"] * 3, "EpochEnded", *["Stepped"] * 6, "EpochEnded"]
    assert ranks[2]["events"] == ["Started", *epochs, "Ended"]

    resumed = torch.load(tmp_path / "resumed.pt")
    experiment = tiny(precision="bf16", epochs=3)
    whole = train(experiment)
    assert same_history(resumed["history"], whole.history)
    weights = whole.model.state_dict()
    assert all(torch.equal(weights[key], resumed["weights"][key]) for key in weights)
    # the ordinary loop takes the pipeline's checkpoint for its own
    again = train(experiment, checkpoint=tmp_path / "checkpoint.pt")
    assert same_history(again.history, resumed["history"])
    assert again.model.state_dict().keys() == weights.keys()


def test_two_data_parallel_ranks_are_one_process_on_the_joined_batch(tmp_path: Path) -> None:
    run_ranks(2, "data_parallel", str(tmp_path), folder=tmp_path)
    parts = [torch.load(tmp_path / f"z-{k}.pt") for k in range(2)]
    z = torch.cat([part["z"] for part in parts]).requires_grad_()
    loss = supervised_contrastive_loss(z, torch.cat([part["labels"] for part in parts]))
    loss.backward()
    assert z.grad is not None
    for part, grad in zip(parts, z.grad.split([4, 6]), strict=True):
        torch.testing.assert_close(part["loss"], loss.detach())
        torch.testing.assert_close(part["grad"], grad)
        # in one process's order: first view 1 of the images of both ranks, then view 2, each with
        # as many rows as it has
        joined, labels = part["joined"]
        assert joined.view(2, 2, 5).tolist() == [
            [[0, 1, 100, 101, 102], [2, 3, 103, 104, 105]],
            [[4, 5, 106, 107, 108], [6, 7, 109, 110, 111]],
        ]
        own = [p["labels"].view(2, -1) for p in parts]
        assert torch.equal(labels, torch.cat(own, 1).flatten())

    for name in SHARED:
        weights, losses = sgd_steps(name, Team())
        found, joined = torch.load(tmp_path / f"{name}.pt")
        torch.testing.assert_close(joined, losses, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(found, weights, rtol=1e-9, atol=1e-12)


def test_a_tensor_comes_out_of_a_message_as_it_went_in() -> None:
    kinds = [
        torch.randn(6, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        torch.randn(6, 3, 4, 5),
        torch.randn(6, 1, 4, 5).contiguous(memory_format=torch.channels_last),
        torch.randn(6, 7).bfloat16(),
        torch.arange(6),
    ]
    for tensor in kinds:
        form = Form.of(tensor[:2])  # known from two samples, used for six
        buffer = torch.zeros(form.size(6) + 100, dtype=torch.uint8)
        form.view(buffer, 6).copy_(tensor)
        back = form.view(buffer, 6)
        assert torch.equal(back, tensor)
        assert (back.shape, back.stride(), back.dtype) == (
            tensor.shape,
            tensor.stride(),
            tensor.dtype,
        )
        assert form.size(6) % 64 == 0
        assert not buffer[form.size(6) :].any()


@pytest.mark.parametrize(
    ("choices", "stages", "sentence"),
    [
        ({"method": "bp"}, 2, r"method = bp with one gradient flow .* backward locking"),
        ({"method": "delog-scl", "components": 1}, 2, r"backward locking"),
        ({"method": "al"}, 5, r"pipeline = 5 is not allowed: from 2 to 4 stages"),
        ({"method": "delog-scl"}, 1, r"pipeline = 1 is not allowed: from 2 to 5 stages"),
    ],
)
def test_what_cannot_be_pipelined_is_refused_with_the_reason(
    choices: dict[str, Any], stages: int, sentence: str
) -> None:
    with pytest.raises(ExperimentError, match=sentence):
        check(Experiment(**choices), stages)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--pipeline", "2", "--method", "bp"], "backward locking"),
        (["--pipeline", "two"], "invalid int value: 'two'"),
        (["--data-parallel", "1"], "data-parallel = 1 is not allowed: at least 2 processes"),
        (["--data-parallel", "2", "--pipeline", "2"], "not allowed with argument"),
    ],
)
def test_the_command_refuses_before_it_starts_a_process(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words]) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert len(shown.splitlines()) == 1


def flags(out: Path, epochs: int, *more: str) -> list[str]:
    """A run of small steps."""
    small = ["--preset", "quick", "--limit", "100", "--batch-size", "32", "--out", str(out)]
    small += ["--precision", "float32", "--checkpoint-every", "0"]
    return [*small, "--epochs", str(epochs), *more]


def test_the_command_starts_the_processes_of_a_pipeline(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert main(["train", "--pipeline", "2", *flags(tmp_path, 1)]) == 0
    (record,) = records.find(tmp_path)
    assert isinstance(record, records.Record)
    assert record.results["processes"].startswith("pipeline of 2 stages")
    assert signal.getsignal(signal.SIGINT) is before  # the launcher has handlers of its own


def wait_for_checkpoint(out: Path, alive: Callable[[], bool]) -> None:
    while not list(out.glob("*/checkpoint.pt")):
        assert alive()
        time.sleep(0.05)


@pytest.mark.long
def test_a_killed_rank_is_named_and_the_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    """By the command: a rank is killed, the run resumed, interrupted, and ended in one process."""
    options = flags(tmp_path, 20)
    command = [sys.executable, "-m", "delog_nb", "train", "--pipeline", "2", *options]
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as launcher:
        wait_for_checkpoint(tmp_path, lambda: launcher.poll() is None)
        children = psutil.Process(launcher.pid).children()
        ranks = {int(child.environ()["RANK"]): child.pid for child in children}
        assert sorted(ranks) == [0, 1]
        os.kill(ranks[0], signal.SIGKILL)
        _, errors = launcher.communicate(timeout=30)
    assert launcher.returncode == 1
    told = [line for line in errors.splitlines() if not line.startswith("Delog-SCL, ConvNet: ep")]
    assert len(told) == 1, errors
    assert told[0].startswith("delog-nb: rank 0 (component")
    assert f"process {ranks[0]} on" in told[0]
    assert "died: the run ended" in told[0]
    assert not any(psutil.pid_exists(pid) for pid in ranks.values())

    (checkpoint,) = tmp_path.glob("*/checkpoint.pt")
    kept = len(torch.load(checkpoint)["progress"]["history"])
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as launcher:
        assert launcher.stderr is not None
        first = launcher.stderr.readline()
        launcher.send_signal(signal.SIGINT)
        rest = launcher.stderr.read()
    assert f"epoch {kept + 1}, test" in first
    assert rest.splitlines()[-1].startswith("Stopped. The same command goes on from")
    assert launcher.returncode == 130
    assert kept < len(torch.load(checkpoint)["progress"]["history"]) < 20

    assert main(["train", *options]) == 0  # the ordinary loop takes the checkpoint for its own
    (record,) = records.find(tmp_path)
    assert isinstance(record, records.Record)
    assert same_history(record.history, train(record.experiment).history)


@pytest.mark.long
def test_a_rank_that_hangs_is_named_and_ended(tmp_path: Path) -> None:
    with ranks_of(3, flags(tmp_path, 100_000), tmp_path) as ranks:
        wait_for_checkpoint(tmp_path, ranks[1].is_alive)
        os.kill(ranks[1].pid, signal.SIGSTOP)
        begin = time.monotonic()
        for rank in ranks:
            rank.join(30)
        assert time.monotonic() - begin < 30
    assert [rank.exitcode for rank in ranks] == [1, -signal.SIGKILL, 1]
    lines = (tmp_path / "errors.txt").read_text().splitlines()
    told = [line for line in lines if not line.startswith("Delog-SCL, ConvNet: ep")]
    assert len(told) == 1, lines
    assert told[0].startswith("delog-nb: rank 1 (component")
    assert f"process {ranks[1].pid} on" in told[0]
    assert "does not answer: the run ended" in told[0]


def test_a_rank_with_an_error_says_it_once_and_ends_the_others(tmp_path: Path) -> None:
    experiment = Experiment(preset="quick", limit=100, batch_size=32, precision="float32", epochs=3)
    (tmp_path / experiment.run_id).mkdir()
    (tmp_path / experiment.run_id / "checkpoint.pt").write_text("no checkpoint")
    with ranks_of(2, flags(tmp_path, 3), tmp_path) as ranks:
        pass
    assert [rank.exitcode for rank in ranks] == [1, 2]  # the last one reads the file
    (line,) = (tmp_path / "errors.txt").read_text().splitlines()
    assert line.startswith("delog-nb: rank 1 (component")
    assert "is damaged" in line


@pytest.mark.parametrize(
    ("more", "processes"),
    [((), "pipeline of 2 stages: components 1"), (("--data-parallel",), "data parallelism of 2")],
)
def test_several_processes_leave_one_record(
    more: tuple[str, ...], processes: str, tmp_path: Path
) -> None:
    for _ in range(2):  # the second time it is there
        run_ranks(2, *flags(tmp_path, 2, "--method", "al", *more), folder=tmp_path)
    (record,) = records.find(tmp_path)
    assert isinstance(record, records.Record)
    assert record.folder is not None
    assert sorted(path.name for path in record.folder.iterdir()) == ["history.csv", "record.json"]
    assert record.results["processes"].startswith(processes)
    shown = (tmp_path / "errors.txt").read_text().splitlines()
    assert [line[:20] for line in shown] == ["AL, ConvNet: epoch 1", "AL, ConvNet: epoch 2"]
    ordinary = records.record_of(train(record.experiment))
    assert ordinary.results["processes"] == "one process"
    assert ordinary.results.keys() == record.results.keys()
    assert ordinary.results["train_params"] == record.results["train_params"]
    if not more:
        assert same_history(record.history, ordinary.history)


def test_the_module_says_how_to_start_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert be_main(["--out", str(tmp_path)]) == 2
    assert "start this with torchrun" in capsys.readouterr().err
