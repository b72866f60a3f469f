"""A trained method and how it got there."""

import math
from dataclasses import dataclass, field
from typing import Any

from delog_nb.experiment import Experiment
from delog_nb.methods.component import Method, count_parameters
from delog_nb.training.team import Team

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
