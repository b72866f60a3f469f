"""The course as a list, made from the lessons' own headers and openings."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import NamedTuple

import nbformat
from IPython.display import HTML
from jinja2 import Template
from nbformat import NotebookNode

from delog_nb.course.building import TAKES, tags
from delog_nb.instruments.files import write_atomically

# What lessons belong to: a name, and the numbers of its lessons.
GROUPS = (
    ("The idea", range(1, 5)),
    ("The measurements", range(5, 9)),
    ("The balance", range(9, 12)),
    ("Beyond the paper", range(12, 100)),
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
    def part(self) -> int:
        """The number of the part of the course that it belongs to, from 0."""
        return next(place for place, (_, ns) in enumerate(GROUPS) if self.number in ns)

    @property
    def group(self) -> str:
        """The name of that part."""
        return GROUPS[self.part][0]


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


# Colours that are no method's: names stand beside them.
_MAP = Template(
    """<b>The course: {{ lessons | length }} lessons, {{ lessons | sum("minutes") }} minutes</b>
<table><tbody>{% for group, members in lessons | groupby("part") %}
<tr><th colspan="4" style="text-align:left;border-left:6px solid {{ colors[group] }}">\
{{ members[0].group | upper }}</th></tr>
{%- for lesson in members %}
<tr><td style="border-left:6px solid {{ colors[group] }}"><b>{{ lesson.number }}</b></td>
<td style="text-align:left;white-space:normal">
<a href="{{ lesson.path.name }}">{{ lesson.title }}</a>
<br><b>{{ lesson.question }}</b>
<br>You learn {{ code(lesson.learn) | safe }}</td>
<td>{{ lesson.minutes }} min</td><td>{{ lesson.seconds }} s of computing</td></tr>
{%- endfor %}{% endfor %}</tbody></table>""",
    autoescape=True,
)


def course(folder: Path = Path()) -> HTML:
    """The lessons of ``folder`` in order, with links, each with its question and what it takes.

    >>> from delog_nb import lab
    >>> "One network, four ways" in lab.course(Path("notebooks")).data
    True
    """
    colors = ("#5E4B8B", "#00748A", "#8A5A00", "#4B6B2A")
    return HTML(_MAP.render(lessons=lessons(folder), colors=colors, code=_code))


def _code(text: str) -> str:
    """Text of a header as HTML, with its code as code."""
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


def update_predictions(guide: Path, folder: Path) -> bool:
    """And its table of predictions: what the lessons in ``folder`` asked, and what came out."""
    lines = ["| | Asked | It came out |", "|---|---|---|"]
    for lesson in lessons(folder):
        solved = folder / "solutions" / lesson.path.name
        for cell in nbformat.read(solved, as_version=4).cells if solved.exists() else ():
            for output in cell.get("outputs", ()):
                for told in output.get("data", {}).values():
                    if isinstance(told, dict) and told.get("kind") == "outcome":
                        cells = [lesson.number, told["question"], told["answer"]]
                        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return _update(guide, lines)


def _cell(value: object) -> str:
    """A value as one cell of a Markdown table."""
    return " ".join(str(value).split()).replace("|", "\\|")


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
