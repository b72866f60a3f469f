"""``delog-nb compare``: several methods, nets and seeds on the same images."""

from __future__ import annotations

import argparse
import itertools
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from delog_nb.cli.shared.flags import (
    add_checkpoint_flag,
    add_experiment_flags,
    add_force_flag,
    add_track_flag,
    add_workers_flag,
    checkpoint_seconds,
    experiment_values,
    plugin_words,
)
from delog_nb.experiment import Experiment, ExperimentError, experiments_of, flags_of
from delog_nb.experiment.fields import shown
from delog_nb.experiment.registry import METHODS, NETS
from delog_nb.experiment.rules import Pair, check_count, possible, refusals

if TYPE_CHECKING:
    from delog_nb.records import Record


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--methods", default=",".join(METHODS), help="methods, by commas (default: %(default)s)"
    )
    parser.add_argument(
        "--nets", default="convnet", help=f"nets, by commas: {', '.join(NETS)} (default: convnet)"
    )
    parser.add_argument("--seeds", default="3", help="number of seeds, 0 and up (default: 3)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/compare"),
        help="folder for summary.csv, report.html and the records (default: runs/compare)",
    )
    add_workers_flag(parser)
    add_checkpoint_flag(parser)
    add_track_flag(parser)
    add_force_flag(parser)
    add_experiment_flags(parser, without=("method", "net", "seed"))


def experiments(values: argparse.Namespace) -> tuple[list[Experiment], dict[Pair, str]]:
    """All runs of the comparison, one seed after another, so that an early stop has all methods.

    A method that does not go on a net is left out there, for the reason beside the runs.
    """
    given = experiment_values(values)
    nets, methods = _names("nets", values.nets), _names("methods", values.methods)
    seeds = range(values.seeds)
    check_count({"methods": len(methods), "nets": len(nets), "seeds": len(seeds)})
    pairs = list(itertools.product(nets, methods))
    reasons = refusals(pairs)
    if len(reasons) == len(pairs):
        raise ExperimentError(reasons[pairs[0]])
    chosen = [
        given | {"seed": seed, "net": net, "method": method}
        for seed in seeds
        for net, method in pairs
        if (net, method) not in reasons
    ]
    return experiments_of(chosen), reasons


def _names(flag: str, text: str) -> list[str]:
    """Names by commas. Raises `ExperimentError` for one that stands twice: it is no second seed."""
    names = text.split(",")
    for name, count in Counter(names).items():
        if count > 1:
            raise ExperimentError(
                f"{flag} = {shown(text)} is not allowed: {name[:30]} stands twice"
            )
    return names


def run(values: argparse.Namespace) -> int:
    """Train what is not there yet; write the summary and the page."""
    every = checkpoint_seconds(values)
    todo, reasons = experiments(values)

    from delog_nb.cli.shared.progress import Runs, stop_on_signal
    from delog_nb.cli.train import is_recorded
    from delog_nb.data import load
    from delog_nb.grids.job import Outcome, threads
    from delog_nb.grids.sweep import sweep
    from delog_nb.grids.workers import Workers, at_a_time
    from delog_nb.instruments.files import check_writable, write_atomically
    from delog_nb.measure.estimate import check_memory
    from delog_nb.methods import obstacles
    from delog_nb.records import load as load_record
    from delog_nb.records.summary import (
        csv_text,
        outcome,
        side_by_side,
        summary,
        summary_for_people,
    )
    from delog_nb.records.tracking import check_tracker
    from delog_nb.training import planned_all

    if values.track is not None:
        check_tracker(values.track)
    threads()  # refused here where OMP_NUM_THREADS is no number
    todo = planned_all(todo)
    reasons |= obstacles(todo)
    todo = possible(todo, reasons)
    missing = [e for e in todo if not is_recorded(e, values.out)]
    workers = max(1, min(values.workers or at_a_time(missing), len(missing)))
    if not values.force:
        check_memory(missing, workers)
    check_writable(values.out, "summary.csv", "report.html")
    if missing:
        load(missing[0])  # what is downloaded or decoded is so once, and refused before any run
    by_id = {e.run_id: e for e in todo}

    def told(ended: Outcome) -> str:
        e = by_id[ended.run_id]
        label = f"{e.method_label}, {e.net_label}, seed {e.seed}"
        text = "test {percent:.1f} % after {epochs} epochs of {sec_per_epoch:.2f} s"
        return f"{label}: {outcome(load_record(values.out / ended.run_id), text)}"

    with stop_on_signal() as asked, Workers(workers) as executor:
        display = Runs(len(todo), told)
        progress = sweep(
            todo,
            values.out,
            executor,
            failed="again",
            checkpoint_every=every,
            track=values.track,
            slots=workers,
            on_change=display,
            should_stop=asked.is_set,
        )
        if asked.is_set():
            executor.stop()
    display.close()
    records = [load_record(values.out / e.run_id) for e in todo if is_recorded(e, values.out)]
    if records:
        rows = summary(records)
        path = values.out / "summary.csv"
        with write_atomically(path) as file:
            file.write(csv_text(rows).encode())
        notes = [f"Left out: {why}" for why in reasons.values()]
        page = _write_page(records, values, notes)
        table = side_by_side(summary_for_people(rows))
        print(table, *(f"\n{note}" for note in notes), f"\nTable:  {path}", page, sep="\n")
    for failed in (o for o in progress.outcomes.values() if o.state == "failed"):
        print(f"Failed: {failed.run_id}: {failed.error}", file=sys.stderr)
    if asked.is_set() and len(records) < len(todo):
        print(
            f"Stopped: {len(records)} of {len(todo)} runs are finished and kept in {values.out}; "
            f"the same command goes on from there",
            file=sys.stderr,
        )
        return asked.status
    return int(bool(progress.failed))


def _write_page(records: list[Record], values: argparse.Namespace, notes: list[str]) -> str:
    """Write the page where what draws it is installed; the line that says so."""
    try:
        import pandas  # noqa: F401
        import plotly  # noqa: F401
    except ModuleNotFoundError:
        return "No page: it needs plotly and pandas, pip install 'delog_nb[lab]'"
    from delog_nb.instruments.files import write_atomically
    from delog_nb.lab.runs.report import page

    path: Path = values.out / "report.html"
    with write_atomically(path) as file:
        file.write(page(records, _command(values), notes).encode())
    return f"Page:   {path}"


def _command(values: argparse.Namespace) -> str:
    words = ["delog-nb", "compare", "--methods", values.methods, "--nets", values.nets]
    words += ["--seeds", str(values.seeds)]
    return shlex.join(words + plugin_words(values) + flags_of(experiment_values(values)))
