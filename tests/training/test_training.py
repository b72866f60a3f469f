from __future__ import annotations

import copy
import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from support.runs import plugged, same_history, tiny

from delog_nb import ExperimentError, data, methods, nets, train
from delog_nb.components import Batch, Method
from delog_nb.experiment import RecordError
from delog_nb.experiment.registry import METHODS
from delog_nb.instruments.memory import LiveBytes
from delog_nb.methods.delog_scl import ContrastiveObjective
from delog_nb.records.record import load as load_record
from delog_nb.records.record import record_of, save
from delog_nb.records.summary import by_epoch
from delog_nb.training import (
    Divergence,
    Ended,
    EpochEnded,
    Run,
    Started,
    Stepped,
    epoch_line,
    learning_rate_factor,
    local_losses,
    make_optimizers,
    pick_device,
    pick_precision,
    train_step,
)
from delog_nb.training.evaluation import evaluations
from delog_nb.training.randomness import Draws


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
    with pytest.raises(RecordError, match=r"belongs to run .*, not to "):
        train(tiny(seed=3), checkpoint=path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordError, match=r"is damaged .*delete it to start"):
        train(tiny(epochs=1), checkpoint=path)


def test_a_checkpoint_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    path, mark = tmp_path / "checkpoint.pt", tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (mark.touch, ())

    torch.save({"run_id": Evil()}, path)
    with pytest.raises(RecordError, match="is damaged"):
        train(tiny(), checkpoint=path)
    assert not mark.exists()


def test_devices_and_precisions() -> None:
    assert pick_precision("float32", torch.device("cpu")) == "float32"
    assert pick_precision("bf16", torch.device("cpu")) == "bf16"
    assert pick_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        assert pick_device("auto").type == "cpu"
        with pytest.raises(ExperimentError, match="'cuda' is not available"):
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


def test_a_run_comes_back_in_evaluation_mode() -> None:
    """So that a prediction depends on the image alone, and predicting changes nothing."""
    run = train(tiny(method="bp", epochs=1))
    assert not any(module.training for module in run.model.modules())
    images = data.load(run.experiment).test.images[:8]
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    together = run.predict(images)
    alone = torch.cat([run.predict(images[i : i + 1]) for i in range(8)])
    torch.testing.assert_close(together, alone)
    assert all(torch.equal(before[k], v) for k, v in run.model.state_dict().items())
    assert (together.argmax(1) == data.load(run.experiment).test.labels[:8]).any()


def test_predict_takes_pil_images_as_they_come() -> None:
    run = train(tiny(method="delog-scl", epochs=1))
    pixels = data.load(run.experiment).test.images[:3]
    grey = [Image.fromarray(image[0].numpy()) for image in pixels]
    torch.testing.assert_close(run.predict(grey), run.predict(pixels))
    colour = [image.convert("RGB") for image in grey]
    torch.testing.assert_close(run.predict(colour), run.predict(pixels))
    assert run.predict([image.resize((40, 23)) for image in grey]).shape == (3, 10)
    for wrong in (pixels.float(), pixels[:, :, :8], [], ["a.png"]):
        with pytest.raises(data.DataError, match="images are"):
            run.predict(wrong)


def test_evaluation_is_in_float32_whatever_the_training() -> None:
    run = train(tiny(method="bp", precision="bf16", epochs=1))
    images = data.load(run.experiment)
    hits = run.predict(images.test.images).argmax(1) == images.test.labels
    assert run.predict(images.test.images[:2]).dtype == torch.float32
    assert run.test_acc == pytest.approx(hits.double().mean().item())


@pytest.mark.parametrize("place", ["epoch", "step"])
def test_the_global_random_state_is_left_alone(place: str) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(tiny(method="al", epochs=1), should_stop=(lambda: True) if place == "step" else None)
    assert torch.equal(torch.rand(3), expected)


def test_dropout_draws_the_same_however_a_run_comes_to_a_step(
    tmp_path: Path,
) -> None:
    plugged("dropout_net")
    experiment = tiny(method="delog-scl", net="with-dropout", epochs=2)
    torch.manual_seed(1)
    whole = train(experiment)
    torch.manual_seed(2)  # what was drawn before does not count
    torch.rand(7)
    assert same_history(train(experiment).history, whole.history)
    asked = itertools.count()
    path = tmp_path / "checkpoint.pt"
    stopped = train(experiment, should_stop=lambda: next(asked) >= 10, checkpoint=path)
    assert (stopped.stopped, len(stopped.history)) == (True, 1)
    assert same_history(train(experiment, checkpoint=path).history, whole.history)
    # two components draw other numbers, and another seed other ones still
    draws = Draws(0, torch.device("cpu"))
    drawn = []
    for seed, step, place in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)):
        draws = Draws(seed, torch.device("cpu"))
        with draws.of(step, place) as own:
            drawn += [torch.rand(1).item(), torch.rand(1, generator=own).item()]
    assert len(set(drawn[::2])) == 4
    assert drawn[::2] == drawn[1::2]


def test_a_component_that_draws_nothing_costs_nothing_later() -> None:
    draws = Draws(0, torch.device("cpu"))
    with draws.of(0, 0):
        pass
    before = torch.random.get_rng_state()
    with draws.of(1, 0):
        assert torch.equal(torch.random.get_rng_state(), before)


def test_a_loss_that_is_not_finite_ends_the_run_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Component 3 gives NaN from the run's ninth step on: epoch 2, step 3."""
    forward = ContrastiveObjective.forward
    seen: list[Any] = []

    def broken(self: Any, r: Any, batch: Any) -> Any:
        loss = forward(self, r, batch)
        third = r.shape[1:] == shapes[2] and len(seen) > 0
        return loss * float("nan") if third and batch.step >= 8 else loss

    experiment = tiny(method="delog-scl", epochs=4)
    shapes = [torch.Size(shape) for shape in nets.build(experiment, (1, 16, 16), 10).shapes]
    monkeypatch.setattr(ContrastiveObjective, "forward", broken)
    path = tmp_path / "checkpoint.pt"
    run = train(experiment, seen.append, checkpoint=path, checkpoint_every=0)
    assert (run.state, run.stopped) == ("diverged", False)
    assert run.diverged == Divergence(epoch=2, step=3, component=3)
    assert "component 3 is not finite in epoch 2, step 3" in str(run.diverged)
    assert math.isnan(run.test_acc)
    assert len(run.history) == 1
    results = run.results()
    assert results["state"] == "diverged"
    assert results["diverged"] == {"epoch": 2, "step": 3, "component": 3}
    assert [results[k] for k in results if "acc" in k] == [None] * 4
    assert len(torch.load(path)["progress"]["history"]) == 1  # not of the weights that are lost
    assert all(p.isfinite().all() for p in torch.load(path)["model"].values())


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_optimizers_are_pytorchs(name: str) -> None:
    run = tiny(method="bp", optimizer=name, weight_decay=0.01, momentum=0.8, lr=0.01)
    method = methods.build(run).double()
    plain = copy.deepcopy(method)
    (ours,) = make_optimizers(method, run)
    theirs = {
        "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.01),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.01),
        "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.8, weight_decay=0.01),
    }[name](plain.parameters())
    images, labels = torch.randn(8, 1, 16, 16).double(), torch.arange(8)
    for _ in range(3):
        flow = local_losses(method.parts(), images, Batch.of(labels))
        train_step(method.parts(), [ours], flow)
        theirs.zero_grad()
        torch.nn.functional.cross_entropy(plain.predict(images), labels).backward()
        theirs.step()
    for a, b in zip(method.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_each_components_gradient_is_clipped_by_its_own_norm() -> None:
    run = tiny(method="early-exit", optimizer="sgd", momentum=0, lr=1.0, clip=1e-3)
    method = methods.build(run)
    before = [[p.clone() for p in part.parameters()] for part in method.parts()]
    images, labels = torch.randn(8, 1, 16, 16), torch.arange(8)
    flow = local_losses(method.parts(), images, Batch.of(labels))
    train_step(method.parts(), make_optimizers(method, run), flow)
    for part, old in zip(method.parts(), before, strict=True):
        moved = sum(((p - q) ** 2).sum() for p, q in zip(part.parameters(), old, strict=True))
        assert moved.sqrt().item() == pytest.approx(1e-3, rel=1e-3)


def test_the_learning_rate_warms_up_step_by_step() -> None:
    experiment = tiny(lr=1e-2, warmup=8, epochs=3)
    factors = [learning_rate_factor(experiment, step // 6, step) for step in range(12)]
    cosine = [learning_rate_factor(experiment, epoch) for epoch in (0, 1)]
    assert factors[:6] == pytest.approx([cosine[0] * k / 8 for k in range(1, 7)])
    assert factors[6:8] == pytest.approx([cosine[1] * 7 / 8, cosine[1]])
    assert factors[8:] == pytest.approx([cosine[1]] * 4)
    assert train(experiment).history[1]["lr"] == pytest.approx(1e-2 * cosine[1])


def test_checkpoints_are_written_by_time_at_a_stop_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    written: list[int] = []

    def watch(event: object) -> None:
        if isinstance(event, EpochEnded) and path.exists():
            written.append(len(torch.load(path)["progress"]["history"]))

    train(tiny(epochs=3), watch, checkpoint=path, keep_checkpoint=False)
    assert written == []  # no minute has passed
    train(tiny(epochs=3), watch, checkpoint=path, checkpoint_every=0)
    assert written == [1, 2, 3]
    path.unlink()
    asked = itertools.count()
    train(tiny(epochs=3), checkpoint=path, should_stop=lambda: next(asked) >= 10)
    progress = torch.load(path)["progress"]
    assert (len(progress["history"]), progress["steps"]) == (1, 2)
    assert len(train(tiny(epochs=3), checkpoint=path).history) == 3
    assert len(torch.load(path)["progress"]["history"]) == 3


def test_a_stop_does_not_hide_a_loss_that_is_not_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No checkpoint of lost weights is written, whoever notices first."""
    monkeypatch.setattr(
        ContrastiveObjective, "forward", lambda self, r, batch: r.mean() * float("inf")
    )
    asked = itertools.count()
    path = tmp_path / "checkpoint.pt"
    run = train(tiny(), should_stop=lambda: next(asked) >= 2, checkpoint=path)
    assert run.diverged == Divergence(1, 1, 1)
    assert not path.exists()


def test_evaluated_every_other_epoch_a_run_is_the_same_one_with_gaps(tmp_path: Path) -> None:
    whole, gaps = (train(tiny(epochs=5, evaluate_every=every)) for every in (1, 2))
    for one, other in zip(whole.history, gaps.history, strict=True):
        assert one["loss_1"] == other["loss_1"]
        known = other["epoch"] in (2, 4, 5)
        for column in ("val_acc", "test_acc"):
            assert other[column] == (one[column] if known else None)
        assert (other["eval_seconds"] is None) != known
        assert ("test" in epoch_line(other)) == known
    for a, b in zip(whole.model.parameters(), gaps.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert gaps.test_acc == gaps.results()["test_acc"] == whole.test_acc
    assert gaps.results()["val_acc"] == whole.history[-1]["val_acc"]
    record = load_record(save(record_of(gaps), tmp_path))
    assert [row["test_acc"] for row in record.history] == [row["test_acc"] for row in gaps.history]
    assert list(by_epoch([record], "test_acc")) == [2, 4, 5]
    assert evaluations(gaps.experiment) == 3


def test_the_last_epoch_is_evaluated_however_rarely_others_are() -> None:
    run = train(tiny(epochs=2, evaluate_every=100))
    assert [row["test_acc"] is None for row in run.history] == [True, False]
