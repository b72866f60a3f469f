"""Exercises of lesson 11, Pipelined training."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from math import isclose

from delog_nb.course.exercises import exercise
from delog_nb.pipeline.schedule import balance, table_1


@exercise("bubble-share")
def bubble_share(answer: Callable[[int, int], float]) -> str | None:
    """Idle share of K equal machines that train B batches as in Table 1."""
    for stages, batches in [(3, 3), (1, 5), *((random.randint(2, 9), n) for n in (1, 4, 30))]:
        right = table_1([1.0] * stages, batches).bubble
        found = float(answer(stages, batches))
        if isclose(found, 100 * right, rel_tol=1e-6) and right:
            return "that is in per cent: give a share from 0 to 1"
        if not isclose(found, right, abs_tol=1e-9):
            end = stages + batches - 1
            return (
                f"with K = {stages} and B = {batches} it is not {found:.3g}: the run has {end} "
                f"time units, and each machine works in {batches} of them"
            )
    return None


@exercise("pipeline-time")
def pipeline_time(answer: Callable[[Sequence[float], int], float]) -> str | None:
    """Time until components with the given times have trained all batches, as in Table 1."""
    # the first one tells all the usual mistakes apart
    cases = [([2.0, 1.0, 3.0], 4), ([1.0, 1.0, 1.0], 4), ([2.0, 1.0, 3.0, 1.0], 1)]
    cases += [
        ([random.randint(1, 9) / 2 for _ in range(random.randint(2, 6))], random.randint(2, 20))
        for _ in range(5)
    ]
    for times, batches in cases:
        right = table_1(times, batches).makespan
        found = float(answer(list(times), batches))
        if not isclose(found, right, rel_tol=1e-9):
            told = f"with times {times} and {batches} batch{'es' if batches > 1 else ''}"
            if isclose(found, batches * max(times)):
                return f"{told} the first batch also has to pass all other components"
            if isclose(found, batches * sum(times)):
                return f"{told} that is one component after another: here they overlap"
            if isclose(found, sum(times) + batches - 1):
                return f"{told} the later batches follow at the pace of the slowest component"
            return f"{told} it takes {right:g}, not {found:g}"
    return None


@exercise("cut-in-two")
def cut_in_two(answer: Callable[[Sequence[float]], int]) -> str | None:
    """How many components the first of two machines gets, so that the slower one is fast."""
    cases = [[5.0, 1.0, 1.0, 1.0, 2.0], [1.0, 2.0]]
    cases += [[random.randint(1, 20) / 2 for _ in range(random.randint(3, 9))] for _ in range(8)]
    for times in cases:
        found = answer(list(times))
        if isinstance(found, bool) or not isinstance(found, int) or not 0 < found < len(times):
            return f"give a whole number from 1 to {len(times) - 1} for {len(times)} components"
        best = max(sum(times[first:end]) for first, end in balance(times, 2))
        halves = sum(times[:found]), sum(times[found:])
        if not isclose(max(halves), best):
            return (
                f"for {times} the machines take {halves[0]:g} and {halves[1]:g}: there is a cut "
                f"whose slower machine takes {best:g}"
            )
    return None
