"""What is measured in recorded runs: studies, settings, and sums of their accuracies by seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.experiment.registry import FIELDS, NETS
from delog_nb.grids import grid
from delog_nb.records import Record, readable
from delog_nb.records.summary import by_epoch, diverged

# what a run's size and place are, not its method: the rest is compared with its preset's choices
_SIZE = {
    "preset", "method", "net", "dataset", "seed", "data_dir", "data_id", "dataset_label", "limit",
    "epochs", "evaluate_every", "image_size", "lr",
    "width", "val_fraction", "device", "precision", "components",
}  # fmt: skip


@dataclass(frozen=True)
class Study:
    """Runs of one size, planned before they were made.

    Attributes:
        name: its folder in ``results/``; its grids are ``experiments/evidence/<name>*.yaml``
        size: the size of its runs, for people
        seeds: those that every setting is planned with
    """

    name: str
    size: str
    seeds: tuple[int, ...]


LONG = Study("long", "20,000 images, 16 x 16 pixels, 150 epochs", (3, 4, 5))
SHORT = Study("short", "5,000 images, 32 x 32 pixels, 12 epochs", (3, 4, 5, 6, 7))
CLASSES = Study("classes", "20,000 images of 200 classes, 16 x 16 pixels, 20 epochs", (3, 4, 5))
FULL = Study("full", "the paper's size: all images, 200 epochs", (0, 1, 2))
STUDIES = (LONG, SHORT, CLASSES, FULL)


@dataclass(frozen=True)
class Setting:
    """Runs that differ in their seeds alone, and what is read from them.

    Attributes:
        choices: the method's choices that depart from the study's, by field
        epochs: first and last of those whose test accuracies are averaged; None: the last epoch's
    """

    data: str
    net: str
    method: str
    choices: frozenset[tuple[str, Any]] = frozenset()
    epochs: tuple[int, int] | None = None

    def records(self, runs: Runs) -> dict[int, Record]:
        """By seed."""
        return runs.find(self.data, self.net, self.method, self.choices)

    def by_seed(self, runs: Runs) -> dict[int, float]:
        """What is measured, as a share; without runs that diverged or end before ``epochs``."""
        found = {s: r for s, r in self.records(runs).items() if not diverged(r)}
        if self.epochs is None:
            return {seed: float(record.results["test_acc"]) for seed, record in found.items()}
        first, last = self.epochs
        means = {}
        for seed, record in found.items():
            rows = by_epoch([record], "test_acc")
            inside = [v for e, values in rows.items() if first <= e <= last for v in values]
            if inside:
                means[seed] = math.fsum(inside) / len(inside)
        return means


@dataclass(frozen=True)
class Sum:
    """A weighted sum of what settings measure: differences, and differences of differences.

    >>> gap = accuracy("vgg", "bp") - accuracy("vgg", "al")
    >>> [(weight, setting.method) for weight, setting in gap.terms]
    [(1.0, 'bp'), (-1.0, 'al')]
    """

    terms: tuple[tuple[float, Setting], ...]

    def __sub__(self, other: Sum) -> Sum:
        return Sum(self.terms + tuple((-weight, setting) for weight, setting in other.terms))

    def by_seed(self, runs: Runs) -> dict[int, float]:
        """For the seeds that all of its settings have."""
        measured = [(weight, setting.by_seed(runs)) for weight, setting in self.terms]
        shared = set.intersection(*(set(values) for _, values in measured))
        return {s: math.fsum(w * values[s] for w, values in measured) for s in sorted(shared)}

    def records(self, runs: Runs) -> list[Record]:
        """Those that it is measured in."""
        return [record for _, setting in self.terms for record in setting.records(runs).values()]


def accuracy(
    net: str,
    method: str,
    choices: Mapping[str, Any] | None = None,
    *,
    data: str = "CIFAR-10",
    epochs: tuple[int, int] | None = None,
) -> Sum:
    """The test accuracy of a setting, as `Setting` has it."""
    return Sum(((1.0, Setting(data, net, method, frozenset((choices or {}).items()), epochs)),))


def slope(values: Mapping[int, Sum], doublings: float = 1.0) -> Sum:
    """What is gained over ``doublings`` of x: the least-squares slope over log2 x, times those.

    >>> line = slope({1: accuracy("vgg", "bp"), 4: accuracy("vgg", "al")}, doublings=2)
    >>> [weight for weight, _ in line.terms]
    [-1.0, 1.0]
    """
    x = [math.log2(size) for size in values]
    middle = sum(x) / len(x)
    squares = sum((value - middle) ** 2 for value in x)
    weights = [doublings * (value - middle) / squares for value in x]
    return Sum(
        tuple(
            (weight * w, setting)
            for weight, value in zip(weights, values.values(), strict=True)
            for w, setting in value.terms
        )
    )


@dataclass
class Runs:
    """Records of one size, to be asked for runs by seed.

    Raises:
        ExperimentError: two runs differ in nothing but their size.
    """

    records: Sequence[Record]
    _index: dict[Any, dict[int, Record]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for record in {r.run_id: r for r in self.records}.values():
            e = record.experiment
            place = (data_name(e), e.net, e.method, frozenset(variant(e).items()))
            seeds = self._index.setdefault(place, {})
            if e.seed in seeds:
                raise ExperimentError(
                    f"{e.run_id} and {seeds[e.seed].run_id} are the same run in two "
                    f"sizes: assess the claims for one size at a time"
                )
            seeds[e.seed] = record

    def find(
        self, data: str, net: str, method: str, choices: frozenset[tuple[str, Any]] = frozenset()
    ) -> dict[int, Record]:
        """Runs by seed that depart from their preset's method in ``choices``."""
        return self._index.get((data, net, method, choices), {})


def variant(experiment: Experiment) -> dict[str, Any]:
    """The choices of method that depart from the preset's, such as ``{"head": "linear"}``."""
    e = experiment
    plain = Experiment(
        preset=e.preset, method=e.method, net=e.net, dataset=e.dataset, data_id=e.data_id or "any"
    )
    found = {
        name: value
        for name, value in e.choices().items()
        if name not in _SIZE and value != plain.get(name)
    }
    cut = e.num_components
    return found | ({"components": cut} if cut != plain.num_components else {})


def data_name(experiment: Experiment) -> str:
    """The data set's name without how it is stored: "CIFAR-10 (JPEG)" is CIFAR-10."""
    return experiment.data_label.partition(" (")[0]


def by_size(records: Iterable[Record]) -> list[list[Record]]:
    """Records of one size together, the largest group first.

    A size is preset, epochs, images, their side, and a learning rate that is neither the method's
    own nor the preset's.
    """
    groups: dict[Any, list[Record]] = {}
    for record in records:
        e = record.experiment
        own = Experiment(preset=e.preset, method=e.method).lr
        lr = None if e.lr in (own, FIELDS["lr"].preset(e.preset)) else e.lr
        groups.setdefault((e.preset, e.epochs, e.limit, e.image_size, lr), []).append(record)
    return sorted(groups.values(), key=len, reverse=True)


def kept(results: Path) -> dict[str, list[Record]]:
    """The runs of each study in the folder ``results``, by name: those that its grids there have.

    A study without runs has no entry.
    """
    found: dict[str, list[Record]] = {}
    for study in STUDIES:
        folder = results / study.name
        there = {r.run_id: r for r in readable(folder)} if folder.is_dir() else {}
        for path in sorted((folder / grid.GRIDS).glob("*.yaml")):
            own = grid.records_of(grid.read(path), list(there.values()))
            found.setdefault(study.name, []).extend(there.pop(r.run_id) for r in own)
    return {name: runs for name, runs in found.items() if runs}


def described(records: Sequence[Record]) -> str:
    """What was trained on what, and how long: the size that a result belongs to."""
    if not records:
        return "no runs"
    experiments = [record.experiment for record in records]

    def each(values: Iterable[str]) -> str:
        return ", ".join(dict.fromkeys(values))

    experiments.sort(key=lambda e: NETS.place(e.net))
    nets = each(
        e.net_label + (f" (width {e.width:g})" if e.width != 1 else "") for e in experiments
    )
    images = each(f"{e.limit:,} images" if e.limit else "all images" for e in experiments)
    side = each(f"{e.image_size} pixels" for e in experiments)
    epochs = each(f"{e.epochs} epochs" for e in experiments)
    return f"{each(e.data_label for e in experiments)}: {nets}; {images}, {side}, {epochs}"
