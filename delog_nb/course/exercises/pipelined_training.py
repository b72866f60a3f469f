"""Exercises of lesson 11, Pipelined training."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose
from random import Random

from delog_nb.course.exercises import Question, exercise, many
from delog_nb.course.replies import tell
from delog_nb.pipeline.schedule import balance, table_1


@exercise(
    "bubble-share",
    lambda rng: [(3, 3), (1, 5), *((rng.randint(2, 9), batches) for batches in (1, 4, 30))],
)
def bubble_share(given: float, stages: int, batches: int) -> str | None:
    """Idle share of K equal machines that train B batches as in Table 1."""
    right = table_1([1.0] * stages, batches).bubble
    mistakes = [(100 * right, "that is in per cent: give a share from 0 to 1")]
    otherwise = (
        f"with K = {stages} and B = {batches} it is not {given:.3g}: the run has "
        f"{stages + batches - 1} time units, and each machine works in {batches} of them"
    )
    return tell(given, right, mistakes, otherwise)


def _run(rng: Random) -> Question:
    return [rng.randint(1, 9) / 2 for _ in range(rng.randint(2, 6))], rng.randint(2, 20)


_TOLD_APART = [([2.0, 1.0, 3.0], 4), ([1.0, 1.0, 1.0], 4), ([2.0, 1.0, 3.0, 1.0], 1)]


@exercise("pipeline-time", many(5, _run, after=_TOLD_APART))
def pipeline_time(given: float, times: Sequence[float], batches: int) -> str | None:
    """Time until components with the given times have trained all batches, as in Table 1."""
    right = table_1(times, batches).makespan
    said = f"with times {times} and {batches} batch{'es' if batches > 1 else ''}"
    mistakes = [
        (
            batches * max(times),
            f"{said} the first batch also has to pass all other components",
        ),
        (
            batches * sum(times),
            f"{said} that is one component after another: here they overlap",
        ),
        (
            sum(times) + batches - 1,
            f"{said} the later batches follow at the pace of the slowest component",
        ),
    ]
    return tell(given, right, mistakes, f"{said} it takes {right:g}, not {given:g}")


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
