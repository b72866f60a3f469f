"""What each lesson takes on one core, as on Binder: ``python -m benchmarks.lessons [NAME ...]``.

Not among those that `python -m benchmarks` runs: all lessons take longer than its 15 minutes.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import nbformat

from benchmarks.common import Report
from delog_nb.course.building import execute, sources

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def measure(names: list[str]) -> Report:
    """Run the lessons whose names hold one of ``names``, or all."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # what is started inherits it
    report = Report(
        "lessons",
        "Lessons on one core",
        "Each lesson with its solutions at normal size, kernel and processes pinned to one core: "
        "seconds from the kernel's start to its end, and the most memory of the kernel and what "
        "it starts at once (PSS).",
    )
    for path in sources(NOTEBOOKS):
        if not names or any(name in path.name for name in names):
            cost = execute(nbformat.read(path, as_version=4), path.parent)
            row = {"lesson": path.stem, "s": cost.seconds, "MB": cost.megabytes}
            report.rows.append(row)
            print(row, flush=True)
    report.at_most("a lesson at most 120 s", [row["s"] for row in report.rows], 120)
    report.at_most("a lesson at most 1500 MB", [row["MB"] for row in report.rows], 1500)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lessons", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of lessons' names")
    print(measure(parser.parse_args().names).text())


if __name__ == "__main__":
    main()
