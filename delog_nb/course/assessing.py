"""What a claim comes to: measured differences by seed, their intervals, and a verdict.

A claim is a list of comparisons, each of which it says to be above a number. The verdict is
computed: nobody writes it down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from delog_nb.course.paired import difference, holm, interval
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.experiment.registry import FIELDS, NETS
from delog_nb.records import Record, mean_and_std
from delog_nb.records.summary import by_epoch

HOLDS, FAILS, OPEN = "holds", "does not hold", "not decided"
VERDICTS = (HOLDS, FAILS, OPEN)
POINT = 0.01  # a percentage point, as a share

# what a run's size and place are, not its method: the rest is compared with its preset's choices
_SIZE = {
    "preset", "method", "net", "dataset", "seed", "data_dir", "data_id", "dataset_label", "limit",
    "epochs", "evaluate_every",
    "width", "val_fraction", "device", "precision", "components",
}  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Something that a claim says to be above ``above``, by seed (accuracies as shares).

    ``missing`` says why there is nothing to test, where that is not simply that runs are missing.
    """

    label: str
    gaps: Mapping[int, float]
    above: float = 0.0
    missing: str = "no runs"


@dataclass(frozen=True)
class Counted:
    """Something that is counted, not measured: it has no spread."""

    label: str
    text: str
    true: bool


@dataclass(frozen=True)
class Finding:
    """What a comparison came to; figures are NaN where there are none.

    ``p`` is corrected for the number of the claim's comparisons; the 95 % interval is not.
    """

    label: str
    verdict: str
    text: str
    mean: float = math.nan
    std: float = math.nan
    low: float = math.nan
    high: float = math.nan
    above: float = 0.0
    seeds: int = 0
    p: float = math.nan


def judge(compared: Sequence[Comparison | Counted]) -> list[Finding]:
    """A finding for each comparison: above what the claim says, below it, or not decided.

    Two-sided paired t tests over seeds, with Holm's correction for the comparisons given.
    """
    measured = [c for c in compared if isinstance(c, Comparison)]
    tests = [difference(c.gaps, dict.fromkeys(c.gaps, c.above)) for c in measured]
    corrected = dict(zip(map(id, measured), holm(tests), strict=True))
    found = []
    for c in compared:
        if isinstance(c, Counted):
            found.append(Finding(c.label, HOLDS if c.true else FAILS, c.text))
            continue
        values = list(c.gaps.values())
        if not values:
            found.append(Finding(c.label, OPEN, c.missing, above=c.above))
            continue
        test, (low, high) = corrected[id(c)], interval(values)
        mean, std = mean_and_std(values)
        verdict = OPEN if test.within_noise else HOLDS if test.mean > 0 else FAILS
        text = "one seed" if len(values) == 1 else f"{len(values)} seeds"
        found.append(
            Finding(
                c.label, verdict, text, mean, std, low, high, c.above, len(values), test.p
            )
        )  # fmt: skip
    return found


def together(verdicts: Iterable[str]) -> str:
    """The verdict of a claim that says several things: it fails with one, and holds with all.

    >>> together(["holds", "not decided", "does not hold"]), together(["holds", "not decided"])
    ('does not hold', 'not decided')
    """
    verdicts = list(verdicts)
    if FAILS in verdicts:
        return FAILS
    return HOLDS if verdicts and all(v == HOLDS for v in verdicts) else OPEN


@dataclass
class Runs:
    """Records of one size, to be asked for results by seed; remembers which it gave.

    Raises:
        ExperimentError: two runs differ in nothing but their size.
    """

    records: Sequence[Record]
    touched: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._index: dict[Any, dict[int, Record]] = {}
        for record in {r.run_id: r for r in self.records}.values():
            e = record.experiment
            seeds = self._index.setdefault(
                (data_name(e), e.net, e.method, frozenset(variant(e).items())), {}
            )
            if e.seed in seeds:
                raise ExperimentError(
                    f"{e.run_id} and {seeds[e.seed].run_id} are the same run in two "
                    f"sizes: assess the claims for one size at a time"
                )
            seeds[e.seed] = record

    def find(self, data: str, net: str, method: str) -> dict[int, Record]:
        """Runs by seed, with the choices of their preset."""
        found = self._index.get((data, net, method, frozenset()), {})
        self.touched += found.values()
        return found

    def accuracy(self, data: str, net: str, method: str) -> dict[int, float]:
        """Test accuracy after the last epoch, by seed."""
        return last_accuracy(self.find(data, net, method))

    def varied(
        self, name: str, data: str, net: str, method: str = "delog-scl"
    ) -> dict[Any, dict[int, Record]]:
        """Runs by seed for each value of the field ``name``, if they depart in nothing else."""
        found: dict[Any, dict[int, Record]] = {}
        for (d, n, m, choices), seeds in self._index.items():
            if (d, n, m) == (data, net, method) and {key for key, _ in choices} <= {name}:
                e = next(iter(seeds.values())).experiment
                value = e.num_components if name == "components" else e.get(name)
                found.setdefault(value, {}).update(seeds)
        if len(found) > 1:
            self.touched += [record for seeds in found.values() for record in seeds.values()]
        return found if len(found) > 1 else {}

    @property
    def where(self) -> str:
        """Data, nets, images, epochs and seeds of the runs given so far, for people."""
        return described(self.touched)


def last_accuracy(runs: Mapping[int, Record]) -> dict[int, float]:
    """Test accuracy after the last epoch, by seed."""
    return {seed: float(record.results["test_acc"]) for seed, record in runs.items()}


def mean_accuracy(runs: Mapping[int, Record], epochs: range) -> dict[int, float]:
    """Mean of the test accuracies after ``epochs``, by seed, of runs that have such epochs."""
    found = {}
    for seed, record in runs.items():
        rows = by_epoch([record], "test_acc")
        inside = [value for epoch, values in rows.items() if epoch in epochs for value in values]
        if inside:
            found[seed] = sum(inside) / len(inside)
    return found


def minus(one: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    """``one`` minus ``other`` for the seeds that both have."""
    return {seed: one[seed] - other[seed] for seed in sorted(one.keys() & other.keys())}


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
    if e.lr == FIELDS["lr"].preset(e.preset):  # as well as the method's own
        found.pop("lr", None)
    cut = e.num_components
    return found | ({"components": cut} if cut != plain.num_components else {})


def data_name(experiment: Experiment) -> str:
    """The data set's name without how it is stored: "CIFAR-10 (JPEG)" is CIFAR-10."""
    return experiment.data_label.partition(" (")[0]


def by_size(records: Iterable[Record]) -> list[list[Record]]:
    """Records of one preset, number of epochs and of images together; the largest group first."""
    groups: dict[Any, list[Record]] = {}
    for record in records:
        e = record.experiment
        groups.setdefault((e.preset, e.epochs, e.limit), []).append(record)
    return sorted(groups.values(), key=len, reverse=True)


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
    epochs = each(f"{e.epochs} epochs" for e in experiments)
    return f"{each(e.data_label for e in experiments)}: {nets}; {images}, {epochs}"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        number: its place in the checklist
        name: a few words, for figures
        text: what the paper says
        source: where in the paper
        compare: the comparisons that it makes, from runs
        why: what to know when reading the verdict, whichever it is
    """

    number: int
    name: str
    text: str
    source: str
    compare: Callable[[Runs], list[Comparison | Counted]]
    why: str

    def assess(self, records: Sequence[Record]) -> Assessment:
        """Figures and verdict from runs of one size.

        Raises:
            ExperimentError: ``records`` are of several sizes.
        """
        runs = Runs(records)
        findings = judge(self.compare(runs))
        where = runs.where if any(f.seeds for f in findings) else described([])
        if all(not f.seeds and f.verdict != OPEN for f in findings):
            where = "counted, at the paper's size"
        return Assessment(self, findings, where)


@dataclass(frozen=True)
class Assessment:
    """A claim with what the runs say to it; ``where`` is the size that was tested."""

    claim: Claim
    findings: list[Finding]
    where: str

    @property
    def verdict(self) -> str:
        return together(finding.verdict for finding in self.findings)

    @property
    def counts(self) -> str:
        """How many of the comparisons came out how, in words."""
        words = [_said(finding) for finding in self.findings]
        return ", ".join(f"{word}: {words.count(word)}" for word in _WORDS if word in words)


_WORDS = (
    "as the paper says",
    "against it",
    "open with the mean on its side",
    "open with the mean against it",
    "not tested",
)


def _said(finding: Finding) -> str:
    if finding.verdict == OPEN:
        if not finding.seeds:
            return _WORDS[4]
        return _WORDS[2 if finding.mean > finding.above else 3]
    return _WORDS[0 if finding.verdict == HOLDS else 1]
