"""Which cells of a lesson are slides, for ``jupyter nbconvert --to slides``."""

from __future__ import annotations

from nbformat import NotebookNode

_SAID = 45  # words: longer prose is said, not shown


def tag(lesson: NotebookNode) -> None:
    """Write into each cell what it is on slides.

    A section begins a slide; each cell of code, and so each figure and prediction, is below it.
    Short prose stands with what comes before; long prose is in the speaker's notes. Imports and
    exercises are left out.
    """
    shown, imported = True, False
    for cell in lesson.cells:
        section = cell.cell_type == "markdown" and cell.source.startswith(("# ", "## "))
        if section:
            shown = not cell.source.startswith("## Exercises")
        if not shown:
            kind = "skip"
        elif section:
            kind = "slide"
        elif cell.cell_type == "markdown":
            kind = "notes" if len(cell.source.split()) > _SAID else "-"
        elif not imported:
            kind, imported = "skip", True
        else:
            kind = "subslide"
        cell.metadata["slideshow"] = {"slide_type": kind}
