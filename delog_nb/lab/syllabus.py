"""The course as a list, made from the lessons' own headers."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import NamedTuple

import nbformat
from IPython.display import HTML

from delog_nb.files import write_atomically
from delog_nb.lab.lessons import TAKES

_README_TABLE = re.compile(r"^\| \| Lesson \|.*\n\|[-|]+\|\n(?:\| \d+ \|.*\n)*", re.MULTILINE)


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


def update_readme(readme: Path, folder: Path) -> bool:
    """Write the lessons of ``folder`` into the README's table of them; False if it has none."""
    text = readme.read_text(encoding="utf-8")
    lines = ["| | Lesson | You will learn | Minutes |", "|---|---|---|---|"]
    for lesson in lessons(folder):
        link = f"[{lesson.title}]({folder.name}/{lesson.path.name})"
        lines.append(f"| {lesson.number} | {link} | {lesson.learn} | {lesson.minutes} |")
    found = _README_TABLE.search(text)
    if found is None:
        return False
    with write_atomically(readme) as file:
        file.write((text[: found.start()] + "\n".join(lines) + "\n" + text[found.end() :]).encode())
    return True
