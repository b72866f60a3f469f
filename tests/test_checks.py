"""Checks of exercises pass every right answer and say what is wrong with others."""

from __future__ import annotations

import statistics
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from delog_nb.course.exercises import CHECKS, check

RIGHT: list[tuple[str, Any]] = [
    ("count-components", {"al": 6, "bp": 1, "delog-scl": 7, "early-exit": 7}),
    ("accuracy", lambda z, y: sum(r.argmax() == k for r, k in zip(z, y, strict=True)) / len(y)),
    ("spread", lambda values: (np.mean(values), np.std(values, ddof=1))),
]
WRONG: list[tuple[str, Any, str]] = [
    ("count-components", {"bp": 1}, "give a dictionary with the keys 'bp', 'early-exit'"),
    (
        "count-components",
        {"al": 7, "bp": 1, "delog-scl": 7, "early-exit": 7},
        "AL does not train 7 components",
    ),
    ("accuracy", lambda z, y: 100 * (z.argmax(1) == y).float().mean(), "a share is from 0 to 1"),
    ("accuracy", lambda z, y: (z.argmin(1) == y).float().mean(), "rows have their maximum"),
    ("accuracy", lambda z: 0, "it raised TypeError"),
    ("spread", lambda v: (statistics.mean(v), statistics.pstdev(v)), "divides by n - 1"),
    ("spread", lambda v: (max(v), statistics.stdev(v)), "the mean of"),
    ("spread", statistics.mean, "it raised TypeError"),
]


for path in sorted(Path(__file__).parent.glob("test_lesson_*.py")):
    module = import_module(path.stem)
    RIGHT += module.RIGHT
    WRONG += module.WRONG


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_of_any_make_pass(name: str, answer: Any) -> None:
    result = check(name, answer)
    assert result, result
    assert repr(result) == "Right."


@pytest.mark.parametrize(("name", "answer", "sentence"), WRONG)
def test_wrong_answers_are_told_why(name: str, answer: Any, sentence: str) -> None:
    for _ in range(5):  # checks are random: every wrong answer is found each time
        result = check(name, answer)
        assert not result
        assert repr(result).startswith("Not yet: ")
        assert sentence in repr(result)
        assert "\n" not in repr(result)


def test_every_exercise_has_right_and_wrong_answers_here() -> None:
    assert {name for name, _ in RIGHT} == {name for name, *_ in WRONG} == set(CHECKS)


@pytest.mark.parametrize("name", sorted({name for name, *_ in WRONG}))
def test_no_answer_yet(name: str) -> None:
    result = check(name, ...)
    assert not result
    assert repr(result) == "To do: put your answer in place of the three dots"
    assert "…" in result._repr_html_()
