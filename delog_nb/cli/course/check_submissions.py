"""``delog-nb check-submissions``: check the exercises of a folder of submitted notebooks."""

from __future__ import annotations

import argparse
import collections
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from delog_nb.experiment import ExperimentError
from delog_nb.instruments.cores import cores

if TYPE_CHECKING:
    from delog_nb.grading.submissions import Row


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of the notebooks, at any depth")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("submissions.csv"),
        help="CSV file to write, a row per notebook and exercise (default: submissions.csv)",
    )
    parser.add_argument(
        "--timeout", type=int, default=60, metavar="S", help="seconds per exercise (default: 60)"
    )
    parser.add_argument(
        "--memory", type=float, default=2.0, metavar="GB", help="memory per exercise (default: 2)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=min(2, cores()),
        help="exercises checked at the same time, 1 GB of memory each (default: 2)",
    )
    parser.add_argument(
        "--no-sandbox",
        action="store_true",
        help="run answers as yourself, with all that you may do: only those that you trust",
    )


def run(values: argparse.Namespace) -> int:
    """Check every exercise in a process of its own and write the table."""
    for name in ("timeout", "memory", "workers"):
        if getattr(values, name) <= 0:
            raise ExperimentError(f"{name} = {getattr(values, name)} is not allowed: above 0")
    if not values.folder.is_dir():
        raise ExperimentError(f"{values.folder} is not a folder")

    from delog_nb.grading.sandbox import Limits
    from delog_nb.grading.submissions import check_folder, table
    from delog_nb.instruments.files import write_atomically

    rows: list[Row] = []

    def told(row: Row, done: int, total: int) -> None:
        rows.append(row)
        told = f"{row.file}: {row.exercise or 'notebook'}: {row.result}"
        print(f"[{done}/{total}] {told} ({row.seconds:.1f} s)", file=sys.stderr, flush=True)

    limits = Limits(values.timeout, int(values.memory * 10**9))
    finished = False
    try:
        rows = check_folder(values.folder, limits, values.workers, told, not values.no_sandbox)
        finished = True
    finally:  # what is done is kept, also after Ctrl-C
        if rows:
            with write_atomically(values.out) as file:
                file.write(table(rows))
            print(f"{'' if finished else 'Not all are done. '}Written: {values.out}")
    _print_counts(rows)
    return 0


def _print_counts(rows: list[Row]) -> None:
    """A line per student: how many exercises came out how."""
    students: dict[str, collections.Counter[str]] = {}
    for row in rows:
        students.setdefault(row.student, collections.Counter())[row.result] += 1
    for student, results in students.items():
        print(f"{student}: " + ", ".join(f"{count} {name}" for name, count in results.items()))
