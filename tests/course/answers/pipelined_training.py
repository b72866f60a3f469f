"""Answers to the exercises of pipelined training."""

from __future__ import annotations

import random
from typing import Any

from delog_nb.pipeline.schedule import balance, table_1


def _simulated(times: Any, batches: int) -> float:
    return table_1(times, batches).makespan


RIGHT: list[tuple[str, Any]] = [
    ("bubble-share", lambda k, b: 1 - b / (k + b - 1)),
    ("bubble-share", lambda k, b: table_1([2] * k, b).bubble),
    ("pipeline-time", lambda times, b: sum(times) + (b - 1) * max(times)),
    ("pipeline-time", _simulated),
    ("cut-in-two", lambda times: balance(times, 2)[0][1]),
]


WRONG: list[tuple[str, Any, str]] = [
    ("bubble-share", lambda k, b: (k - 1) / (k + b), "the run has 5 time units"),
    ("bubble-share", lambda k, b: 100 * (k - 1) / (k + b - 1), "in per cent"),
    ("bubble-share", lambda k, b: b / (k + b - 1), "each machine works in"),
    ("bubble-share", lambda k: 0, "it raised TypeError"),
    ("pipeline-time", lambda times, b: b * max(times), "the first batch also has to pass"),
    ("pipeline-time", lambda times, b: b * sum(times), "here they overlap"),
    ("pipeline-time", lambda times, b: sum(times) + b - 1, "pace of the slowest component"),
    ("pipeline-time", lambda times, b: 0, "it takes 15, not 0"),
    ("cut-in-two", lambda times: len(times) // 2, "there is a cut whose slower machine takes 5"),
    ("cut-in-two", lambda times: 0, "a whole number from 1 to 4 for 5 components"),
    ("cut-in-two", lambda times: random.random(), "a whole number"),
]
