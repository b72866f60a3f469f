"""``delog-nb lessons``: run lessons, measure them and write them with their outputs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from delog_nb.experiment import ExperimentError


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of the lessons, with solutions/ in it")
    parser.add_argument("--only", default="", help="lessons whose names hold this text")


def run(values: argparse.Namespace) -> int:
    """Run every lesson at normal size; write outputs, headers and the students' notebooks.

    Then the start page, the README and the instructor's guide say again what the headers say.
    """
    from delog_nb.course.building import build, build_page, sources
    from delog_nb.course.syllabus import update_guide, update_predictions, update_readme

    chosen = [path for path in sources(values.folder) if values.only in path.name]
    if not chosen:
        raise ExperimentError(
            f"no lessons NN_name.ipynb in {values.folder / 'solutions'} match {values.only!r}"
        )
    print(f"{'lesson':40} {'read (min)':>10} {'run (s)':>8} {'peak (MB)':>10}", flush=True)
    for path in chosen:
        cost = build(path)
        print(
            f"{path.stem:40} {cost.minutes:10d} {cost.seconds:8.1f} {cost.megabytes:10.0f}",
            flush=True,
        )
        if cost.seconds > 60 or cost.megabytes > 1500:
            print(f"{path.stem} is above 60 s or 1500 MB", file=sys.stderr)
    folder = values.folder.resolve()
    for page in (folder / "00_start.ipynb", folder / "quiz.ipynb"):
        if page.exists():
            build_page(page)
    updates = (
        ("README.md", update_readme),
        ("docs/instructors.md", update_guide),
        ("docs/instructors.md", update_predictions),
    )
    for name, update in updates:
        document = folder.parent / name
        if document.exists() and update(document, folder):
            print(f"A table of {document} is up to date.")
    return 0
