"""``delog-nb claims``: what was planned to test each claim, what was run, and what it came to."""

from __future__ import annotations

import argparse
import math
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from delog_nb.cli.shared.flags import add_results_flag, results_folder

if TYPE_CHECKING:
    from delog_nb.course.assessing import Assessment, Finding

_HEAD = (
    "Comparison (points)",
    "Study",
    "Seeds",
    "Effect",
    "Interval",
    "Verdict",
    "Would decide it",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="print a page in Markdown")
    add_results_flag(parser)


def run(values: argparse.Namespace) -> int:
    """Print the paper's claims, and the course's own, with every planned comparison."""
    folder = results_folder(values)

    from delog_nb.course.claims import checklist
    from delog_nb.course.evidence import kept
    from delog_nb.course.own_claims import OURS

    studies = kept(folder)
    found = [*checklist(studies), *checklist(studies, OURS)]
    print(_markdown(found) if values.markdown else _text(found))
    return 0


def _rows(assessment: Assessment) -> Iterator[tuple[str, ...]]:
    for f in assessment.findings:
        says = f" > {100 * f.above:g}" if f.above else ""
        study = (f.study or "–") if f.decides else f"{f.study}, beside"
        seeds = f"{f.seeds} of {f.planned}" if f.planned else "–"
        effect = f"{100 * f.mean:+.1f}" if f.seeds else "–" if f.planned else f.text
        between = "–"
        if not math.isnan(f.low):
            between = f"{100 * f.low:+.1f} to {100 * f.high:+.1f} ({100 * f.level:.3g} %)"
        yield f.label + says, study, seeds, effect, between, f.verdict_text, _rest(f)


def _rest(f: Finding) -> str:
    """What would decide what is open."""
    from delog_nb.course.assessing import MARGIN, OPEN, UNTESTED
    from delog_nb.course.paired import seeds_to_decide

    if f.verdict == UNTESTED:
        return "such runs"
    if f.verdict != OPEN:
        return "–"
    if f.seeds < f.planned or f.seeds < 2:
        return "the planned seeds, first"
    seeds = seeds_to_decide(f.mean - f.above, f.std, MARGIN, f.family)
    return f"about {seeds} new seeds, if mean and spread stay" if seeds else "more than 200 seeds"


def _text(found: list[Assessment]) -> str:
    from delog_nb.records.summary import aligned

    parts = []
    for a in found:
        parts.append(f"{a.claim.number}. {a.claim.name}: {a.verdict}")
        parts += textwrap.wrap(f"{a.claim.text} ({a.claim.source})", 98)
        parts += textwrap.wrap(f"Against it would be: {a.claim.refuted}", 98)
        parts += [aligned([list(_HEAD), *(list(row) for row in _rows(a))]), ""]
    return "\n".join(parts[:-1])


def _markdown(found: list[Assessment]) -> str:
    from delog_nb.course.evidence import STUDIES

    parts = [
        "# The paper's claims",
        "Written by `delog-nb claims --markdown`. Comparisons, studies, seeds, margin and what "
        "would be against a claim were committed before the runs "
        "(`delog_nb/course/claims.py`, `experiments/evidence/`). One choice and one rule were "
        "changed later. The choice is the learning rate of *long*, for every method, changed after "
        "its first run (the note in `long-1.yaml` says why; that run is kept in `results/start`).",
        "Differences are of test accuracy after the last epoch unless they say otherwise, by seed. "
        "The intervals of a claim's deciding comparisons hold jointly with 95 % (Bonferroni), "
        "and so do those that stand beside it. A comparison *holds* "
        "where all of its interval lies above what is said, *does not hold* where all of it lies "
        "below, and shows *no difference above the margin* where all of it lies within one point "
        "of it. Before all planned seeds are there it is *not decided*, whatever its interval: "
        "whoever may stop at any seed will stop at a lucky one. (This is the rule that came later, "
        "when two of the three seeds of BP and Delog-SCL in *long* were there; those two "
        "would have decided claim 1.) For the same reason, seeds that would "
        "decide a comparison are those of a new study, not some more of this one. Claims about "
        "trained networks are judged from the study *long*, or from runs at the paper's size; "
        "shorter studies stand beside them and have no vote.",
        _table(("Study", "Size", "Seeds"), [(s.name, s.size, _list(s.seeds)) for s in STUDIES]),
        _table(
            ("", "Claim", "Verdict", "Deciding comparisons", "Tested on"),
            [
                (a.claim.number, f"[{a.claim.name}](#{_anchor(a)})", a.verdict, a.counts, a.where)
                for a in found
            ],
        ),
    ]
    for a in found:
        parts += [
            f"## {_title(a)}",
            f"{a.claim.text} ({a.claim.source[:1].upper()}{a.claim.source[1:]}.)",
            f"**{a.verdict.capitalize()}.** Against it would be: {a.claim.refuted} {a.claim.why}",
            _table(_HEAD, list(_rows(a))),
        ]
    return "\n\n".join(parts)


def _title(a: Assessment) -> str:
    return f"{a.claim.number} {a.claim.name}"


def _anchor(a: Assessment) -> str:
    kept = "".join(c for c in _title(a).lower() if c.isalnum() or c in " -")
    return kept.replace(" ", "-")


def _list(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
