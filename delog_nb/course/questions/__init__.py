"""The quiz: questions about mechanisms and new cases, with numbers drawn anew each time.

Each wrong option is a mistake that people make, and says why it is one.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from random import Random
from typing import NamedTuple

COUNT = 20  # questions of a quiz


class Option(NamedTuple):
    """An answer, and what to say to whoever chooses it."""

    text: str
    why: str


@dataclass(frozen=True)
class Asked:
    """A question as it is asked.

    Args:
        lesson: the number of the lesson that it comes from
        text: the question
        options: in the order in which they are shown
        right: the place of the right one, from 0
    """

    lesson: int
    text: str
    options: list[Option]
    right: int


Drawn = tuple[str, Option, list[Option]]  # question, right option, wrong ones
QUESTIONS: dict[str, tuple[int, Callable[[Random], Drawn]]] = {}


def draw(seed: int | None = None, count: int = COUNT) -> list[Asked]:
    """``count`` different questions in a random order, each with its options in one.

    Args:
        seed: the same one draws the same questions; by default new ones each time
        count: at most as many as there are

    Raises:
        ValueError: there are fewer.

    >>> len(draw(seed=1)), draw(seed=1) == draw(seed=1), draw(seed=1) == draw(seed=2)
    (20, True, False)
    """
    if not 0 <= count <= len(QUESTIONS):
        raise ValueError(f"a quiz has 0 to {len(QUESTIONS)} questions, not {count}")
    rng = Random(seed)
    names = rng.sample(sorted(QUESTIONS), count)
    made = []
    for name in names:
        lesson, make = QUESTIONS[name]
        text, right, wrong = make(rng)
        options = [right, *wrong]
        rng.shuffle(options)
        made.append(Asked(lesson, text, options, options.index(right)))
    return made


def asks(lesson: int) -> Callable[[Callable[[Random], Drawn]], Callable[[Random], Drawn]]:
    def keep(make: Callable[[Random], Drawn]) -> Callable[[Random], Drawn]:
        QUESTIONS[make.__name__] = lesson, make
        return make

    return keep


for _module in pkgutil.iter_modules(__path__):  # each of them fills the table
    import_module(f"{__name__}.{_module.name}")
