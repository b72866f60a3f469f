"""What a claim comes to: differences by seed, their intervals, and a verdict read from these.

A claim is a list of planned comparisons: each names a study, and what a difference is above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from delog_nb.course.evidence import FULL, Runs, Study, Sum, described
from delog_nb.course.paired import ALPHA, difference, interval
from delog_nb.records import Record, mean_and_std

HOLDS, FAILS = "holds", "does not hold"
SAME = "no difference above the margin"
OPEN, UNTESTED = "not decided", "not tested at this length or size"
VERDICTS = (HOLDS, FAILS, SAME, OPEN, UNTESTED)
ORDER = (FAILS, SAME, OPEN, UNTESTED, HOLDS)  # of a claim that says several things, the first
POINT = 0.01  # a percentage point, as a share
MARGIN = POINT  # a smaller difference counts as none


@dataclass(frozen=True)
class Comparison:
    """Something that a claim says to be above ``above``, by seed (accuracies as shares).

    Attributes:
        gaps: what was measured, by seed
        study: where; empty if it is not a study's
        planned: the number of seeds that it was planned with
        decides: whether the claim's verdict takes it, or it stands beside it
        missing: why there is nothing to test, where that is not simply that runs are missing
    """

    label: str
    gaps: Mapping[int, float]
    above: float = 0.0
    study: str = ""
    planned: int = 0
    decides: bool = True
    missing: str = "no runs"


@dataclass(frozen=True)
class Planned:
    """A comparison before it has runs: a sum of settings of one study, said to be above a number.

    Attributes:
        missing: why it cannot be tested in the study that it needs
    """

    label: str
    value: Sum
    study: Study
    above: float = 0.0
    decides: bool = True
    missing: str = ""

    def beside(self) -> Planned:
        """The same comparison beside its claim: shown, with no say in the verdict."""
        return replace(self, label=f"{self.label}, {self.study.name}", decides=False)

    def where(self, studies: Mapping[str, Runs]) -> tuple[Study, Runs] | None:
        """The study that it is judged from: that of the paper's size, where it has such runs.

        What stands beside a claim is judged from the planned one alone.
        """
        full = studies.get(FULL.name)
        if full and self.decides and all(s.records(full) for _, s in self.value.terms):
            return FULL, full
        return None if self.study == FULL else (self.study, studies.get(self.study.name, Runs([])))

    def fill(self, studies: Mapping[str, Runs]) -> Comparison | Untested:
        """With what was measured in the study that it is judged from."""
        found = self.where(studies)
        if found is None:
            return Untested(self.label, self.missing or f"needs {self.study.size}", self.decides)
        study, runs = found
        gaps = self.value.by_seed(runs)
        began = max((s.epochs[0] for _, s in self.value.terms if s.epochs), default=1)
        ended = self.value.records(runs) and not gaps and began > 1
        return Comparison(
            self.label,
            gaps,
            self.above,
            study.name,
            len(study.seeds),
            self.decides,
            f"runs end before epoch {began}" if ended else "no runs",
        )


@dataclass(frozen=True)
class Untested:
    """A comparison that no study here has; ``text`` says why."""

    label: str
    text: str
    decides: bool = True


@dataclass(frozen=True)
class Counted:
    """Something that is counted, without a spread."""

    label: str
    text: str
    true: bool


@dataclass(frozen=True)
class Finding:
    """What a comparison came to; figures are NaN where there are none.

    ``gaps`` are the differences by seed, ``mean`` and ``std`` theirs. ``low`` and ``high`` are the
    ends of the interval that the verdict is read from, ``level`` its level: 1 - .05 / m for the m
    comparisons of its ``family``. ``p`` is that of a paired t test against ``above``, times m.
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
    level: float = math.nan
    study: str = ""
    planned: int = 0
    decides: bool = True
    family: int = 0
    gaps: tuple[float, ...] = ()

    @property
    def verdict_text(self) -> str:
        """The verdict; with n, where n was too small to decide."""
        return f"{self.verdict} (n = {self.seeds})" if self.verdict == OPEN else self.verdict


def verdict_of(low: float, high: float, above: float = 0.0, margin: float = MARGIN) -> str:
    """The verdict from a difference's interval, of what is said to be above ``above``.

    Within ``margin`` of ``above`` it is no difference; above it, the claim holds; below it, it does
    not; else, or without an interval, it is not decided.

    >>> [verdict_of(0.02, 0.05), verdict_of(-0.05, -0.02), verdict_of(0.001, 0.004)]
    ['holds', 'does not hold', 'no difference above the margin']
    >>> verdict_of(-0.01, 0.03)
    'not decided'
    """
    if low > above - margin and high < above + margin:
        return SAME
    return HOLDS if low > above else FAILS if high < above else OPEN


def judge(compared: Sequence[Comparison | Counted | Untested]) -> list[Finding]:
    """A finding for each comparison, from the interval that its family is given.

    A claim has one family, the comparisons that decide it; those that stand beside it are another.
    The intervals of a family are simultaneous (Bonferroni): with probability .95 or more, all of
    them hold the difference that they are to hold. Before all planned seeds are there nothing is
    decided: whoever may stop at any seed will stop at a lucky one.
    """
    measured = [c.decides for c in compared if isinstance(c, Comparison)]
    sizes = {decides: measured.count(decides) for decides in (True, False)}
    return [
        _judged(c, sizes[c.decides]) if isinstance(c, Comparison) else _told(c) for c in compared
    ]


def _told(c: Counted | Untested) -> Finding:
    if isinstance(c, Counted):
        return Finding(c.label, HOLDS if c.true else FAILS, c.text)
    return Finding(c.label, UNTESTED, c.text, decides=c.decides)


def _judged(c: Comparison, family: int) -> Finding:
    values, level = list(c.gaps.values()), 1 - ALPHA / family
    low, high = interval(values, level)
    mean, std = mean_and_std(values) if values else (math.nan, math.nan)
    return Finding(
        c.label,
        verdict_of(low, high, c.above) if len(values) >= c.planned else OPEN,
        c.missing if not values else "one seed" if len(values) == 1 else f"{len(values)} seeds",
        mean=mean,
        std=std,
        low=low,
        high=high,
        above=c.above,
        seeds=len(values),
        p=min(family * difference(c.gaps, dict.fromkeys(c.gaps, c.above)).p, 1.0),  # NaN stays
        level=level,
        study=c.study,
        planned=c.planned,
        decides=c.decides,
        family=family,
        gaps=tuple(values),
    )


def together(verdicts: Iterable[str]) -> str:
    """The verdict of a claim that says several things: it fails with one, and holds with all.

    >>> together(["holds", "not decided", "does not hold"]), together(["holds", "not decided"])
    ('does not hold', 'not decided')
    """
    found = {*verdicts}
    return next((v for v in ORDER if v in found), UNTESTED)


@dataclass(frozen=True)
class Claim:
    """A claim, and what was planned to test it.

    Attributes:
        number: its place in the checklist
        name: a few words, for figures
        text: what the paper says
        source: where in the paper
        compare: makes the comparisons that were planned, and what is counted
        refuted: what would be against it
        why: what to know when reading the verdict, whichever it is
    """

    number: str
    name: str
    text: str
    source: str
    compare: Callable[[], Sequence[Planned | Counted]]
    refuted: str
    why: str

    def assess(self, studies: Mapping[str, Runs]) -> Assessment:
        """Figures and verdict from studies by name."""
        planned = self.compare()
        filled = [c.fill(studies) if isinstance(c, Planned) else c for c in planned]
        used: dict[str, list[Record]] = {}  # by study, those that say something
        for c in (c for c in planned if isinstance(c, Planned) and c.decides):
            if (place := c.where(studies)) and c.value.by_seed(place[1]):
                used.setdefault(place[0].name, []).extend(c.value.records(place[1]))
        sizes = " · ".join(map(described, used.values())) or described([])
        counted = all(isinstance(c, Counted) for c in planned)
        return Assessment(self, judge(filled), "counted" if counted else sizes)


@dataclass(frozen=True)
class Assessment:
    """A claim with what the runs say to it; ``where`` is the size that was tested."""

    claim: Claim
    findings: list[Finding]
    where: str

    @property
    def deciding(self) -> list[Finding]:
        """The findings that the verdict takes."""
        return [finding for finding in self.findings if finding.decides]

    @property
    def verdict(self) -> str:
        return together(finding.verdict for finding in self.deciding)

    @property
    def counts(self) -> str:
        """How many of the deciding comparisons came out how, in words."""
        words = [_said(finding) for finding in self.deciding]
        return ", ".join(f"{word}: {words.count(word)}" for word in _SAID.values() if word in words)


_SAID = {  # in the order in which they are told
    HOLDS: "as the paper says", FAILS: "against it", SAME: SAME,
    "ahead": "undecided, leaning its way", "behind": "undecided, leaning against it",
    "planned": "not run yet", UNTESTED: "not tested",
}  # fmt: skip


def _said(finding: Finding) -> str:
    if finding.verdict != OPEN:
        return _SAID[finding.verdict]
    side = "ahead" if finding.mean > finding.above else "behind"
    return _SAID[side if finding.seeds else "planned"]


def assess(claims: Iterable[Claim], studies: Mapping[str, Sequence[Record]]) -> list[Assessment]:
    """Every claim with its figures and verdict.

    Args:
        studies: records by the name of their study

    Raises:
        ExperimentError: a study's records are of several sizes.
    """
    runs = {name: Runs(records) for name, records in studies.items()}
    return [claim.assess(runs) for claim in claims]
