"""An epoch of CIFAR-10-sized data with two views and evaluation: where its time goes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch

from benchmarks.common import Report, child, command, made_up
from delog_nb import training
from delog_nb.components.component import Component, Method
from delog_nb.course import COMPARED
from delog_nb.data import ImageData, Views
from delog_nb.experiment import Experiment

# An epoch of 50,000 takes minutes here: this many training and test images, in CIFAR-10's shares,
# stand for it. Every part of an epoch is proportional to its images.
TRAIN, TEST, CIFAR = 1280, 256, 50_000
EPOCHS = 2  # the first one warms up

IMPORT = (
    "import time, torch; begin = time.perf_counter(); import delog_nb; {use}; "
    "print(time.perf_counter() - begin)"
)
HELP = (
    "import subprocess, sys, time; begin = time.perf_counter(); "
    "subprocess.run([sys.executable, '-m', 'delog_nb', '--help'], capture_output=True, check=True);"
    " print(time.perf_counter() - begin)"
)


class Stopwatch:
    """Adds up the seconds spent in the functions that it wraps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def wrap(self, owner: Any, name: str, part: str) -> Any:
        """A patch of ``owner.name`` that counts its time as ``part``."""
        inner: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **named: Any) -> Any:
            begin = time.perf_counter()
            try:
                return inner(*args, **named)
            finally:
                spent = time.perf_counter() - begin
                self.seconds[part] = self.seconds.get(part, 0.0) + spent

        return mock.patch.object(owner, name, timed)


@contextmanager
def parts_timed() -> Iterator[Stopwatch]:
    """Times forward, backward and optimizer of every step, views and prediction."""
    watch = Stopwatch()
    with ExitStack() as stack:
        for owner, name, part in (
            (Component, "__call__", "forward"),
            (torch.Tensor, "backward", "backward"),
            (torch.optim.Adam, "step", "optimizer"),
            (Views, "__call__", "views"),
            (Method, "predict", "evaluation"),
        ):
            stack.enter_context(watch.wrap(owner, name, part))
        yield watch


def epoch_of(method: str, preset: str, data: ImageData) -> dict[str, Any]:
    """Seconds of the last of ``EPOCHS`` epochs, by part."""
    experiment = Experiment(
        preset=preset,
        dataset="cifar10",
        method=method,
        epochs=EPOCHS,
        val_fraction=0.0,
        batch_size=64 if preset == "lesson" else 128,
        device="cpu",
    )
    with parts_timed() as watch:

        def on_event(event: training.Event) -> None:
            # memory is measured in the first epoch, which is left out
            if isinstance(event, training.EpochEnded) and event.row["epoch"] == EPOCHS - 1:
                watch.seconds.clear()

        run = training.train(experiment, on_event, data=data)
    row = run.history[-1]
    total = float(row["seconds"] or 0) + float(row["eval_seconds"] or 0)
    parts = ("forward", "backward", "optimizer", "evaluation")
    inside = sum(watch.seconds[part] for part in parts)
    return {
        "preset": preset,
        "method": method,
        "precision": run.precision,
        "s": total,
        "s for 50,000": total * CIFAR / TRAIN,
        "images / s": row["images_per_s"],
        **{part: f"{watch.seconds[part] / total:.1%}" for part in (*parts, "views")},
        "outside %": 100 * (1 - inside / total),
    }


def measure() -> Report:
    report = Report(
        "epoch",
        "Epoch",
        f"One epoch of ConvNet on {TRAIN} training and {TEST} test images of CIFAR-10's shape "
        "(random pixels), two views, with evaluation; the seconds for 50,000 images are in "
        "proportion. outside: time that is not in a component's forward pass, in backward, in the "
        "optimizer or in the predictions of the evaluation: views, normalisation, bookkeeping. "
        "Accuracy is no subject here, and agreement is checked by `benchmarks.step`.",
    )
    data = made_up(TRAIN, TEST)
    for preset in ("paper", "lesson"):
        for method in COMPARED:  # all of them take minutes at the paper's size
            report.rows.append(epoch_of(method, preset, data))
    for preset in ("paper", "lesson"):
        outside = [row["outside %"] for row in report.rows if row["preset"] == preset]
        report.at_most(
            f"time outside at most 10 % of an epoch, {preset}, each of the four (%)", outside, 10
        )
    for text, code, most in (
        ("`import delog_nb` after torch at most 0.2 s", IMPORT.format(use="pass"), 0.2),
        (
            "the same with everything that `delog_nb.train` needs (s)",
            IMPORT.format(use="delog_nb.train"),
            0.2,
        ),
        ("`delog-nb --help` at most 0.5 s", HELP, 0.5),
    ):
        report.at_most(text, [statistics.median(float(child(code)) for _ in range(5))], most)
    return report


if __name__ == "__main__":
    command(measure)
