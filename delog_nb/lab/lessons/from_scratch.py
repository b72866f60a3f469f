"""Lesson 4: blanks that may stay open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from delog_nb.course.exercises import check
from delog_nb.course.exercises.from_scratch import GIVEN


def go_on(name: str, answer: Any) -> Callable[..., Any]:
    """``answer`` where it solves the exercise ``name``, otherwise ours, so that the lesson goes on.

    >>> ours = go_on("local-step", ...)
    The lesson goes on with ours until yours is right; local_step?? shows its code.
    """
    if check(name, answer):
        print("The lesson goes on with yours.")  # noqa: T201
        found: Callable[..., Any] = answer
        return found
    given = GIVEN[name]
    print(  # noqa: T201
        f"The lesson goes on with ours until yours is right; {given.__name__}?? shows its code."
    )
    return given
