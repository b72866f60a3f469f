"""Exercises pass every right answer and say what is wrong with others, in one process or two."""

from __future__ import annotations

import enum
import io
import math
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from delog_nb.course import replies
from delog_nb.course.exercises import EXERCISES, LESSONS, Question, check
from delog_nb.course.replies import DEEPEST, MOST, as_data

RIGHT: list[tuple[str, Any]] = []
WRONG: list[tuple[str, Any, str]] = []
for lesson in LESSONS:
    answers = import_module(f"course.answers.{lesson}")
    RIGHT += answers.RIGHT
    WRONG += answers.WRONG
# the same questions each time
FIXED = {
    "broken-losses",
    "code-distance",
    "count-components",
    "cut-or-not",
    "cut-that-pays",
    "cut-the-flow",
    "drawn",
    "grid-that-can-refute",
    "two-cuts",
}


def questions_of(name: str, seed: int = 0) -> list[Question]:
    return EXERCISES[name].questions(random.Random(seed))


def replies_of(name: str, answer: Any, questions: list[Question]) -> list[Any]:
    return [EXERCISES[name].ask(answer, question) for question in questions]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_of_any_make_pass(name: str, answer: Any) -> None:
    result = check(name, answer)
    assert result, result
    assert repr(result) == "Right."


@pytest.mark.parametrize(("name", "answer", "sentence"), WRONG)
def test_wrong_answers_are_told_why(name: str, answer: Any, sentence: str) -> None:
    for seed in range(3):  # checks are random: every wrong answer is found each time
        result = check(name, answer, seed=seed)
        assert not result
        assert repr(result).startswith("Not yet: ")
        assert sentence in repr(result)
        assert "\n" not in repr(result)


def test_every_exercise_has_right_and_wrong_answers_here() -> None:
    assert {name for name, _ in RIGHT} == {name for name, *_ in WRONG} == set(EXERCISES)
    assert {exercise.lesson for exercise in EXERCISES.values()} == set(LESSONS)


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_no_answer_yet(name: str) -> None:
    result = check(name, ...)
    assert not result
    assert repr(result) == "To do: put your answer in place of the three dots"
    assert "…" in result._repr_html_()


def comparable(data: Any) -> Any:
    """The same without tensors, which have no equality of their own."""
    return tree_map(lambda leaf: leaf.tolist() if isinstance(leaf, Tensor) else leaf, data)


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_questions_are_plain_data_made_from_a_seed(name: str) -> None:
    questions = questions_of(name)
    assert questions
    assert comparable(questions) == comparable(as_data(questions))
    assert comparable(questions) == comparable(questions_of(name))
    assert (comparable(questions) == comparable(questions_of(name, 1))) == (name in FIXED)


def test_a_seed_makes_a_check_repeatable() -> None:
    told = [repr(check("spread", lambda values: (0, 0), seed=seed)) for seed in (1, 1, 2)]
    assert told[0] == told[1] != told[2]
    assert len({repr(check("spread", lambda values: (0, 0))) for _ in range(5)}) > 1


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_a_check_leaves_the_learners_random_numbers_alone(name: str, answer: Any) -> None:
    before = random.getstate(), torch.get_rng_state().tolist()
    check(name, answer)
    assert (random.getstate(), torch.get_rng_state().tolist()) == before


def test_answers_may_change_what_they_are_given() -> None:
    def greedy(gaps: list[float], above: float, m: int) -> Any:
        verdict = dict(RIGHT)["claim-verdict"](gaps, above, m)
        gaps.clear()
        return verdict

    assert check("claim-verdict", greedy)


def saved(data: Any) -> Any:
    file = io.BytesIO()
    torch.save(data, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def pickled(data: Any) -> Any:
    return pickle.loads(pickle.dumps(data))


@pytest.mark.parametrize("moved", [saved, pickled])
@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_judges_see_data_that_came_from_elsewhere(name: str, moved: Callable[[Any], Any]) -> None:
    questions = questions_of(name)
    judge = EXERCISES[name].judge
    for answer in [answer for other, answer in RIGHT if other == name]:
        assert judge(moved(questions), moved(replies_of(name, answer, moved(questions)))) is None
    for answer, sentence in [(answer, told) for other, answer, told in WRONG if other == name]:
        told = judge(moved(questions), moved(replies_of(name, answer, moved(questions))))
        assert sentence in str(told)


ASKING = """
import sys, torch
from course.test_exercises import RIGHT, WRONG, replies_of
questions = torch.load(sys.argv[1], weights_only=True)
answers = [(name, answer) for name, answer, *_ in [*RIGHT, *WRONG] if name in questions]
torch.save([replies_of(name, answer, questions[name]) for name, answer in answers], sys.argv[2])
"""


def test_one_process_asks_and_another_judges(tmp_path: Path) -> None:
    names = (
        "local-step",
        "shortcut",
        "short-path",
        "blind-to-mirrors",
        "cut-the-flow",
        "spread",
    )
    questions = {name: questions_of(name) for name in names}
    torch.save(questions, tmp_path / "questions")
    paths = os.pathsep.join(filter(None, sys.path))
    subprocess.run(
        [sys.executable, "-c", ASKING, str(tmp_path / "questions"), str(tmp_path / "replies")],
        check=True,
        env=os.environ | {"PYTHONPATH": paths},
    )
    replied = torch.load(tmp_path / "replies", weights_only=True)
    cases = [(name, sentence) for name, _, *sentence in [*RIGHT, *WRONG] if name in names]
    assert len(cases) == len(replied) > 20
    for (name, sentence), given in zip(cases, replied, strict=True):
        told = EXERCISES[name].judge(questions[name], given)
        assert sentence[0] in str(told) if sentence else told is None


ODD = [
    None, True, "", "abc", -1, 2**62, math.nan, math.inf, [], [None], (1, 2), [0.5] * 3, [[1], "a"],
    {}, {"a": [1]}, {"failed": None}, {"pool": "a"}, {"head_dim": 2**62}, set(), {"A", 1},
    torch.tensor(2), torch.tensor(True), torch.tensor([math.nan]), torch.rand(2, 3),
    torch.rand(3, 4, dtype=torch.complex64), [torch.rand(3, 4)] * 3, [(torch.rand(3, 4), [1])] * 5,
    [4, [[torch.rand(1)] * 4] * 2], ["abc"] * 6, dict.fromkeys(("al", "bp"), torch.rand(2)),
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_judges_say_a_sentence_whatever_comes(name: str) -> None:
    questions = questions_of(name)
    for odd in ODD:
        told = EXERCISES[name].judge(questions, [odd] * len(questions))
        assert told
        assert "\n" not in told
        assert len(told) < 400, told


def test_a_reply_that_is_missing_is_not_right() -> None:
    questions = questions_of("spread")
    given = replies_of("spread", dict(RIGHT)["spread"], questions)
    assert EXERCISES["spread"].judge(questions, given[1:]) == "3 questions have 2 replies"
    assert EXERCISES["spread"].judge(questions, []) == "3 questions have 0 replies"


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth else []


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (len, "it returned a builtin_function_or_method, and a number, text, list or tensor is"),
        (nested, "it returned a function, and"),
        ([1, {"f": nested}], "it returned a function, and"),
        (math, "it returned a module, and"),
        (range(3), "it returned a range, and"),
        (nn.Identity(), "it returned an Identity, and"),
        (1j, "it returned a complex, and"),
        ({1: 2}, "it returned a dict, and"),
        (np.array([nested]), "it returned a function, and"),
        (torch.empty(2, device="meta"), "it returned a Tensor, and"),
        (torch.zeros(1).expand(MOST + 1), "it returned more than 1,000,000 numbers"),
        (np.broadcast_to(0, (MOST, MOST)), "it returned more than 1,000,000 numbers"),
        ([torch.zeros(MOST // 2 + 1)] * 2, "it returned more than 1,000,000 numbers"),
        ("a" * (MOST + 1), "it returned more than 1,000,000 numbers"),
        (nested(DEEPEST + 1), "it returned lists within lists, more than 20 deep"),
        (ENDLESS, "it returned lists within lists, more than 20 deep"),
        (2**64, "it returned a whole number of more than 64 bits"),
    ],
)
def test_what_is_no_data_is_refused(value: Any, sentence: str) -> None:
    with pytest.raises(ValueError) as raised:
        as_data(value)
    assert str(raised.value).startswith(sentence)
    assert EXERCISES["spread"].ask(lambda _: value, ([1.0],)) == {"failed": str(raised.value)}


@pytest.mark.parametrize("value", [[[]], [""], [torch.empty(0)], [{}], [None]])
def test_what_is_empty_counts_too(value: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MOST", 100)
    as_data(value * 99)
    with pytest.raises(ValueError, match="it returned more than 100 numbers"):
        as_data(value * 100)


def test_whatever_goes_wrong_with_a_reply_is_a_sentence() -> None:
    told = check("spread", lambda values: Fraction(10**400))
    assert repr(told).startswith("Not yet: it raised OverflowError: ")
    needed = lambda t, n: Fraction(sum(t) + (n - 1) * max(t))  # noqa: E731
    assert check("pipeline-speed-up", lambda t, n: Fraction(n * sum(t)) / needed(t, n))


class Verdict(str, enum.Enum):
    """A text and more."""

    HOLDS = "holds"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (np.bool_(True), True),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (Verdict.HOLDS, "holds"),
        (np.array(["holds", 1], dtype=object), ["holds", 1]),
        (torch.Size([2, 3]), (2, 3)),
        ({"a": {1, 2}, "b": frozenset({(3, "c")})}, {"a": {1, 2}, "b": frozenset({(3, "c")})}),
        (nested(DEEPEST), nested(DEEPEST)),
    ],
)
def test_data_stays_the_same_and_becomes_plain(value: Any, plain: Any) -> None:
    found = as_data(value)
    assert found == plain
    assert type(found) is type(plain)


def test_tensors_come_without_graph_and_without_what_they_are_a_part_of() -> None:
    whole = torch.rand(1000, requires_grad=True)
    part = as_data(whole[:2])
    assert torch.equal(part, whole[:2])
    assert not part.requires_grad
    assert part.untyped_storage().nbytes() == 8
    assert as_data(np.arange(4.0)[::-2]).tolist() == [3, 1]
    assert type(as_data(nn.Parameter(torch.rand(1)))) is Tensor
