"""Runs that were made before and are kept with the course, told apart from runs made now."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from IPython.display import HTML, display

import delog_nb
from delog_nb import records
from delog_nb.experiment import ExperimentError
from delog_nb.grids import grid
from delog_nb.grids.grid import Grid, Layout
from delog_nb.lab.runs import tables
from delog_nb.lab.asks.session import show_table
from delog_nb.measure.invariance import PROBES, read_probes
from delog_nb.records import Record

ROOT = Path(delog_nb.__file__).resolve().parents[1]  # of the repository
RUNS = ROOT / "results" / "cpu"
GRIDS = RUNS / "grids"


@dataclass(frozen=True)
class Recorded:
    """The runs of a grid that are kept with the course; ``expected`` is how many the grid has."""

    grid: Grid
    records: list[Record]
    expected: int


def recorded(name: str) -> Recorded:
    """The kept runs of ``results/cpu/grids/<name>.yaml``.

    Raises:
        ExperimentError: there is no such grid, or none of its runs is kept here (the course lies in
            the repository, beside the package's source).
    """
    path = GRIDS / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in GRIDS.glob("*.yaml"))) or "none"
        raise ExperimentError(f"there are no recorded runs {name!r}: here are {known}")
    described = grid.read(path)
    wanted = described.experiments()
    found = grid.records_of(described, records.readable(RUNS))
    if not found:
        raise ExperimentError(f"no run of {path} is kept in {RUNS}")
    return Recorded(described, found, len(wanted))


def recorded_probes(runs: Sequence[Record]) -> pd.DataFrame:
    """The linear probes that ``delog-nb probe`` wrote beside these records, a row each.

    Columns: run_id, method, net, head, seed (of the run), block, features, task, accuracy, chance
    (see `delog_nb.measure.invariance.Probe`). Runs without probes have no rows; ``head`` says
    something for Delog-SCL alone.

    Raises:
        ValueError: a file cannot be read, or none of the runs has one.
    """
    names = ("method", "net", "head", "seed")
    rows = [
        {"run_id": run.run_id} | {name: run.experiment.get(name) for name in names} | asdict(probe)
        for run in runs
        if run.folder is not None and (run.folder / PROBES).exists()
        for probe in read_probes(run.folder)
    ]
    if not rows:
        raise ExperimentError(f"none of these {len(runs)} runs has probes: run 'delog-nb probe'")
    return pd.DataFrame(rows)


def provenance(runs: Sequence[Record]) -> str:
    """What ran, on which machine, with which versions and when."""

    def all_of(values: Sequence[object]) -> str:
        return ", ".join(dict.fromkeys(str(value) for value in values))

    data = all_of([run.experiment.data_label for run in runs])
    images = all_of([f"{run.experiment.limit or 'all'}" for run in runs])
    machine = all_of([run.machine.get("gpu") or run.machine["processor"] for run in runs])
    versions = all_of([f"torch {run.versions['torch']}" for run in runs])
    revisions = all_of([str(run.versions.get("git"))[:7] for run in runs])
    days = sorted({run.finished[:10] for run in runs})
    return (
        f"Recorded, not made now: {data}, {images} training images, on {machine}, {versions}, "
        f"revision {revisions}, {' to '.join(dict.fromkeys((days[0], days[-1])))}."
    )


def show_provenance(runs: Sequence[Record]) -> None:
    """Display where recorded runs come from, above what is drawn of them."""
    text = html.escape(provenance(runs))
    display(HTML(f'<p style="border-left:4px solid #8c6d31;padding-left:8px">{text}</p>'))


def show_results(runs: Sequence[Record], layout: Layout | None = None) -> None:
    """Display runs as one of the paper's tables, with marks, and the paired tests below it."""
    layout = layout or Layout()
    found = tables.cells(runs, layout)
    style = tables.to_html(tables.table(found, layout, "html"))
    text = tables.table(found, layout, "markdown").to_string(index=False)
    display({"text/html": style, "text/plain": text}, raw=True)
    display(HTML(f"<p>{html.escape(tables.legend(found, layout))}</p>"))
    tests: pd.DataFrame = tables.differences(found)
    if len(tests):
        show_table(tests)
