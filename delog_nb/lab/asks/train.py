"""Runs made inside a cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from delog_nb import training
from delog_nb.data import ImageData
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.lab.asks.session import headless
from delog_nb.records import Record, record_of
from delog_nb.records.summary import outcome
from delog_nb.training import Ended, Event, Started, Stepped


def label_of(experiment: Experiment) -> str:
    """A run's name for people."""
    names = [experiment.method_label, experiment.net_label]
    if experiment.components is not None:
        names.append(f"K = {experiment.components}")
    return ", ".join([*names, f"seed {experiment.seed}"])


def line_of(record: Record) -> str:
    """A finished run in one line."""
    text = "{percent:.1f} % of test images after {epochs} epochs of {sec_per_epoch:.2f} s"
    return f"{label_of(record.experiment)}: {outcome(record, text)}"


def train_all(
    experiments: Iterable[Experiment],
    data: ImageData | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> list[Record]:
    """Train each experiment, with a progress bar before a person and a line for each finished run.

    ``data`` are images already loaded for them; ``on_event`` gets every run's events.

    Raises:
        ExperimentError: an experiment stands twice.
        DelogError: as `delog_nb.train`.

    >>> from delog_nb import lab
    >>> quick = [lab.experiment(preset="quick", limit=50, method="bp")]
    >>> len(lab.train_all(quick))  # doctest: +ELLIPSIS
    BP, ConvNet, seed 0: ... % of test images after 2 epochs of ... s
    1
    """
    experiments, records = list(experiments), []
    for experiment in experiments:
        if experiments.count(experiment) > 1:
            raise ExperimentError(f"{label_of(experiment)} stands twice: it is no second seed")
    for experiment in experiments:
        watching = [w for w in (_progress(label_of(experiment)), on_event) if w is not None]

        def tell(event: Event, watching: Sequence[Callable[[Event], None]] = watching) -> None:
            for watch in watching:
                watch(event)

        run = training.train(experiment, tell, data=data)
        records.append(record_of(run))
        print(line_of(records[-1]))  # noqa: T201
    return records


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
