"""The course as a list, made from the lessons' own headers and openings."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import NamedTuple

import nbformat
from IPython.display import HTML
from nbformat import NotebookNode

from delog_nb.course.building import TAKES, tags
from delog_nb.instruments.files import write_atomically

# What lessons belong to: a name, and the numbers of its lessons.
GROUPS = (
    ("The idea", range(1, 5)),
    ("The measurements", range(5, 9)),
    ("The balance", range(9, 100)),
)


class Lesson(NamedTuple):
    """A lesson's number and title, its question, what it teaches, and what it takes."""

    path: Path
    number: int
    title: str
    question: str
    learn: str
    minutes: int
    seconds: int
    megabytes: int
    exercises: int

    @property
    def group(self) -> str:
        """The part of the course that it belongs to."""
        return next(name for name, numbers in GROUPS if self.number in numbers)


def lessons(folder: Path = Path()) -> list[Lesson]:
    """The lessons in ``folder``, in reading order; what has no header is none."""
    found = []
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        header = notebook.cells[0].source if notebook.cells else ""
        takes = TAKES.search(header)
        if takes is None or not all(text.isdecimal() for text in takes.groups()):
            continue
        number, _, title = header.splitlines()[0].removeprefix("# ").partition(" · ")
        learn = header.partition("**You will learn** ")[2].partition("\n")[0]
        minutes, seconds, megabytes = (int(text) for text in takes.groups())
        exercises = sum("exercise" in tags(cell) for cell in notebook.cells)
        asks = _question(notebook)
        found.append(
            Lesson(path, int(number), title, asks, learn, minutes, seconds, megabytes, exercises)
        )
    return sorted(found, key=lambda lesson: lesson.number)


def _question(notebook: NotebookNode) -> str:
    """The question that a lesson opens with: the first one in bold type, or else the first one."""
    opening = next((c.source for c in notebook.cells[1:] if c.cell_type == "markdown"), "")
    bold = re.search(r"\*\*([^*?]+\?)\*\*", opening)
    plain = re.search(r"(?:^|[.:!?]\s+)([^.:!?]+\?)", opening)
    found = bold or plain
    text = " ".join(found[1].split()) if found else ""
    return text[:1].upper() + text[1:]


def course(folder: Path = Path()) -> HTML:
    """The lessons as a table with links."""
    rows = "".join(
        f'<tr><td>{lesson.number}</td><td style="text-align:left">'
        f'<a href="{lesson.path.name}">{html.escape(lesson.title)}</a></td>'
        f'<td style="text-align:left;white-space:normal">{_html(lesson.learn)}</td>'
        f"<td>{lesson.minutes}</td><td>{lesson.seconds}</td></tr>"
        for lesson in lessons(folder)
    )
    names = ("", "Lesson", "You will learn", "Minutes", "Seconds of computing")
    sides = ("right", "left", "left", "right", "right")
    head = "".join(
        f'<th style="text-align:{side}">{name}</th>'
        for name, side in zip(names, sides, strict=True)
    )
    return HTML(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")


def _html(text: str) -> str:
    """Text of a header, with its code as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def update_readme(readme: Path, folder: Path) -> bool:
    """Write the lessons of ``folder`` into the README's table of them; False if it has none."""
    lines = ["| | Lesson | You will learn | Minutes |", "|---|---|---|---|"]
    for lesson in lessons(folder):
        link = f"[{lesson.title}]({folder.name}/{lesson.path.name})"
        lines.append(f"| {lesson.number} | {link} | {lesson.learn} | {lesson.minutes} |")
    return _update(readme, lines)


def update_guide(guide: Path, folder: Path) -> bool:
    """The same for the instructor's guide: questions, minutes, and how many exercises."""
    lines = ["| | Lesson | Its question | Minutes | Exercises |", "|---|---|---|---|---|"]
    found = lessons(folder)
    for lesson in found:
        cells = [lesson.number, lesson.title, lesson.question, lesson.minutes, lesson.exercises]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    minutes, exercises = sum(x.minutes for x in found), sum(x.exercises for x in found)
    return _update(guide, [*lines, f"| | All | | {minutes} | {exercises} |"])


def _update(document: Path, lines: list[str]) -> bool:
    """Put a table in the place of the one with the same head; False if there is none."""
    text = document.read_text(encoding="utf-8")
    table = re.compile(rf"^{re.escape(lines[0])}\n(?:\|.*\n)*", re.MULTILINE)
    found = table.search(text)
    if found is None:
        return False
    with write_atomically(document) as file:
        file.write((text[: found.start()] + "\n".join(lines) + "\n" + text[found.end() :]).encode())
    return True
