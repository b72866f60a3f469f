"""Exercises that check themselves, one module a lesson.

What is asked stands apart from how it is judged, so that one process can ask and another judge.
Questions are plain data made from a seed. `Exercise.ask` puts one of them to an answer, without
knowing what is right. `Exercise.judge` sees questions and replies, and never the answer: it tests a
property, so that any right answer passes.
"""

from __future__ import annotations

import copy
import html
import pkgutil
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple, TypeAlias, TypeVar

import torch

from delog_nb.course.replies import NUMBER, Kind, NotData, as_data, shown
from delog_nb.experiment import closest

Question: TypeAlias = tuple[Any, ...]
_Wrong = TypeVar("_Wrong", bound=Callable[..., str | None])
_FAILED = "failed"  # key of the reply, a dictionary, that stands for a failure


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """PyTorch's random numbers on the CPU are those of ``seed``, and afterwards as before."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class Exercise(NamedTuple):
    """What is asked of an answer, and how it is judged: a tuple, which nobody can change in place.

    Args:
        make: questions from a source of random numbers; PyTorch's are seeded too
        use: what an answer does with a question, as plain data: ``use(answer, *question)``
        wants: what a reply has to be
        wrong: what is wrong with the reply to one question, or None: ``wrong(reply, *question)``
    """

    name: str
    lesson: str
    make: Callable[[random.Random], Sequence[Question]]
    use: Callable[..., Any]
    wants: Kind
    wrong: Callable[..., str | None]

    def questions(self, rng: random.Random) -> list[Question]:
        """Questions, plain data: the same ones for the same state of ``rng``."""
        with seeded(rng.getrandbits(63)):
            return list(self.make(rng))

    def ask(self, answer: Any, question: Question) -> Any:
        """The reply of ``answer`` to a question, or why there is none, as plain data."""
        try:
            return as_data(self.use(answer, *copy.deepcopy(question)))  # the answer may change it
        except NotData as error:
            return {_FAILED: str(error)}
        except Exception as error:  # noqa: BLE001 - a learner's function may raise anything
            text = " ".join(str(error).split())
            return {_FAILED: f"it raised {type(error).__name__}: {text}"}

    def judge(self, questions: Sequence[Question], replies: Sequence[Any]) -> str | None:
        """What is wrong with the replies, or None. They may be any data."""
        if len(replies) != len(questions):
            return f"{len(questions)} questions have {len(replies)} replies"
        for question, reply in zip(questions, replies, strict=True):
            if isinstance(reply, dict) and _FAILED in reply:
                return str(reply[_FAILED])
            try:
                with seeded(0):
                    wrong = self.wrong(self.wants.read(reply), *question)
            except Exception:  # noqa: BLE001 - it depends on the reply what is raised
                wrong = f"{self.wants.words}, not {shown(reply)}"
            if wrong is not None:
                return wrong
        return None


EXERCISES: dict[str, Exercise] = {}


def call(answer: Callable[..., Any], *question: Any) -> Any:
    """How most answers are used: as a function of the question."""
    return answer(*question)


def itself(answer: Any) -> Any:
    """How an answer is used that is a value and no function."""
    return answer


def once(_: random.Random) -> list[Question]:
    """The one question to an answer that is a value."""
    return [()]


def many(
    count: int, one: Callable[[random.Random], Question], after: Sequence[Question] = ()
) -> Callable[[random.Random], list[Question]]:
    """``count`` questions, each made by ``one``, and before them those that are always asked."""
    return lambda rng: [*after, *(one(rng) for _ in range(count))]


def exercise(
    name: str,
    make: Callable[[random.Random], Sequence[Question]],
    use: Callable[..., Any] = call,
    wants: Kind = NUMBER,
) -> Callable[[_Wrong], _Wrong]:
    """Make a function that judges one reply into an `Exercise` of its module's lesson."""

    def register(wrong: _Wrong) -> _Wrong:
        lesson = wrong.__module__.rpartition(".")[2]
        EXERCISES[name] = Exercise(name, lesson, make, use, wants, wrong)
        return wrong

    return register


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
        # a coloured edge: there is no colour for text that is read well on white and on dark
        edge = f"border-left:4px solid {color};padding-left:8px"
        return f'<b style="{edge}">{mark} {html.escape(repr(self))}</b>'


def check(name: str, answer: Any, seed: int | None = None) -> Result:
    """Whether ``answer`` solves the exercise ``name``, and if not, why.

    Args:
        seed: of the questions; by default new ones each time

    Raises:
        ValueError: there is no such exercise.

    >>> from delog_nb import lab
    >>> lab.check("spread", ...)
    To do: put your answer in place of the three dots
    """
    if name not in EXERCISES:
        raise ValueError(f"there is no exercise {name!r}{closest(name, EXERCISES)}")
    if answer is ...:
        return Result(name, "put your answer in place of the three dots", answered=False)
    asked = EXERCISES[name]
    questions = asked.questions(random.Random(seed))
    return Result(name, asked.judge(questions, [asked.ask(answer, q) for q in questions]))


LESSONS = tuple(module.name for module in pkgutil.iter_modules(__path__))
for _lesson in LESSONS:  # each of them fills the table
    import_module(f"{__name__}.{_lesson}")
