"""The quiz: questions drawn anew, each with a reply to what is chosen."""

from __future__ import annotations

import html
import os
import re
from dataclasses import asdict
from typing import Any

from IPython.display import display

from delog_nb.course.questions import COUNT, Asked, draw
from delog_nb.lab.asks.session import prose
from delog_nb.lab.asks.stored import STORING, Stored
from delog_nb.lab.charts.played import headless


def quiz(seed: int | None = None, count: int = COUNT) -> None:
    """Ask questions about the course; each replies to the first choice, and a line keeps score.

    Without a front end the questions are printed without answers.

    Args:
        seed: the same questions for a whole class; by default new ones each time
        count: how many

    Raises:
        ValueError: there are fewer questions than that.

    >>> from delog_nb import lab
    >>> lab.quiz(seed=1, count=1)  # doctest: +ELLIPSIS
    1. ...
    """
    if seed is None and STORING in os.environ:
        seed = 0  # what is stored does not change by itself
    asked = draw(seed, count)
    if headless():
        lines = [
            f"{number}. {one.text} ({' / '.join(option.text for option in one.options)})"
            for number, one in enumerate(asked, 1)
        ]
        display(Stored("\n".join(lines), {"kind": "quiz", "questions": [*map(asdict, asked)]}))
        return
    _Paper(asked).show()


def reply(one: Asked, place: int) -> str:
    """What is said to a choice, as HTML."""
    right, why = one.options[one.right], html.escape(one.options[place].why)
    if place == one.right:
        return f"<b>Right.</b> {_marked(why)}"
    told = f"{html.escape(right.text)}. {html.escape(right.why)}"
    return f"<b>No.</b> {_marked(why)} <b>Right is:</b> {_marked(told)} (Lesson {one.lesson})"


def _marked(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)


class _Paper:
    """All questions, and the score of the first choices."""

    def __init__(self, asked: list[Asked]) -> None:
        import ipywidgets as widgets

        self.asked = asked
        self.right: dict[int, bool] = {}
        self.score = widgets.HTML()
        boxes = [self._box(number, one) for number, one in enumerate(asked)]
        self.box = widgets.VBox([*boxes, self.score])
        self._count()

    def show(self) -> None:
        display(self.box)

    def _box(self, number: int, one: Asked) -> Any:
        import ipywidgets as widgets

        text = widgets.HTML(prose(f"<b>{number + 1}.</b> {_marked(html.escape(one.text))}"))
        choices = [(option.text, place) for place, option in enumerate(one.options)]
        buttons = widgets.RadioButtons(options=choices, value=None, layout={"width": "auto"})
        said = widgets.HTML()

        def on_choice(change: Any) -> None:
            self.right.setdefault(number, change["new"] == one.right)  # the first choice counts
            said.value = prose(reply(one, change["new"]))
            self._count()

        buttons.observe(on_choice, "value")
        return widgets.VBox([text, buttons, said], layout={"margin": "0 0 16px 0"})

    def _count(self) -> None:
        wrong = sorted({self.asked[n].lesson for n, right in self.right.items() if not right})
        again = f" Read again: lesson{'s' * (len(wrong) > 1)} {', '.join(map(str, wrong))}."
        if not self.right:
            self.score.value = prose(f"No answer yet, of {len(self.asked)} questions.")
            return
        self.score.value = prose(
            f"<b>{sum(self.right.values())} of {len(self.right)} answers right at the first "
            f"choice</b>, of {len(self.asked)} questions.{again if wrong else ''}"
        )
