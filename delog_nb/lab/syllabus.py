"""The course as a list, made from the lessons' own headers."""

from __future__ import annotations

import html
from pathlib import Path
from typing import NamedTuple

import nbformat
from IPython.display import HTML

from delog_nb.lab.lessons import TAKES


class Lesson(NamedTuple):
    """A lesson's number and title, what it teaches, and what it takes."""

    path: Path
    number: int
    title: str
    learn: str
    minutes: int
    seconds: int
    megabytes: int


def lessons(folder: Path = Path()) -> list[Lesson]:
    """The lessons in ``folder``, in reading order."""
    found = []
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        header = notebook.cells[0].source
        takes = TAKES.search(header)
        if takes is None:
            continue
        number, _, title = header.splitlines()[0].removeprefix("# ").partition(" · ")
        learn = header.partition("**You will learn** ")[2].partition("\n")[0]
        minutes, seconds, megabytes = (int(text) for text in takes.groups())
        found.append(Lesson(path, int(number), title, learn, minutes, seconds, megabytes))
    return found


def course(folder: Path = Path()) -> HTML:
    """The lessons as a table with links."""
    rows = "".join(
        f'<tr><td>{lesson.number}</td><td style="text-align:left">'
        f'<a href="{lesson.path.name}">{html.escape(lesson.title)}</a></td>'
        f'<td style="text-align:left;white-space:normal">{html.escape(lesson.learn)}</td>'
        f"<td>{lesson.minutes}</td><td>{lesson.seconds}</td></tr>"
        for lesson in lessons(folder)
    )
    names = ("", "Lesson", "You will learn", "Minutes", "Seconds of computing")
    head = "".join(f"<th>{name}</th>" for name in names)
    return HTML(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
