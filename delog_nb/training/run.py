"""A trained method and how it got there."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from delog_nb.components.component import Method, count_parameters
from delog_nb.data import Views, as_pixels
from delog_nb.experiment import Experiment
from delog_nb.training.evaluation import EVALUATION_BATCH, evaluating
from delog_nb.training.team import Team

Row = dict[str, float | int | None]


@dataclass(frozen=True)
class Divergence:
    """The first loss that was not finite; epoch, step and component count from 1."""

    epoch: int
    step: int
    component: int

    def __str__(self) -> str:
        return (
            f"the run diverged: the loss of component {self.component} is not finite in epoch "
            f"{self.epoch}, step {self.step}: take a smaller lr, a warmup or a clip"
        )


@dataclass
class Run:
    """A trained method and how it got there. Its model is in evaluation mode.

    ``history`` has a row per finished epoch: ``epoch``, ``loss_1`` ... ``loss_K`` (training loss of
    each component, mean over the epoch), ``val_acc`` and ``test_acc`` (share of images, 0 to 1,
    predicted in float32), ``seconds`` (training), ``eval_seconds``, ``images_per_s`` (training
    images, two views each), ``lr``. ``peak_train_mb`` is the peak of live tensor bytes in a
    training step, parameters, gradients and optimizer state included, in 10^6 bytes; of several
    processes, the largest. ``own`` names what was of the caller's own, and has no id: ``method``,
    ``blocks`` or ``images``. ``team`` says which processes trained it. ``mean`` and ``std`` are the
    data set's, per channel of pixels scaled to [0, 1].
    """

    experiment: Experiment
    model: Method
    device: str
    precision: str
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    history: list[Row] = field(default_factory=list)
    peak_train_mb: float | None = None
    stopped: bool = False
    diverged: Divergence | None = None
    team: str = Team.label
    own: tuple[str, ...] = ()

    @property
    def run_id(self) -> str:
        """The experiment's id; empty where something was of the caller's own."""
        return "" if self.own else self.experiment.run_id

    @property
    def state(self) -> str:
        """``finished``, ``stopped`` or ``diverged``."""
        return "diverged" if self.diverged else "stopped" if self.stopped else "finished"

    def predict(self, images: Tensor | Sequence[Image.Image]) -> Tensor:
        """Logits (N, classes) of images as they come, in float32 on the CPU.

        Args:
            images: uint8 (N, C, H, W) of the size that the run was trained on, or PIL images of
                any size and mode, which are resized and converted as `delog_nb.data` does it

        Raises:
            DataError: the images are of another kind, size or number of channels.

        >>> from delog_nb import Experiment, data, train
        >>> run = train(Experiment(preset="quick", epochs=1))
        >>> run.predict(data.load(run.experiment).test.images[:3]).shape
        torch.Size([3, 10])
        """
        shape = len(self.mean), self.experiment.image_size, self.experiment.image_size
        pixels = as_pixels(images, shape)
        views = Views(self.mean, self.std, device=self.device)
        with evaluating(self.model):
            logits = [
                self.model.predict(views.normalize(part.to(self.device))).float().cpu()
                for part in pixels.split(EVALUATION_BATCH)
            ]
        return torch.cat(logits)

    @property
    def train_params(self) -> int:
        return count_parameters(self.model.parameters())

    @property
    def inference_params(self) -> int:
        return count_parameters(self.model.effective_parameters())

    @property
    def test_acc(self) -> float:
        """Test accuracy of the last evaluation, 0 to 1; NaN before the first, or if diverged."""
        found = None if self.diverged else _last(self.history, "test_acc")
        return math.nan if found is None else found

    def results(self) -> dict[str, Any]:
        """The figures that a record keeps; best over epochs chooses on test images: optimistic."""
        rows = self.history
        judged = [] if self.diverged else rows  # a run that diverged has no accuracy
        chosen = _best(judged, "val_acc")
        best = _best(judged, "test_acc")
        timed = rows[1:] or rows  # the first epoch also warms up
        evaluated = [row for row in timed if row["test_acc"] is not None]
        return {
            "state": self.state,
            "diverged": asdict(self.diverged) if self.diverged else None,
            "epochs": len(rows),
            "val_acc": _last(judged, "val_acc"),
            "test_acc": _last(judged, "test_acc"),
            "test_acc_at_best_val": chosen["test_acc"] if chosen else None,
            "best_val_epoch": chosen["epoch"] if chosen else None,
            "test_acc_best_over_epochs": best["test_acc"] if best else None,
            "sec_per_epoch": _mean(timed, "seconds"),
            "eval_sec_per_epoch": _mean(evaluated, "eval_seconds"),
            "peak_train_mb": self.peak_train_mb,
            "train_params": self.train_params,
            "inference_params": self.inference_params,
        }


def _best(rows: list[Row], column: str) -> Row | None:
    """The first row with the highest value in ``column``; None where it is empty."""
    known = [row for row in rows if row[column] is not None]
    return max(known, key=lambda row: row[column] or 0.0) if known else None


def _last(rows: list[Row], column: str) -> float | None:
    """The last value in ``column`` that is known."""
    return next((row[column] for row in reversed(rows) if row[column] is not None), None)


def _mean(rows: list[Row], column: str) -> float | None:
    return sum(float(row[column] or 0) for row in rows) / len(rows) if rows else None


def epoch_line(row: Row) -> str:
    """A row of the history as a line of text."""
    losses = ", ".join(f"{value:.4g}" for name, value in row.items() if name.startswith("loss_"))
    return (
        f"epoch {row['epoch']}{evaluation_line(row, ', ')}, losses {losses}, {row['seconds']:.1f} s"
    )


def evaluation_line(row: Row, before: str = "") -> str:
    """The test accuracy of a row in words, after ``before``; empty where it was not evaluated.

    >>> evaluation_line({"test_acc": 0.5}), evaluation_line({"test_acc": None})
    ('test 50.0 %', '')
    """
    return "" if row["test_acc"] is None else f"{before}test {100 * row['test_acc']:.1f} %"


def describe(run: Run) -> dict[str, Any]:
    """The run's results with its device, precision and processes."""
    return run.results() | {
        "device": run.device,
        "precision": run.precision,
        "processes": run.team,
    }
