"""The one training loop, for every method.

It prints nothing: what happens goes out as events, and it asks ``should_stop`` at every step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from delog_nb import methods
from delog_nb.data import ImageData, Split, Views, load
from delog_nb.data.views import EpochPlan
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.instruments.allocator import kept_pages
from delog_nb.instruments.memory import LiveBytes
from delog_nb.methods.component import Component, Method, count_parameters
from delog_nb.training.checkpoint import Checkpoint
from delog_nb.training.team import Batch, Team

EVALUATION_BATCH = 500

Row = dict[str, float | int | None]


@dataclass
class Run:
    """A trained method and how it got there.

    ``history`` has a row per finished epoch: ``epoch``, ``loss_1`` ... ``loss_K`` (training loss of
    each component, mean over the epoch), ``val_acc`` and ``test_acc`` (share of images, 0 to 1),
    ``seconds`` (training), ``eval_seconds``, ``images_per_s`` (training images, two views each),
    ``lr``. ``peak_train_mb`` is the peak of live tensor bytes in a training step, parameters,
    gradients and optimizer state included, in 10^6 bytes; of several processes, the largest.
    ``team`` says which processes trained it.
    """

    experiment: Experiment
    model: Method
    device: str
    precision: str
    classes: tuple[str, ...]
    history: list[Row] = field(default_factory=list)
    peak_train_mb: float | None = None
    stopped: bool = False
    team: str = Team.label

    @property
    def train_params(self) -> int:
        return count_parameters(self.model.parameters())

    @property
    def inference_params(self) -> int:
        return count_parameters(self.model.effective_parameters())

    @property
    def test_acc(self) -> float:
        """Test accuracy after the last epoch, 0 to 1; NaN before the first one ends."""
        return float(self.history[-1]["test_acc"] or 0.0) if self.history else math.nan

    def results(self) -> dict[str, float | int | None]:
        """The figures that a record keeps; best over epochs chooses on test images: optimistic."""
        rows = self.history
        chosen = _best(rows, "val_acc")
        best = _best(rows, "test_acc")
        timed = rows[1:] or rows  # the first epoch also warms up
        return {
            "epochs": len(rows),
            "test_acc": rows[-1]["test_acc"] if rows else None,
            "test_acc_at_best_val": chosen["test_acc"] if chosen else None,
            "best_val_epoch": chosen["epoch"] if chosen else None,
            "test_acc_best_over_epochs": best["test_acc"] if best else None,
            "sec_per_epoch": _mean(timed, "seconds"),
            "eval_sec_per_epoch": _mean(timed, "eval_seconds"),
            "peak_train_mb": self.peak_train_mb,
            "train_params": self.train_params,
            "inference_params": self.inference_params,
        }


def _best(rows: list[Row], column: str) -> Row | None:
    """The first row with the highest value in ``column``; None where it is empty."""
    known = [row for row in rows if row[column] is not None]
    return max(known, key=lambda row: row[column] or 0.0) if known else None


def _mean(rows: list[Row], column: str) -> float | None:
    return sum(float(row[column] or 0) for row in rows) / len(rows) if rows else None


@dataclass(frozen=True)
class Started:
    """Training begins, at ``epoch`` (0 unless resumed).

    ``run`` is what is trained, as it is now; whoever keeps it can look at its model at each later
    event, on the thread that trains.
    """

    experiment: Experiment
    epoch: int
    epochs: int
    steps_per_epoch: int
    components: int
    run: Run = field(repr=False)


@dataclass(frozen=True)
class Stepped:
    """One batch went through all components; ``losses`` stay on the device until they are read."""

    epoch: int
    step: int
    losses: list[Tensor]


@dataclass(frozen=True)
class EpochEnded:
    """An epoch ended; ``row`` was added to the history."""

    row: Row


@dataclass(frozen=True)
class Ended:
    """Training ended, or was stopped."""

    run: Run


Event = Started | Stepped | EpochEnded | Ended


def pick_device(name: str) -> torch.device:
    """``auto`` is a CUDA GPU where there is one. Raises `ExperimentError` for one that is not."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ExperimentError("device = 'cuda' is not to be had: PyTorch finds no GPU here")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> str:
    """``auto`` is bf16 where the processor or GPU computes in it, and float32 elsewhere."""
    if name != "auto":
        return name
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:  # measured: with AVX-512 BF16 a step is 1.2 to 2 times as fast, without it slower
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if fast else "float32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context that networks run in."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def make_optimizers(method: Method, experiment: Experiment) -> list[torch.optim.Optimizer]:
    """One Adam for each component."""
    return [
        torch.optim.Adam(
            component.parameter_groups(experiment.lr),
            weight_decay=experiment.weight_decay,
            fused=True,
        )
        for component in method.parts()
    ]


def train_components(
    method: Method,
    optimizers: list[torch.optim.Optimizer],
    take: Callable[[], Batch | None],
    context: torch.autocast,
    backward: Callable[[Component, Tensor], None],
) -> Batch | None:
    """One batch through every component: forward, backward and update, one after another.

    Each component's graph and gradients are freed before the next one begins, so peak memory does
    not grow with the number of components. Their losses, detached, join those of the batch.
    ``take`` makes the batch, so that nobody else holds it and it is freed after the component that
    uses it; where it gives None, so does this.
    """
    batch = take()
    if batch is None:
        return None
    r, t, losses = batch
    del batch
    for component, optimizer in zip(method.parts(), optimizers, strict=True):
        with context:
            r, t, loss = component(r.detach(), t)
        backward(component, loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses = [*losses, loss.detach()]
    return r, t, losses


def train_step(
    method: Method,
    optimizers: list[torch.optim.Optimizer],
    r: Tensor,
    t: Tensor,
    context: torch.autocast,
) -> list[Tensor]:
    """`train_components` in one process on a batch that the caller keeps; returns the losses."""
    done = train_components(method, optimizers, lambda: (r, t, []), context, Team().backward)
    return done[2] if done else []


def learning_rate_factor(experiment: Experiment, epoch: int) -> float:
    """What ``lr`` is multiplied by in ``epoch`` (from 0): a cosine from lr to lr_min."""
    low = experiment.lr_min / experiment.lr
    return low + (1 - low) * (1 + math.cos(math.pi * epoch / experiment.epochs)) / 2


@torch.no_grad()
def accuracy(
    method: Method,
    split: Split,
    views: Views,
    context: torch.autocast,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> Tensor | None:
    """Share of images whose class is predicted, as a scalar on the device; None if stopped."""
    method.eval()
    hits = torch.zeros((), device=split.labels.device)
    for images, labels in zip(
        split.images.split(EVALUATION_BATCH), split.labels.split(EVALUATION_BATCH), strict=True
    ):
        if asked_to_stop():
            return None
        with context:
            logits = method.predict(views.normalize(images))
        hits += (logits.argmax(1) == labels).sum()
    method.train()
    return hits / max(1, len(split))


def train(
    experiment: Experiment,
    on_event: Callable[[Event], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    *,
    data: ImageData | None = None,
    checkpoint: Path | None = None,
    team: Team | None = None,
) -> Run:
    """Train ``experiment`` and return the run.

    Args:
        experiment: what to train
        on_event: called with `Started`, `Stepped`, `EpochEnded` and `Ended`, on this thread
        should_stop: asked before every step and batch of evaluation; True ends the run, which
            keeps its finished epochs
        data: images already loaded for this experiment; by default `delog_nb.data.load` reads them
        checkpoint: file that is written after every epoch and, if it is there, resumed from: a run
            that was stopped or killed ends with the history and weights of one that was not
        team: the processes that train this run together, each of which makes this call; by default
            this one alone. Events come from the one that reports.

    Raises:
        ExperimentError: the device is not there, or the checkpoint is of another experiment.
        DataError: the images cannot be used.
    """
    with kept_pages():
        return _train(
            experiment,
            on_event or (lambda _: None),
            should_stop or (lambda: False),
            data,
            checkpoint,
            team or Team(),
        )


def _train(
    experiment: Experiment,
    on_event: Callable[[Event], None],
    asked_to_stop: Callable[[], bool],
    data: ImageData | None,
    checkpoint: Path | None,
    team: Team,
) -> Run:
    emit = on_event if team.reports else (lambda _: None)
    device = pick_device(experiment.device)
    precision = pick_precision(experiment.precision, device)
    images = (data or load(experiment)).to(device)

    method = methods.build(experiment).to(device)
    method = method.to(memory_format=torch.channels_last)
    run = Run(experiment, method, str(device), precision, images.classes)
    epoch_loop = _EpochLoop(run, images, team, emit, asked_to_stop)
    kept = Checkpoint(checkpoint, experiment, method, epoch_loop.optimizers, team)
    run.history, run.peak_train_mb = kept.restore()
    team.restored(method)
    run.team = team.label

    emit(
        Started(
            experiment,
            len(run.history),
            experiment.epochs,
            epoch_loop.steps,
            len(method.components),
            run,
        )
    )
    for epoch in range(len(run.history), experiment.epochs):
        row = epoch_loop.run_epoch(epoch)
        if row is None:
            run.stopped = True
            break
        run.history.append(row)
        kept.save(run.history, run.peak_train_mb)
        emit(EpochEnded(row))
    emit(Ended(run))
    return run


class _EpochLoop:
    """What stays the same from epoch to epoch."""

    def __init__(
        self,
        run: Run,
        images: ImageData,
        team: Team,
        emit: Callable[[Event], None],
        asked_to_stop: Callable[[], bool],
    ) -> None:
        experiment = run.experiment
        self.run_, self.images, self.team = run, images, team
        self.emit, self.asked_to_stop = emit, asked_to_stop
        self.device = torch.device(run.device)
        self.context = autocast(self.device, run.precision)
        self.steps = math.ceil(len(images.train) / experiment.batch_size)
        self.views = Views.of(experiment, images.mean, images.std, self.device)
        plan = self.views.plan(len(images.train), 0)
        first = partial(self._batch, plan, plan.order[: experiment.batch_size])
        self.own = team.assign(run.model, first, self.context)
        self.optimizers = make_optimizers(self.own, experiment)

    def _batch(self, plan: EpochPlan, index: Tensor) -> tuple[Tensor, Tensor]:
        """Views (2B, C, H, W) and labels (2B,) of the training images at ``index`` (B,)."""
        split = self.images.train
        views = self.views(split.images[index], plan.randoms[index])
        return views, split.labels[index].repeat(2)

    def run_epoch(self, epoch: int) -> Row | None:
        """Train one epoch and evaluate; None if it was stopped in between."""
        run, team = self.run_, self.team
        experiment, method = run.experiment, run.model
        factor = learning_rate_factor(experiment, epoch)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

        count = len(self.images.train)
        plan = self.views.plan(count, epoch)
        parts = plan.order.split(experiment.batch_size)
        total = torch.zeros(len(method.components), device=self.device)
        begin = time.perf_counter()
        method.train()
        team.begin([len(index) for index in parts])
        for step, index in enumerate(parts):
            with ExitStack() as measuring:
                live = self._measure(measuring, step)
                make = partial(self._batch, plan)
                take = partial(team.take, index, make, self.asked_to_stop)
                batch = train_components(
                    self.own, self.optimizers, take, self.context, team.backward
                )
                if batch is None:
                    return None
                losses = team.give(*batch)
                del batch  # the next step begins without these features
            if live is not None:
                run.peak_train_mb = round(live.peak / 1e6, 3)
            if team.reports:
                total += torch.stack(losses) * len(index)
                self.emit(Stepped(epoch, step, losses))
        means = (total / count).tolist()  # waits for the device, once an epoch
        seconds = time.perf_counter() - begin
        team.collect(method)
        peaks = team.gather(run.peak_train_mb)
        row: Row | None = None
        if team.reports:
            evaluated = self._evaluate()
            row = evaluated and {
                "epoch": epoch + 1,
                **{f"loss_{place}": loss for place, loss in enumerate(means, 1)},
                **evaluated,
                "seconds": seconds,
                "images_per_s": count / seconds,
                "lr": experiment.lr * factor,
            }
        row, run.peak_train_mb = team.share((row, max((p for p in peaks if p), default=None)))
        return row

    def _evaluate(self) -> Row | None:
        """Accuracies on validation and test images, the seconds that took; None if stopped."""
        begin = time.perf_counter()
        shares = []
        for split in (self.images.val, self.images.test):
            share = accuracy(self.run_.model, split, self.views, self.context, self.asked_to_stop)
            if share is None:
                return None
            shares.append(share)
        val, test = torch.stack(shares).tolist()
        return {
            "val_acc": val if len(self.images.val) else None,
            "test_acc": test,
            "eval_seconds": time.perf_counter() - begin,
        }

    def _measure(self, stack: ExitStack, step: int) -> LiveBytes | None:
        """Count memory in one early step, once Adam's state is there."""
        if self.run_.peak_train_mb is not None or step != min(1, self.steps - 1):
            return None
        live = stack.enter_context(LiveBytes())
        live.track_training(self.own, self.optimizers)
        live.track(self.team.buffers())
        return live


def epoch_line(row: Row) -> str:
    """A row of the history as a line of text."""
    losses = ", ".join(f"{value:.4g}" for name, value in row.items() if name.startswith("loss_"))
    return (
        f"epoch {row['epoch']}, test {100 * float(row['test_acc'] or 0):.1f} %, losses {losses}, "
        f"{row['seconds']:.1f} s"
    )


def describe(run: Run) -> dict[str, Any]:
    """The run's results with its device, precision and processes."""
    return run.results() | {
        "device": run.device,
        "precision": run.precision,
        "processes": run.team,
    }
