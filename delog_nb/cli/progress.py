"""Progress on a terminal, plain lines elsewhere; Ctrl-C as a request."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from delog_nb.training import Ended, EpochEnded, Event, Started, Stepped, epoch_line


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
            self._bar.set_postfix_str(f"test {100 * float(row['test_acc'] or 0):.1f} %")
            if self._bar.disable and self.every_epoch:
                print(f"{self.label}: {epoch_line(row)}", file=sys.stderr)
        elif isinstance(event, Ended):
            self._bar.close()


@contextmanager
def stop_on_interrupt(*also: signal.Signals) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; a second one interrupts as usual.

    The signals in ``also`` set the event each time.
    """
    asked = threading.Event()

    def ask(number: int, _: Any) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()

    before = {name: signal.signal(name, ask) for name in (signal.SIGINT, *also)}
    try:
        yield asked
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
