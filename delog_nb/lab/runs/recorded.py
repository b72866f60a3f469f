"""Runs that were made before and are kept with the course, told apart from runs made now."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import pandas as pd
from IPython.display import display

from delog_nb import records
from delog_nb.course.evidence import by_size, kept
from delog_nb.experiment import ExperimentError
from delog_nb.grids import grid
from delog_nb.grids.grid import Grid, Layout
from delog_nb.instruments.course_files import OWN_RUNS, RESULTS
from delog_nb.instruments.run_files import PROBES
from delog_nb.lab.charts.exhibit import Markup
from delog_nb.lab.runs import tables
from delog_nb.measure.invariance import read_probes
from delog_nb.records import Record

RUNS = RESULTS / "cpu"
GRIDS = RUNS / "grids"


@dataclass(frozen=True)
class Recorded:
    """The runs of a grid that are kept with the course; ``expected`` is how many the grid has."""

    grid: Grid
    records: list[Record]
    expected: int


def recorded(name: str) -> Recorded:
    """The kept runs of ``results/cpu/grids/<name>.yaml``; of another folder by ``folder/name``.

    Raises:
        ExperimentError: there is no such grid, or none of its runs is kept here.

    >>> from delog_nb import lab
    >>> kept = lab.recorded("table2")
    >>> len(kept.records) <= kept.expected
    True
    """
    of, _, stem = name.rpartition("/")
    folder = RESULTS / of if of else RUNS
    path = folder / "grids" / f"{stem}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ExperimentError(f"there are no recorded runs {name!r}: here are {known}")
    described = grid.read(path)
    wanted = described.experiments()
    found = grid.records_of(described, records.readable(folder))
    if not found:
        raise ExperimentError(f"no run of {path} is kept in {folder}")
    return Recorded(described, found, len(wanted))


def recorded_probes(runs: Sequence[Record]) -> pd.DataFrame:
    """The linear probes that ``delog-nb probe`` wrote beside these records, a row each.

    Columns: run_id, method, net, head, seed (of the run), block, features, task, accuracy, chance
    (see `delog_nb.measure.invariance.Probe`). Runs without probes have no rows; ``head`` says
    something for Delog-SCL alone.

    Raises:
        ValueError: a file cannot be read, or none of the runs has one.

    >>> from delog_nb import lab
    >>> "accuracy" in lab.recorded_probes(lab.recorded("table2").records)
    True
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


def evidence() -> dict[str, list[Record]]:
    """The runs that decide the paper's claims, by study, and those of `own_runs` as ``full``.

    A study is in ``results/<study>``, beside the grids that it was planned by; what has not been
    run has no entry.

    >>> from delog_nb import lab
    >>> set(lab.evidence()) <= {"long", "short", "classes", "full"}
    True
    """
    own = own_runs()
    return kept(RESULTS) | ({"full": own} if own else {})


def own_runs() -> list[Record]:
    """What ``delog-nb sweep`` has left in ``runs/``, at the paper's size.

    That folder is in the repository, or where the package is installed in the working folder. Where
    there are several sizes, the runs of the one that has most.

    >>> from delog_nb import lab
    >>> {run.experiment.preset for run in lab.own_runs()} <= {"paper"}
    True
    """
    found = records.find(OWN_RUNS) if OWN_RUNS.is_dir() else []
    groups = by_size(r for r in found if isinstance(r, Record) and r.experiment.preset == "paper")
    return groups[0] if groups else []


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
    """Display where recorded runs come from, above what is drawn of them.

    >>> from delog_nb import lab
    >>> lab.show_provenance(lab.recorded("table2").records)  # doctest: +ELLIPSIS
    Recorded, not made now: CIFAR-10 (JPEG), ...
    """
    text = provenance(runs)
    style = "border-left:4px solid #8c6d31;padding-left:8px"
    display(Markup(f'<p style="{style}">{html.escape(text)}</p>', text))


def show_results(runs: Sequence[Record], layout: Layout | None = None) -> None:
    """Display runs as one of the paper's tables, with marks: the best method, and who beats BP.

    Whether a difference is more than its seeds is for the claims to say, each with its plan
    (`findings`): one comparison has one verdict.

    >>> from delog_nb import lab
    >>> lab.show_results(lab.recorded("table2").records[:1])  # doctest: +ELLIPSIS
    Method ConvNet
        BP   59.20
    Test accuracy, last epoch (%)...
    """
    layout = layout or Layout()
    found = [replace(cell, difference=None) for cell in tables.cells(runs, layout)]
    style = tables.to_html(tables.table(found, layout, "html"))
    text = tables.table(found, layout, "markdown").to_string(index=False)
    legend = tables.legend(found, layout)
    display(Markup(style, text))
    display(Markup(f"<p>{html.escape(legend)}</p>", legend))
