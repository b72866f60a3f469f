"""Exercises of lesson 11, Pipelined training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isclose
from random import Random
from typing import Any

from delog_nb.course.exercises import Question, exercise, many
from delog_nb.course.replies import ANYTHING, tell
from delog_nb.pipeline.schedule import balance, table_1


def _run(rng: Random) -> Question:
    return [rng.randint(1, 9) / 2 for _ in range(rng.randint(2, 6))], rng.randint(2, 20)


_TOLD_APART = [([2.0, 1.0, 3.0], 5), ([1.0, 1.0, 1.0], 4), ([2.0, 1.0, 3.0, 1.0], 1)]


@exercise("pipeline-speed-up", many(5, _run, after=_TOLD_APART))
def pipeline_speed_up(given: float, times: Sequence[float], batches: int) -> str | None:
    """How many times as fast as one machine that does all the work, as in Table 1."""
    run = table_1(times, batches)
    right = batches * sum(times) / run.makespan
    said = f"with times {times} and {batches} batch{'es' if batches > 1 else ''}"
    mistakes = [
        (
            sum(times) / max(times),
            f"{said} the pipeline also has to fill and to drain: that is an endless run's",
        ),
        (len(times), f"{said} that is the number of machines, which stand idle for a while"),
        (1 / right, f"{said} it is the other way round: one machine's time over the pipeline's"),
        (
            len(times) * batches / (len(times) - 1 + batches),
            f"{said} the components do not take equally long: the slowest sets the pace",
        ),
    ]
    return tell(given, right, mistakes, f"{said} it is {right:.3g}, not {given:.3g}")


def _stream(rng: Random) -> Question:
    return rng.randint(2, 5), rng.randint(1, 6)


def _units(answer: Callable[..., Any], stages: int, batches: int) -> list[Any]:
    """What waits and what left after each unit; a batch is a list of who has worked on it."""

    def component(number: int) -> Callable[[list[Any]], list[Any]]:
        return lambda batch: [*batch, number]

    parts = [component(number) for number in range(1, stages + 1)]
    waiting, told = [None] * (stages - 1), []
    for unit in range(batches + stages - 1):
        new = [f"batch {unit + 1}"] if unit < batches else None
        waiting, left = answer(parts, waiting, new)
        told.append([list(waiting), left])
    return told


@exercise("time-unit", many(4, _stream, after=[(3, 4)]), use=_units, wants=ANYTHING)
def time_unit(found: list[Any], stages: int, batches: int) -> str | None:
    """One time unit of Table 1: every component works once, each on another batch."""

    def after(unit: int, stage: int) -> list[Any] | None:
        """What component ``stage`` has made in ``unit``; both count from 1."""
        batch = unit - stage + 1
        return [f"batch {batch}", *range(1, stage + 1)] if 1 <= batch <= batches else None

    units = range(1, batches + stages)
    wanted = [[[after(u, k) for k in range(1, stages)], after(u, stages)] for u in units]
    if found == wanted:
        return None
    with_what = f"with {stages} components and {batches} batch{'es' if batches > 1 else ''}"
    if len(found) != len(wanted) or any(len(waiting) != stages - 1 for waiting, _ in found):
        return f"{with_what}: return what waits before components 2 to {stages}, and what left"
    if found[0][1] is not None:
        return f"{with_what}, batch 1 passes all components in the first unit: each works once"
    out = {batch[0] for _, batch in found if batch}
    lost = [f"batch {n}" for n in range(1, batches + 1) if f"batch {n}" not in out]
    if lost:
        return f"{with_what}, {lost[0]} never leaves the last component"
    return f"{with_what}, a batch is in the wrong place: in each unit it moves up by one component"


def _network(rng: Random) -> Question:
    return ([rng.randint(1, 20) / 2 for _ in range(rng.randint(3, 9))],)


@exercise("cut-in-two", many(8, _network, after=[([5.0, 1.0, 1.0, 1.0, 2.0],), ([1.0, 2.0],)]))
def cut_in_two(found: float, times: Sequence[float]) -> str | None:
    """How many components the first of two machines gets, so that the slower one is fast."""
    if not isinstance(found, int) or not 0 < found < len(times):
        return f"give a whole number from 1 to {len(times) - 1} for {len(times)} components"
    best = max(sum(times[first:end]) for first, end in balance(times, 2))
    halves = sum(times[:found]), sum(times[found:])
    if not isclose(max(halves), best):
        return (
            f"for {times} the machines take {halves[0]:g} and {halves[1]:g}: there is a cut "
            f"whose slower machine takes {best:g}"
        )
    return None
