"""Answers to the exercises of pipelined training."""

from __future__ import annotations

import random
from typing import Any

from delog_nb.pipeline.schedule import balance, table_1


def _simulated(times: Any, batches: int) -> float:
    run = table_1(times, batches)
    return len(times) * (1 - run.bubble)


def _top_first(components: Any, waiting: Any, new: Any) -> Any:
    waiting = [new, *waiting, None]
    for k in reversed(range(len(components))):
        waiting[k + 1] = None if waiting[k] is None else components[k](waiting[k])
    return waiting[1:-1], waiting[-1]


def _at_once(components: Any, waiting: Any, new: Any) -> Any:
    made = [
        batch and component(batch)
        for component, batch in zip(components, [new, *waiting], strict=True)
    ]
    return made[:-1], made[-1]


def _bottom_first(components: Any, waiting: Any, new: Any) -> Any:
    waiting = [new, *waiting, None]
    for k, component in enumerate(components):
        if waiting[k] is not None:
            waiting[k + 1], waiting[k] = component(waiting[k]), None
    return waiting[1:-1], waiting[-1]


def _stuck(components: Any, waiting: Any, new: Any) -> Any:
    """The last component keeps what it has made for a unit of its own."""
    made, _ = _at_once(components, waiting, new)
    return made, None


RIGHT: list[tuple[str, Any]] = [
    ("pipeline-speed-up", lambda times, n: n * sum(times) / (sum(times) + (n - 1) * max(times))),
    ("pipeline-speed-up", _simulated),
    ("time-unit", _top_first),
    ("time-unit", _at_once),
    ("cut-in-two", lambda times: balance(times, 2)[0][1]),
]


WRONG: list[tuple[str, Any, str]] = [
    ("pipeline-speed-up", lambda times, n: sum(times) / max(times), "an endless run's"),
    ("pipeline-speed-up", lambda times, n: len(times), "the number of machines"),
    ("pipeline-speed-up", lambda times, n: 1 / _simulated(times, n), "the other way round"),
    (
        "pipeline-speed-up",
        lambda times, n: len(times) * n / (len(times) - 1 + n),
        "the slowest sets the pace",
    ),
    ("pipeline-speed-up", lambda times, n: 0, "it is 1.67, not 0"),
    ("pipeline-speed-up", lambda times: 0, "it raised TypeError"),
    ("time-unit", _bottom_first, "batch 1 passes all components in the first unit"),
    ("time-unit", _stuck, "batch 1 never leaves the last component"),
    ("time-unit", lambda c, w, new: ([new, *w], None), "what waits before components 2 to 3"),
    ("time-unit", lambda c, w, new: 0, "it raised TypeError"),
    ("cut-in-two", lambda times: len(times) // 2, "there is a cut whose slower machine takes 5"),
    ("cut-in-two", lambda times: 0, "a whole number from 1 to 4 for 5 components"),
    ("cut-in-two", lambda times: random.random(), "a whole number"),
]
