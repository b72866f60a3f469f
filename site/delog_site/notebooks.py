"""A notebook as a page of Markdown: solutions are left out, outputs are those that are stored."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from delog_site.links import Links
from delog_site.outputs import Figures, html_of

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


def handout(links: Links) -> str:
    """All exercises without hints, lesson by lesson, to be printed."""
    parts = ["# Exercises", "Without hints and solutions, to hand out: print this page."]
    for path in links.lessons():
        cells = nbformat.read(path, as_version=4).cells
        parts.append("## " + cells[0].source.partition("\n")[0].removeprefix("# "))
        text = ""
        for cell in cells:
            if found := re.search(r"\*\*\d+\. .*", cell.source, re.DOTALL):
                text = re.sub(r"<details>.*?</details>", "", found[0], flags=re.DOTALL).strip()
            elif "exercise" in _tags(cell):
                code = f"`````python\n{cell.source}\n`````"
                parts += [links.in_markdown(text, "notebooks"), code]
    return "\n\n".join(parts) + "\n"


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
