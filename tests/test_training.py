from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import same_history, tiny

from delog_nb import ExperimentError, data, methods, train
from delog_nb.experiment.registry import METHODS
from delog_nb.instruments.memory import LiveBytes
from delog_nb.methods import Batch, Method
from delog_nb.training import (
    Ended,
    EpochEnded,
    Run,
    Started,
    Stepped,
    learning_rate_factor,
    local_losses,
    make_optimizers,
    pick_device,
    pick_precision,
    train_step,
)


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_history_bit_for_bit(name: str) -> None:
    one, two = train(tiny(method=name)), train(tiny(method=name))
    assert same_history(one.history, two.history)
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            one.model.state_dict().values(), two.model.state_dict().values(), strict=True
        )
    )
    other = train(tiny(method=name, seed=1))
    assert not same_history(one.history, other.history)


def test_events_tell_the_whole_run_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[Any] = []
    run = train(tiny(method="early-exit"), seen.append)
    steps = math.ceil(180 / 32)  # 200 images, a tenth for validation
    kinds = [type(event) for event in seen]
    epoch = [Stepped] * steps + [EpochEnded]
    assert kinds == [Started, *epoch, *epoch, Ended]
    assert (seen[0].epochs, seen[0].steps_per_epoch, seen[0].components) == (2, steps, 5)
    assert [event.row for event in seen if isinstance(event, EpochEnded)] == run.history
    assert seen[-1].run is run
    # the epoch's loss is the mean of its steps', weighted by the images in each
    losses = torch.tensor([[float(x) for x in e.losses] for e in seen if isinstance(e, Stepped)])
    weights = torch.tensor([32.0] * (steps - 1) + [180 - 32 * (steps - 1)])
    means = (losses[:steps] * weights[:, None]).sum(0) / 180
    row = run.history[0]
    torch.testing.assert_close(means, torch.tensor([row[f"loss_{k}"] for k in range(1, 6)]))
    assert capfd.readouterr() == ("", "")  # the loop itself prints nothing


def test_stopping_is_asked_at_every_step_and_keeps_finished_epochs() -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 10  # six steps and two batches of evaluation an epoch

    seen: list[Any] = []
    run = train(tiny(), seen.append, stop)
    assert run.stopped
    assert len(run.history) == 1
    assert sum(isinstance(event, Stepped) for event in seen) == 8
    assert isinstance(seen[-1], Ended)


def test_a_run_stopped_before_its_first_epoch_has_no_figures() -> None:
    run = train(tiny(), should_stop=lambda: True)
    assert run.history == []
    assert math.isnan(run.test_acc)
    assert run.results()["test_acc"] is None


def test_the_schedule_is_a_cosine_set_once_an_epoch() -> None:
    experiment = tiny(lr=1e-3, lr_min=1e-5, epochs=4)
    rates = [experiment.lr * learning_rate_factor(experiment, epoch) for epoch in range(4)]
    layer = torch.nn.Linear(1, 1)
    adam = torch.optim.Adam(layer.parameters(), lr=1e-3)
    plain = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 4, eta_min=1e-5)
    expected = []
    for _ in range(4):
        expected.append(adam.param_groups[0]["lr"])
        adam.step()
        plain.step()
    assert rates == pytest.approx(expected)
    assert [row["lr"] for row in train(experiment).history] == pytest.approx(expected)


def test_accuracy_is_the_share_of_hits_counted_by_hand() -> None:
    experiment = tiny(epochs=1)
    run = train(experiment)
    images = data.load(experiment)
    scale = torch.tensor(images.std).view(1, -1, 1, 1)
    inputs = (images.test.images / 255 - torch.tensor(images.mean).view(1, -1, 1, 1)) / scale
    model = run.model.eval()
    with torch.no_grad():
        hits = sum(
            int(model.predict(x[None]).argmax() == y)
            for x, y in zip(inputs, images.test.labels, strict=True)
        )
    assert run.test_acc == pytest.approx(hits / len(images.test), abs=1.5 / len(images.test))


def test_the_three_accuracies_of_a_run() -> None:
    run = train(tiny(epochs=1))
    row = dict(run.history[0])
    run.history = [
        row | {"epoch": 1, "val_acc": 0.5, "test_acc": 0.4},
        row | {"epoch": 2, "val_acc": 0.7, "test_acc": 0.6},
        row | {"epoch": 3, "val_acc": 0.6, "test_acc": 0.9},
        row | {"epoch": 4, "val_acc": 0.7, "test_acc": 0.8},
    ]
    results = run.results()
    assert results["test_acc"] == run.test_acc == 0.8
    assert (results["best_val_epoch"], results["test_acc_at_best_val"]) == (2, 0.6)
    assert results["test_acc_best_over_epochs"] == 0.9


def test_without_validation_images_nothing_is_chosen_on_them() -> None:
    results = train(tiny(val_fraction=0, epochs=1)).results()
    assert results["test_acc_at_best_val"] is None
    assert results["best_val_epoch"] is None


@pytest.mark.parametrize("name", METHODS)
def test_a_stopped_run_resumes_to_the_very_same_end(name: str, tmp_path: Path) -> None:
    experiment = tiny(method=name, epochs=3)
    whole = train(experiment)
    path = tmp_path / "checkpoint.pt"
    steps = 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps > 9

    assert len(train(experiment, should_stop=stop, checkpoint=path).history) == 1
    started: list[Any] = []
    resumed = train(experiment, started.append, checkpoint=path)
    assert started[0].epoch == 1
    assert same_history(whole.history, resumed.history)
    weights = zip(
        whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True
    )
    assert all(torch.equal(a, b) for a, b in weights)


def test_checkpoints_of_others_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    train(tiny(epochs=1), checkpoint=path)
    with pytest.raises(ExperimentError, match=r"belongs to run .*, not to "):
        train(tiny(seed=3), checkpoint=path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ExperimentError, match=r"is damaged .*delete it to start"):
        train(tiny(epochs=1), checkpoint=path)


def test_a_checkpoint_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    path, mark = tmp_path / "checkpoint.pt", tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (mark.touch, ())

    torch.save({"run_id": Evil()}, path)
    with pytest.raises(ExperimentError, match="is damaged"):
        train(tiny(), checkpoint=path)
    assert not mark.exists()


def test_devices_and_precisions() -> None:
    assert pick_precision("float32", torch.device("cpu")) == "float32"
    assert pick_precision("bf16", torch.device("cpu")) == "bf16"
    assert pick_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        assert pick_device("auto").type == "cpu"
        with pytest.raises(ExperimentError, match="'cuda' is not to be had"):
            train(tiny(device="cuda"))


@pytest.mark.parametrize("name", METHODS)
def test_bf16_learns_too(name: str) -> None:
    run = train(tiny(method=name, precision="bf16", epochs=1))
    assert run.precision == "bf16"
    assert all(math.isfinite(v) for k, v in run.history[0].items() if k.startswith("loss_"))
    assert all(p.dtype == torch.float32 for p in run.model.parameters())


@pytest.mark.cuda
@pytest.mark.parametrize("name", METHODS)
def test_an_epoch_on_a_gpu_never_waits_for_it_before_its_end(name: str) -> None:
    seen = 0

    def watch(event: object) -> None:
        nonlocal seen
        if isinstance(event, Stepped):
            seen += 1
            # from the third step on (memory is measured in the second) any wait is an error
            torch.cuda.set_sync_debug_mode("error" if 2 <= seen < 6 else "default")

    run = train(tiny(method=name, device="cuda", epochs=1), watch)
    assert run.device == "cuda"


def peak(method: str, depth: int) -> float:
    """Peak bytes that a step adds to parameters and optimizer state."""
    experiment = tiny(method=method, depth=depth, width=0.125, image_size=16, head_hidden=8)
    built: Method = methods.build(experiment)
    optimizers = make_optimizers(built, experiment)
    images, labels = torch.randn(64, 1, 16, 16), torch.randint(0, 10, (64,))

    def step() -> None:
        parts = built.parts()
        train_step(parts, optimizers, local_losses(parts, images, Batch.of(labels)))

    step()  # Adam's state is made
    with LiveBytes() as live:
        step()
    return live.peak


def test_memory_of_a_step_grows_with_depth_for_bp_alone() -> None:
    # from 8 blocks on every stage has blocks of the same sizes
    assert peak("bp", 32) > 2.5 * peak("bp", 8)
    for name in ("delog-scl", "early-exit", "al"):
        assert peak(name, 32) < 1.15 * peak(name, 8)


def test_the_run_reports_the_memory_that_its_tensors_take() -> None:
    experiment = tiny(method="bp", epochs=1)
    run: Run = train(experiment)
    parameters = sum(p.numel() * 4 for p in run.model.parameters())
    assert run.peak_train_mb is not None
    # weights, gradients and two moments at least, and activations on top
    assert run.peak_train_mb * 1e6 > 4 * parameters
    assert run.peak_train_mb == train(experiment).peak_train_mb
