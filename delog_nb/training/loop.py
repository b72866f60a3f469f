"""The training loop.

It prints nothing: what happens goes out as events, and it asks ``should_stop`` at every step.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn

from delog_nb import methods
from delog_nb.components import Method, Objective
from delog_nb.data import ImageData, Views, load
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.experiment.plugins import defining
from delog_nb.instruments.allocator import freed_memory_kept
from delog_nb.instruments.memory import LiveBytes
from delog_nb.training.batches import Batches
from delog_nb.training.checkpoint import Checkpoint, Progress
from delog_nb.training.device import (
    autocast,
    compile_each,
    pick_device,
    pick_precision,
    set_up_gpu,
)
from delog_nb.training.evaluation import accuracy, is_evaluated
from delog_nb.training.events import Ended, EpochEnded, Event, Started, Stepped
from delog_nb.training.optimizers import make_optimizers, set_learning_rates
from delog_nb.training.planning import planned
from delog_nb.training.randomness import Draws
from delog_nb.training.run import Divergence, Row, Run
from delog_nb.training.step import local_losses, train_step
from delog_nb.training.team import Taken, Team

CHECK_EVERY = 50  # steps between two looks at whether the losses are finite


def train(
    experiment: Experiment,
    on_event: Callable[[Event], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    *,
    data: ImageData | None = None,
    method: Callable[..., Method] | type[Objective] | None = None,
    blocks: Sequence[nn.Module] | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: float = 60.0,
    keep_checkpoint: bool = True,
    team: Team | None = None,
) -> Run:
    """Train ``experiment`` and return the run, its model in evaluation mode.

    A loss that is not finite ends the run: `Run.diverged` says where it was. The global random
    state is left as it was.

    Args:
        experiment: what to train
        on_event: called with `Started`, `Stepped`, `EpochEnded` and `Ended`, on this thread
        should_stop: asked before every step and batch of evaluation; True ends the run, which
            keeps its finished epochs
        data: images already loaded for this experiment, by default `delog_nb.data.load` reads
            them; or images of one's own, as `delog_nb.data.arrays` makes them
        method: an `Objective` of one's own or a function that builds a method, as
            `delog_nb.method` describes it, in place of the experiment's. Without a name it makes
            no id and no record
        blocks: hidden blocks of one's own, each of which gives (B, C, H, W), in place of the
            experiment's net; a linear classifier comes on top. They make no id and no record
        checkpoint: file that the run is resumed from, if it is there: a run that was stopped or
            killed ends with the history and weights of one that was not. It is written at the end
            of an epoch, when the run is stopped, and when it has finished, but not once a loss is
            not finite
        checkpoint_every: seconds between two writes at the end of an epoch; 0: after every epoch
        keep_checkpoint: write the checkpoint when the run has finished
        team: the processes that train this run together, each of which makes this call; by default
            this one alone. Events come from the one that reports.

    Raises:
        ExperimentError: the device is not there.
        RecordError: the checkpoint is damaged or of another experiment.
        WriteError: the checkpoint cannot be written.
        DataError: the images cannot be used.
    """
    if defining():
        raise ExperimentError("a plug-in defines and does not train: train in a cell of its own")
    team = team or Team()
    with freed_memory_kept():
        images = data or load(experiment)
        own: dict[str, object] = {"method": method, "blocks": blocks}
        if blocks is not None:
            experiment = experiment.but(depth=len(blocks), cut="block")
        experiment = planned(experiment, images)
        built = methods.build(
            experiment, (images.shape, len(images.classes)), make=method, blocks=blocks
        )
        loop = _Loop(experiment, images, built, on_event, should_stop, team)
        which = experiment.dataset, experiment.data_id
        own["images"] = data if (images.name, images.content_id) != which else None
        del images  # the loop keeps what it needs
        loop.result.own = tuple(name for name, given in own.items() if given is not None)
        file = Checkpoint(checkpoint, loop.result, loop.optimizers, team, checkpoint_every)
        with set_up_gpu(experiment.precision):
            return loop.run(file, keep_checkpoint)


NOT_EVALUATED: Row = {"val_acc": None, "test_acc": None, "eval_seconds": None}


class _Loop:
    """What stays the same from epoch to epoch, and how far the run is."""

    def __init__(
        self,
        experiment: Experiment,
        images: ImageData,
        method: Method,
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
        self.method = method.to(self.device).to(memory_format=torch.channels_last)
        self.needs = self.method.needs
        self.own = team.assign(self.method, self._batches(0), self.context)
        self.needs = self.own.needs
        self.images = team.keep(self.images, self.needs)
        self.optimizers = make_optimizers(self.own, experiment)
        if experiment.compile:
            compile_each(self.own.parts())
        first = team.components.start or 0
        self.draws = Draws(experiment.seed, self.device, first, team.share_of_batch)
        self.progress = Progress()
        data = images.classes, images.mean, images.std
        self.result = Run(
            experiment,
            self.method,
            str(self.device),
            precision,
            *data,
            team=team.label,
        )

    def run(self, checkpoint: Checkpoint, keep_last: bool) -> Run:
        """Train from where ``checkpoint`` left off to the last epoch, or until asked to stop."""
        run, experiment = self.result, self.experiment
        self.progress = checkpoint.restore()
        run.history, run.peak_train_mb = self.progress.history, self.progress.peak_train_mb
        self.team.restored(self.method)
        begin, count = len(run.history), len(self.method.components)
        started = Started(experiment, begin, experiment.epochs, self.steps, count, run, self.images)
        self.emit(started)
        ended = begin == experiment.epochs
        while not ended:
            row = self._epoch(len(run.history))
            run.stopped = row is None and run.diverged is None
            if row is not None:
                run.history.append(row)
                self.progress = Progress(run.history, run.peak_train_mb)
                ended = len(run.history) == experiment.epochs
            ended = ended or row is None
            save = keep_last or run.stopped if ended else checkpoint.due
            if self.team.share(save and run.diverged is None):
                checkpoint.save(self.progress)
            if row is not None:
                self.emit(EpochEnded(row))
        self.method.eval()
        self.emit(Ended(run))
        return run

    def _batches(self, epoch: int) -> Batches:
        size = self.experiment.batch_size
        return Batches(self.images.train, self.views, size, epoch, self.needs)

    def _epoch(self, epoch: int) -> Row | None:
        """Train one epoch, or what is left of it, and evaluate; None if the run is to end."""
        run, team, progress = self.result, self.team, self.progress
        begin = time.perf_counter() - progress.seconds
        whole, bad = self._steps(epoch)
        count = len(self.images.train)
        means = [] if progress.totals is None else (progress.totals / count).tolist()
        progress.seconds = seconds = time.perf_counter() - begin  # the device has been waited for
        team.collect(self.method)
        peaks = [peak for peak in team.gather(run.peak_train_mb) if peak]
        row: Row | None = None
        if team.reports and whole and bad is None:
            evaluated = self._evaluate() if is_evaluated(self.experiment, epoch) else NOT_EVALUATED
            row = evaluated and {
                "epoch": epoch + 1,
                **{f"loss_{place}": loss for place, loss in enumerate(means, 1)},
                **evaluated,
                "seconds": seconds,
                "images_per_s": count / seconds,
                "lr": self.optimizers[0].param_groups[0]["lr"],
            }
        outcome = row, bad, max(peaks, default=None)
        row, run.diverged, run.peak_train_mb = team.share(outcome)
        progress.peak_train_mb = run.peak_train_mb
        return row

    def _steps(self, epoch: int) -> tuple[bool, Divergence | None]:
        """The epoch's steps from where it stands: whether all were made, and a loss that is bad.

        Losses stay on the device until they are looked at, every `CHECK_EVERY` steps.
        """
        progress, batches = self.progress, self._batches(epoch)
        totals = progress.totals
        if totals is None:
            totals = torch.zeros(len(self.method.components))
        progress.totals = totals = totals.to(self.device)
        self.method.train()
        recent: list[Tensor] = []
        bad: Divergence | None = None
        left = range(progress.steps, len(batches.parts))
        self.team.begin([len(batches.parts[step]) for step in left])
        for step in left:
            losses = self._step(batches, epoch, step)
            if losses is None:
                break
            progress.steps = step + 1
            if self.team.reports:
                recent.append(torch.stack(losses))
                totals += recent[-1] * len(batches.parts[step])
                self.emit(Stepped(epoch, step, losses))
            if len(recent) == CHECK_EVERY:
                bad = bad or _first_bad(recent, epoch, step)
                recent.clear()
                if bad and not self.team.several:  # others could not follow in mid-epoch
                    break
        if recent and bad is None:
            bad = _first_bad(recent, epoch, progress.steps - 1)
        return progress.steps == len(batches.parts), bad

    def _step(self, batches: Batches, epoch: int, step: int) -> list[Tensor] | None:
        """Train on one batch; the losses of all components so far, or None if stopped."""
        with ExitStack() as measuring:
            live = self._measure(measuring, step)
            taken = self.team.take(batches, step, self.asked_to_stop)
            if taken is None:
                return None
            set_learning_rates(self.optimizers, self.experiment, epoch, taken.batch.step)
            below, parts = taken.losses, self.own.parts()
            flow = local_losses(parts, taken.r, taken.batch, self.context, self.draws)
            del taken  # the images are freed after the component that uses them
            r, batch, losses = train_step(parts, self.optimizers, flow, self.team)
            losses = self.team.give(Taken(r, batch, [*below, *losses]))
        if live is not None:
            self.result.peak_train_mb = round(live.peak / 1e6, 3)
        return losses

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


def _first_bad(recent: list[Tensor], epoch: int, last: int) -> Divergence | None:
    """Where the first loss that is not finite is among those of the steps up to ``last``."""
    bad = (~torch.stack(recent).isfinite()).nonzero().tolist()  # waits for the device
    if not bad:
        return None
    row, component = bad[0]
    return Divergence(epoch + 1, last - len(recent) + row + 2, component + 1)
