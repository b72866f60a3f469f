"""Exercises that check themselves.

A check is a function from the learner's answer to a sentence that says what is wrong, or None. It
tests a property on random inputs, so that any right answer passes. Each lesson has a module here.
"""

from __future__ import annotations

import html
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

from delog_nb.experiment import closest

CHECKS: dict[str, tuple[str, Callable[[Any], str | None]]] = {}  # name: lesson, check
LESSONS = tuple(module.name for module in pkgutil.iter_modules(__path__))


class Result:
    """What a check found; true if the answer is right."""

    def __init__(self, name: str, wrong: str | None, answered: bool = True) -> None:
        self.name, self.wrong, self.answered = name, wrong, answered

    def __bool__(self) -> bool:
        return self.wrong is None

    def __repr__(self) -> str:
        if not self:
            return f"{'Not yet' if self.answered else 'To do'}: {self.wrong}"
        return "Right."

    def _repr_html_(self) -> str:
        color = "#006b4f" if self else "#a03c00" if self.answered else "#57606a"
        mark = "✓" if self else "✗" if self.answered else "…"
        return f'<b style="color:{color}">{mark} {html.escape(repr(self))}</b>'


def exercise(name: str) -> Callable[[Callable[[Any], str | None]], Callable[[Any], str | None]]:
    """Give a check its name."""

    def register(check: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
        CHECKS[name] = (check.__module__.rpartition(".")[2], check)
        return check

    return register


def check(name: str, answer: Any) -> Result:
    """Whether ``answer`` solves the exercise ``name``, and if not, why.

    Raises:
        ValueError: there is no such exercise.
    """
    for lesson in LESSONS:
        import_module(f"{__name__}.{lesson}")
    if name not in CHECKS:
        raise ValueError(f"there is no exercise {name!r}{closest(name, CHECKS)}")
    if answer is ...:
        return Result(name, "put your answer in place of the three dots", answered=False)
    try:
        wrong = CHECKS[name][1](answer)
    except Exception as error:  # noqa: BLE001 - a learner's function may raise anything
        wrong = f"it raised {type(error).__name__}: {' '.join(str(error).split())}"
    return Result(name, wrong)
