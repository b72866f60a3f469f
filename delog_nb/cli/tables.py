"""``delog-nb tables``: the tables and figures of grids, from their records."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from delog_nb.experiment import ExperimentError
from delog_nb.grids import grid

if TYPE_CHECKING:
    from delog_nb.records import Record


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", help="folders that sweep has written")
    parser.add_argument(
        "--out", type=Path, help="folder for the tables (default: tables/ in each folder)"
    )


def run(values: argparse.Namespace) -> int:
    """Write each grid's table as CSV, Markdown, LaTeX and HTML; print the Markdown."""
    for folder in values.runs:
        if not folder.is_dir():
            raise ExperimentError(f"{folder} is not a folder: name one that sweep has written")
        paths = sorted((folder / grid.GRIDS).glob("*.y*ml"))
        grids = {path.stem: grid.read(path) for path in paths}
        _write(folder, grids, values.out or folder / "tables")
    return 0


def _write(folder: Path, grids: dict[str, grid.Grid], out: Path) -> None:
    from delog_nb import records
    from delog_nb.lab.runs.files import write

    records_by_id: dict[str, Record] = {}
    for item in records.find(folder):
        if isinstance(item, ValueError):
            print(f"Skipped: {item}", file=sys.stderr)
        else:
            records_by_id[item.run_id] = item
    if not records_by_id:
        raise ExperimentError(f"{folder} holds no record: run 'delog-nb sweep' first")
    if not grids:  # records of single runs: methods by nets
        print(write("runs", grid.Grid(title=str(folder)), list(records_by_id.values()), out))
    for name, described in grids.items():
        wanted = described.experiments()
        own = grid.records_of(described, records_by_id.values())
        if len(own) < len(wanted):
            print(f"{name}: {len(own)} of {len(wanted)} runs have a record", file=sys.stderr)
        if own:
            print(write(name, described, own, out))
    print(f"Tables: {out}")
