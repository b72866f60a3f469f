"""Checks of exercises pass every right answer and say what is wrong with others."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from delog_nb.course.exercises import CHECKS, LESSONS, check

RIGHT: list[tuple[str, Any]] = []
WRONG: list[tuple[str, Any, str]] = []
for lesson in LESSONS:
    answers = import_module(f"course.answers.{lesson}")
    RIGHT += answers.RIGHT
    WRONG += answers.WRONG


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
