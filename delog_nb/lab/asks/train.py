"""Runs made inside a cell."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from delog_nb import training
from delog_nb.data import ImageData
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.grids.job import Outcome, is_finished
from delog_nb.grids.sweep import Progress, sweep
from delog_nb.grids.workers import Workers, at_a_time
from delog_nb.instruments.run_files import LOG
from delog_nb.lab.charts.played import headless
from delog_nb.records import Record, load, record_of
from delog_nb.records.summary import outcome
from delog_nb.training import Ended, Event, Started, Stepped


def label_of(experiment: Experiment) -> str:
    """A run's name for people."""
    names = [experiment.method_label, experiment.net_label]
    if experiment.components is not None:
        names.append(f"K = {experiment.components}")
    return ", ".join([*names, f"seed {experiment.seed}"])


_TOOK = "{epochs} epochs of {sec_per_epoch:.2f} s"  # no accuracy: somebody may still predict it


def line_of(record: Record, text: str = f"{{percent:.1f}} % of test images after {_TOOK}") -> str:
    """A finished run in one line: ``text`` with its results put in."""
    return f"{label_of(record.experiment)}: {outcome(record, text)}"


def train_all(
    experiments: Iterable[Experiment],
    data: ImageData | None = None,
    on_event: Callable[[Event], None] | None = None,
    keep_in: Path | None = None,
) -> list[Record]:
    """Train each experiment, with a progress bar before a person and a line for each finished run.

    A line tells no accuracy: a figure or a table does, when everybody has predicted it.

    On several cores as many runs are made at a time, by processes with one thread each; on one
    core, on a GPU, or with ``data`` or ``on_event``, one after another in this process.
    Interrupted (the stop button of a notebook), all of them end.

    Args:
        experiments: the runs
        data: images to train on instead of those that the experiments name
        on_event: gets every run's events
        keep_in: a folder where the runs stay, each with its features in motion; those that are
            there are not made again. Without ``data`` and ``on_event``

    Raises:
        ExperimentError: an experiment stands twice, or, in another process, failed; ``keep_in``
            with one of the others.
        DelogError: as `delog_nb.train`.

    >>> from delog_nb import lab
    >>> quick = [lab.experiment(preset="quick", limit=50, method="bp")]
    >>> len(lab.train_all(quick))  # doctest: +ELLIPSIS
    BP, ConvNet, seed 0: 2 epochs of ... s
    1
    """
    experiments = list(experiments)
    for experiment in experiments:
        if experiments.count(experiment) > 1:
            raise ExperimentError(f"{label_of(experiment)} stands twice: it is no second seed")
    given = data is not None or on_event is not None
    if given and keep_in is not None:
        raise ExperimentError("keep_in goes with neither data nor on_event: leave it out")
    workers = min(at_a_time(experiments), len(experiments))
    if given or (workers < 2 and keep_in is None):
        return [_train_here(experiment, data, on_event) for experiment in experiments]
    return _train_in_workers(training.planned_all(experiments), workers, keep_in)


def _train_here(
    experiment: Experiment, data: ImageData | None, on_event: Callable[[Event], None] | None
) -> Record:
    watching = [w for w in (_progress(label_of(experiment)), on_event) if w is not None]

    def tell(event: Event) -> None:
        for watch in watching:
            watch(event)

    record = record_of(training.train(experiment, tell, data=data))
    print(line_of(record, _TOOK))  # noqa: T201
    return record


def _train_in_workers(
    planned: Sequence[Experiment], workers: int, keep_in: Path | None
) -> list[Record]:
    """The runs' records, made in ``keep_in``, or in a folder that goes again.

    Their lines are in the runs' order.
    """
    found: dict[str, Record] = {}
    waiting = [e.run_id for e in planned]
    place = nullcontext(keep_in) if keep_in else tempfile.TemporaryDirectory()
    with place as name, Workers(workers) as executor:
        folder = Path(name)
        bar = _EpochsBar([folder / run_id for run_id in waiting], sum(e.epochs for e in planned))

        def take(run_id: str) -> None:
            record = load(folder / run_id)
            found[run_id] = record if keep_in else replace(record, folder=None)
            while waiting and waiting[0] in found:
                print(line_of(found[waiting.pop(0)], _TOOK))  # noqa: T201

        def on_change(_: Progress, outcome: Outcome | None) -> None:
            if outcome is not None and outcome.error:
                raise ExperimentError(outcome.error)
            if outcome is not None:
                take(outcome.run_id)

        for run_id in [*waiting]:
            if is_finished(folder / run_id, with_notebook=False):
                take(run_id)
        try:
            sweep(
                planned,
                folder,
                executor,
                failed="again",
                keep_features=keep_in is not None,
                slots=workers,
                on_change=on_change,
                should_stop=bar.look,
            )
        except ExperimentError:
            executor.stop()
            raise
        finally:
            bar.close()
    return [found[e.run_id] for e in planned]


class _EpochsBar:
    """Before a person, a bar of the epochs that the runs in these folders have logged."""

    def __init__(self, folders: Sequence[Path], epochs: int) -> None:
        self._folders, self._bar = folders, None
        if not headless():
            from tqdm.notebook import tqdm

            self._bar = tqdm(total=epochs, desc="all runs", leave=False, unit="epoch")

    def look(self) -> bool:
        """Show what is logged now; False, since nobody asks to stop."""
        if self._bar is not None:
            logs = [folder / LOG for folder in self._folders if (folder / LOG).exists()]
            lines = [len(log.read_text(encoding="utf-8").splitlines()) for log in logs]
            self._bar.n = sum(max(0, count - 1) for count in lines)  # the first says: it begins
            self._bar.refresh()
        return False

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _progress(label: str) -> Callable[[Event], None] | None:
    if headless():
        return None
    from tqdm.notebook import tqdm

    bar: Any = None

    def on_event(event: Event) -> None:
        nonlocal bar
        if isinstance(event, Started):
            bar = tqdm(
                total=event.epochs * event.steps_per_epoch, desc=label, leave=False, unit="step"
            )
        elif isinstance(event, Stepped):
            bar.update()
        elif isinstance(event, Ended):
            bar.close()

    return on_event
