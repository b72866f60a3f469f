"""The training loop.

It prints nothing: what happens goes out as events, and it asks ``should_stop`` at every step.
"""

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from delog_nb import methods
from delog_nb.data import ImageData, Views, load
from delog_nb.experiment import Experiment
from delog_nb.instruments.allocator import kept_pages
from delog_nb.instruments.memory import LiveBytes
from delog_nb.training.batches import Batches
from delog_nb.training.checkpoint import Checkpoint
from delog_nb.training.device import autocast, pick_device, pick_precision
from delog_nb.training.evaluation import accuracy
from delog_nb.training.events import Ended, EpochEnded, Event, Started, Stepped
from delog_nb.training.optimizers import learning_rate_factor, make_optimizers, set_learning_rates
from delog_nb.training.run import Row, Run
from delog_nb.training.step import local_losses, train_step
from delog_nb.training.team import Taken, Team


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
    team = team or Team()
    with kept_pages():
        loop = _Loop(experiment, data or load(experiment), on_event, should_stop, team)
        return loop.run(Checkpoint(checkpoint, experiment, loop.method, loop.optimizers, team))


class _Loop:
    """What stays the same from epoch to epoch."""

    def __init__(
        self,
        experiment: Experiment,
        images: ImageData,
        on_event: Callable[[Event], None] | None,
        should_stop: Callable[[], bool] | None,
        team: Team,
    ) -> None:
        self.experiment, self.team = experiment, team
        self.emit = on_event if on_event and team.reports else (lambda _: None)
        self.asked_to_stop = should_stop or (lambda: False)
        self.device = pick_device(experiment.device)
        precision = pick_precision(experiment.precision, self.device)
        self.context = autocast(self.device, precision)
        self.images = images.to(self.device)
        self.steps = math.ceil(len(images.train) / experiment.batch_size)
        self.views = Views.of(experiment, images.mean, images.std, self.device)
        method = methods.build(experiment).to(self.device)
        self.method = method.to(memory_format=torch.channels_last)
        self.own = team.assign(method, self._batches(0), self.context)
        self.optimizers = make_optimizers(self.own, experiment)
        self.result = Run(
            experiment, method, str(self.device), precision, images.classes, team=team.label
        )

    def run(self, kept: Checkpoint) -> Run:
        """Train from where ``kept`` left off to the last epoch, or until asked to stop."""
        run, experiment = self.result, self.experiment
        run.history, run.peak_train_mb = kept.restore()
        self.team.restored(self.method)
        begin, count = len(run.history), len(self.method.components)
        self.emit(Started(experiment, begin, experiment.epochs, self.steps, count, run))
        for epoch in range(begin, experiment.epochs):
            row = self._epoch(epoch)
            if row is None:
                run.stopped = True
                break
            run.history.append(row)
            kept.save(run.history, run.peak_train_mb)
            self.emit(EpochEnded(row))
        self.emit(Ended(run))
        return run

    def _batches(self, epoch: int) -> Batches:
        return Batches(self.images.train, self.views, self.experiment.batch_size, epoch)

    def _epoch(self, epoch: int) -> Row | None:
        """Train one epoch and evaluate; None if it was stopped in between."""
        run, team, experiment = self.result, self.team, self.experiment
        set_learning_rates(self.optimizers, experiment, epoch)
        count = len(self.images.train)
        batches = self._batches(epoch)
        total = torch.zeros(len(self.method.components), device=self.device)
        begin = time.perf_counter()
        self.method.train()
        team.begin([len(index) for index in batches.parts])
        for step, index in enumerate(batches.parts):
            with ExitStack() as measuring:
                live = self._measure(measuring, step)
                losses = self._step(batches, step)
            if losses is None:
                return None
            if live is not None:
                run.peak_train_mb = round(live.peak / 1e6, 3)
            if team.reports:
                total += torch.stack(losses) * len(index)
                self.emit(Stepped(epoch, step, losses))
        means = (total / count).tolist()  # waits for the device, once an epoch
        seconds = time.perf_counter() - begin
        team.collect(self.method)
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
                "lr": experiment.lr * learning_rate_factor(experiment, epoch),
            }
        row, run.peak_train_mb = team.share((row, max((p for p in peaks if p), default=None)))
        return row

    def _step(self, batches: Batches, step: int) -> list[Tensor] | None:
        """Train on one batch; the losses of all components so far, or None if stopped."""
        taken = self.team.take(batches, step, self.asked_to_stop)
        if taken is None:
            return None
        below = taken.losses
        flow = local_losses(self.own.parts(), taken.r, taken.batch, self.context)
        del taken  # the images are freed after the component that uses them
        r, batch, losses = train_step(self.own.parts(), self.optimizers, flow, self.team)
        return self.team.give(Taken(r, batch, [*below, *losses]))

    def _evaluate(self) -> Row | None:
        """Accuracies on validation and test images, the seconds that took; None if stopped."""
        begin = time.perf_counter()
        shares = []
        for split in (self.images.val, self.images.test):
            share = accuracy(self.method, split, self.views, self.asked_to_stop)
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
        if self.result.peak_train_mb is not None or step != min(1, self.steps - 1):
            return None
        live = stack.enter_context(LiveBytes())
        live.track_training(self.own, self.optimizers)
        live.track(self.team.buffers())
        return live
