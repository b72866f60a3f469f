"""Progress on a terminal, plain lines elsewhere; Ctrl-C and SIGTERM as requests."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from delog_nb.grids.job import Outcome
from delog_nb.grids.sweep import Progress as Swept
from delog_nb.training import (
    Ended,
    EpochEnded,
    Event,
    Started,
    Stepped,
    epoch_line,
    evaluation_line,
)


class Progress:
    """Shows the events of a run on standard error."""

    def __init__(self, label: str, every_epoch: bool = False) -> None:
        self.label, self.every_epoch = label, every_epoch
        self._bar: Any = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self._bar = tqdm(
                total=event.epochs * event.steps_per_epoch,
                initial=event.epoch * event.steps_per_epoch,
                desc=self.label,
                unit=" steps",
                leave=False,
                disable=None,  # where standard error is no terminal
            )
        elif isinstance(event, Stepped):
            self._bar.update()
        elif isinstance(event, EpochEnded):
            row = event.row
            if said := evaluation_line(row):
                self._bar.set_postfix_str(said)
            if self._bar.disable and self.every_epoch:
                print(f"{self.label}: {epoch_line(row)}", file=sys.stderr)
        elif isinstance(event, Ended):
            self._bar.close()


class Runs:
    """Shows a sweep on standard error: a bar on a terminal, a line for each run elsewhere.

    ``told`` says how a run ended that was made; by default how long it took.
    """

    def __init__(self, total: int, told: Callable[[Outcome], str] | None = None) -> None:
        self._told = told or (lambda run: f"{run.run_id} {run.state} in {run.seconds:.1f} s")
        self._bar: Any = tqdm(total=total, unit=" runs", disable=None)

    def __call__(self, progress: Swept, outcome: Outcome | None) -> None:
        self._bar.total = progress.total
        self._bar.n = len(progress.outcomes)
        self._bar.set_postfix_str(f"{progress.running} running, {progress.failed} failed")
        if outcome is None or outcome.state == "busy":
            return
        if outcome.error:
            text = f"{outcome.run_id} {outcome.state}: {outcome.error}"
            self._bar.write(f"{text} ({progress})", file=sys.stderr)
        elif self._bar.disable:
            self._bar.write(f"{self._told(outcome)} ({progress})", file=sys.stderr)

    def close(self) -> None:
        self._bar.close()


class Stop(threading.Event):
    """A request to stop, and the signal that made it."""

    number = signal.SIGINT

    @property
    def status(self) -> int:
        """The exit status of a command that stopped for it: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.number


@contextmanager
def stop_on_signal(*patient: signal.Signals) -> Iterator[Stop]:
    """A `Stop` that the first Ctrl-C or SIGTERM sets; a second signal interrupts as usual.

    Those in ``patient`` never interrupt: torchrun repeats to its ranks what they know already.
    """
    asked = Stop()

    def ask(number: int, _: Any) -> None:
        if asked.is_set() and number not in patient:
            raise KeyboardInterrupt
        if not asked.is_set():
            asked.number = signal.Signals(number)
        asked.set()

    before = {name: signal.signal(name, ask) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
