"""The quiz: its numbers are right, its options differ, and it replies to the first choice."""

from __future__ import annotations

import re
from typing import Any

import pytest

from delog_nb import lab
from delog_nb.course.questions import COUNT, QUESTIONS, Asked, draw
from delog_nb.lab.asks import quiz as quizzing

DRAWS = [one for seed in range(60) for one in draw(seed, len(QUESTIONS))]


def numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)]


def of(words: str) -> list[Asked]:
    found = [one for one in DRAWS if words in one.text]
    assert len(found) == 60
    return found


def right(one: Asked) -> str:
    return one.options[one.right].text


def test_every_question_has_four_different_options_or_three_and_says_why() -> None:
    for one in DRAWS:
        texts = [option.text for option in one.options]
        assert 3 <= len(set(texts)) == len(texts) <= 4, one
        assert all(option.why.endswith(".") for option in one.options)
        assert one.text.endswith("?")
    assert len({one.right for one in DRAWS}) == 4  # it is not always the first


def test_numbers_are_those_of_counting() -> None:
    for one in of("How many positives does a view have"):
        own, classes = numbers(one.text)
        labels = [c for c in range(classes) for _ in range(own)] * 2
        assert right(one) == str(sum(label == labels[0] for label in labels[1:]))
    for one in of("in the denominator of an anchor"):
        own, classes = numbers(one.text)
        labels = [c for c in range(classes) for _ in range(own)] * 2
        assert right(one) == str(sum(label != labels[0] for label in labels))
    for one in of("How many losses train it"):
        assert int(right(one)) == len(numbers(one.text)[1:]) + 1
    for one in of("Which share of the time is a machine idle"):
        stages, batches, _ = (*numbers(one.text), 0)[:3]
        busy = {(m, b + m) for m in range(stages) for b in range(batches)}
        last = max(t for _, t in busy) + 1
        idle = sum((0, t) not in busy for t in range(last)) / last
        assert right(one) == f"{100 * idle:.0f} %"


def test_chances_are_those_of_trying() -> None:
    from random import Random

    rng = Random(0)
    for one in of("How likely is at least one"):
        count = numbers(one.text)[0]
        tries = [any(rng.random() < 0.05 for _ in range(count)) for _ in range(2000)]
        told = numbers(right(one))[0]
        assert told == pytest.approx(100 * sum(tries) / len(tries), abs=4)


def test_draws_differ_and_a_seed_repeats_one() -> None:
    assert draw(3) == draw(3) != draw(4)
    assert len({one.text.split()[0] + one.text[-40:] for one in draw(3)}) == COUNT
    with pytest.raises(ValueError, match="questions, not 1000"):
        draw(0, 1000)


def test_headless_it_prints_questions_without_answers(capsys: pytest.CaptureFixture[str]) -> None:
    lab.quiz(seed=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == COUNT
    for line, one in zip(lines, draw(2), strict=True):
        assert all(option.text in line for option in one.options)
        assert not any(option.why in line for option in one.options)


def test_it_replies_and_counts_the_first_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(quizzing, "headless", lambda: False)
    monkeypatch.setattr(quizzing, "display", shown.append)
    lab.quiz(seed=2)
    first, second = draw(2)[:2]
    *boxes, score = shown[0].children
    assert len(boxes) == COUNT
    assert f"No answer yet, of {COUNT} questions." in score.value
    _, buttons, said = boxes[0].children
    wrong = (first.right + 1) % len(first.options)
    buttons.value = wrong
    assert "<b>No.</b>" in said.value
    assert f"(Lesson {first.lesson})" in said.value
    buttons.value = first.right
    assert "<b>Right.</b>" in said.value
    boxes[1].children[1].value = second.right
    assert "<b>1 of 2 answers right" in score.value
    assert f"Read again: lesson {first.lesson}." in score.value
