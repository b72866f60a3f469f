"""Asks an answer in a sandbox and judges what it replies: nothing of the answer runs here."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Sequence

from delog_nb.course.exercises import EXERCISES
from delog_nb.course.replies import as_data
from delog_nb.grading import wire
from delog_nb.grading.sandbox import Sandbox
from delog_nb.instruments.errors import printable

_UNASKED = {  # results that need no judge
    "missing": "no cell checks this exercise",
    "to do": "put your answer in place of the three dots",
    "error": "",
}
_LONGEST = 400  # characters of a message
_one = threading.Lock()  # PyTorch's random numbers, which questions and judges set, are shared


def grade(
    sandbox: Sandbox, cells: Sequence[tuple[str, list[str]]], exercise: str
) -> tuple[str, str]:
    """Result and message of an exercise of a notebook with these code cells and tags."""
    try:
        with sandbox.line() as line:
            result, message = _converse(line, cells, exercise)
    except ValueError as error:
        result, message = "error", str(error)
    except (EOFError, OSError):
        late = sandbox.late
        result = "timeout" if late else "crashed"
        message = f"no result after {late} s" if late else f"its process ended: {sandbox.ended}"
    return result, printable(message)[:_LONGEST]


def _converse(
    line: socket.socket, cells: Sequence[tuple[str, list[str]]], exercise: str
) -> tuple[str, str]:
    asked = EXERCISES[exercise]
    with line.makefile("rb") as heard:
        wire.send(line, [cells, exercise])
        result, raised = map(str, wire.receive(heard, wire.LARGEST))
        if result in _UNASKED:
            return "error" if raised else result, raised or _UNASKED[result]
        with _one:
            questions = asked.questions(random.Random())
        wire.send(line, questions)
        replies = [as_data(reply) for reply in wire.receive(heard, wire.LARGEST)]
    with _one:
        wrong = asked.judge(questions, replies)
    if wrong is None:
        return "right", raised and f"a cell raised {raised}"
    return ("error", raised) if raised else ("not yet", wrong)
