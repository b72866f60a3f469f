"""A notebook as a page of Markdown: solutions are left out, outputs are those that are stored."""

from __future__ import annotations

import html
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from delog_nb.course.questions import Asked, draw
from delog_site.links import Links
from delog_site.outputs import Figures, answered, asked, html_of

_AT_CELLS = "Run the cells with **Shift + Enter**. "  # of the start page, where cells are
_NO_KERNEL = (
    "This page shows the lesson as it ran. Figures and menus work, code does not: "
    "to run it, and to do the exercises, open the notebook."
)


def lesson(student: Path, links: Links, figures: Figures) -> str:
    """A lesson: the student's cells, with the outputs of the notebook that has the solutions.

    Cells are joined by their order: without the cells tagged ``solution`` both are the same, and
    ids, which number the cells of each, are not.

    Raises:
        ValueError: the two notebooks are not the same lesson.
    """
    solved = nbformat.read(student.parent / "solutions" / student.name, as_version=4)
    shown = [cell for cell in solved.cells if "solution" not in _tags(cell)]
    own = nbformat.read(student, as_version=4).cells
    if [c.source for c in own if c.cell_type == "code"] != [
        c.source for c in shown if c.cell_type == "code"
    ]:
        raise ValueError(f"{student.name} is not its solution without the solutions: make lessons")
    head, *rest = own
    parts = [links.in_markdown(head.source, "notebooks"), _ways_to_run(student.name, links)]
    for cell, with_output in zip(rest, shown[1:], strict=True):
        parts += _cell(cell, with_output, links, figures)
    return "\n\n".join(parts) + "\n"


def page(path: Path, links: Links, figures: Figures) -> str:
    """A notebook that is no lesson, such as the start page: its own outputs, and no code."""
    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(links.in_markdown(cell.source.replace(_AT_CELLS, ""), "notebooks"))
        elif "machine" in _tags(cell):
            parts[-1] = _without_last_section(parts[-1])
        elif cell.outputs:
            parts.append(raw(links.in_html(html_of(cell.outputs, figures), "notebooks")))
    return "\n\n".join(parts) + "\n"


def quiz(path: Path, links: Links) -> str:
    """The quiz: one draw of its questions, each with its answer folded."""
    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(links.in_markdown(cell.source, "notebooks"))
        else:
            parts += [raw(_question(n, one)) for n, one in enumerate(draw(seed=0), 1)]
    return "\n\n".join(parts) + "\n"


def _question(number: int, one: Asked) -> str:
    text = f"{number}. {one.text}".replace("`", "")
    right, *wrong = sorted(one.options, key=lambda option: option is not one.options[one.right])
    others = "".join(f"<li><b>{html.escape(o.text)}</b>: {html.escape(o.why)}</li>" for o in wrong)
    told = (
        f"<p><b>{html.escape(right.text)}.</b> {html.escape(right.why)} (Lesson {one.lesson})</p>"
        f"<p>Not:</p><ul>{others}</ul>"
    ).replace("`", "")
    return asked(text, [o.text for o in one.options]) + answered(text, told, "Answer")


def raw(text: str) -> str:
    """HTML within Markdown."""
    return f"``````{{raw}} html\n{text}\n``````"


def _without_last_section(text: str) -> str:
    """What is said of a cell that only a kernel can run goes with it."""
    return text.rpartition("## ")[0]


def _cell(
    cell: NotebookNode, with_output: NotebookNode, links: Links, figures: Figures
) -> list[str]:
    if cell.cell_type == "markdown":
        return [links.in_markdown(cell.source, "notebooks")]
    parts = [f"`````python\n{cell.source}\n`````"]
    if with_output.outputs and "check" not in _tags(cell):  # it says "right" of a solution
        parts.append(raw(links.in_html(html_of(with_output.outputs, figures), "notebooks")))
    return parts


def _ways_to_run(name: str, links: Links) -> str:
    """The notebook to download, and services that run it where the repository has an address."""
    ways = [f'<a class="button" href="downloads/{name}" download>Download this notebook</a>']
    launchers = links.launchers(name)
    for service, address in launchers.items():
        ways.append(f'<a class="button" href="{address}">Run it on {service}</a>')
    install = f"!git clone {links.address} && pip install -e 'delog_nb[lab]'"
    first = f"<p>On Colab, run <code>{install}</code> first and restart the session.</p>"
    colab = first if "Colab" in launchers else ""
    return raw(f'<div class="ways"><p>{_NO_KERNEL}</p><p>{" ".join(ways)}</p>{colab}</div>')


def _tags(cell: NotebookNode) -> list[str]:
    found: list[str] = cell.metadata.get("tags", [])
    return found
