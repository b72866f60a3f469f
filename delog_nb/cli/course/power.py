"""``delog-nb power``: which differences a number of seeds can decide."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from delog_nb.cli.shared.flags import add_results_flag, results_folder

if TYPE_CHECKING:
    from delog_nb.course.assessing import Planned
    from delog_nb.course.evidence import Runs

_HEAD = ("Claim", "Comparison", "Study", "Seeds", "Of", "Spread", "Decided", "Spread known from")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--spread",
        metavar="X",
        help="standard deviation of a difference over seeds: print what 2 to 20 seeds decide at "
        "it (default: every comparison of the plan, at the spread that is known)",
    )
    parser.add_argument(
        "--comparisons",
        metavar="N",
        default=1,
        help="with --spread: how many comparisons share the 5 %% (default: 1)",
    )
    add_results_flag(parser)


def run(values: argparse.Namespace) -> int:
    """Print the smallest difference that is found with a chance of 80 %."""
    from delog_nb.records.summary import aligned

    if values.spread is not None:
        print(aligned(_at(values.spread, values.comparisons)))
        return 0
    print(aligned([list(_HEAD), *_plan(results_folder(values))]))
    print(
        "In points. Of: comparisons of the claim, which share 5 %. Spread: standard deviation of "
        "the difference\nover seeds. Decided: the smallest true difference that is found with a "
        "chance of 80 %."
    )
    return 0


def _at(spread: float, comparisons: int) -> list[list[str]]:
    from delog_nb.course.paired import smallest_gap

    counts = (2, 3, 4, 5, 7, 10, 15, 20)
    rows = [[str(n), f"{smallest_gap(spread, n, comparisons):.2f}"] for n in counts]
    return [["Seeds", "Smallest difference found with 80 %"], *rows]


def _plan(results: Path) -> list[list[str]]:
    from delog_nb import records
    from delog_nb.course.assessing import Planned
    from delog_nb.course.claims import CLAIMS
    from delog_nb.course.evidence import FULL, Runs, kept
    from delog_nb.course.own_claims import OURS
    from delog_nb.course.paired import smallest_gap

    runs = {name: Runs(found) for name, found in kept(results).items()}
    pilot = results / "cpu"
    runs["pilot"] = Runs(records.readable(pilot) if pilot.is_dir() else [])
    rows = []
    for claim in (*CLAIMS, *OURS):
        measured = [c for c in claim.compare() if isinstance(c, Planned) and c.study != FULL]
        for c in measured:
            spread, source = _spread(c, runs)
            seeds = len(c.study.seeds)
            family = sum(other.decides == c.decides for other in measured)
            known = not math.isnan(spread) and spread > 0
            gap = smallest_gap(spread, seeds, family) if known else math.nan
            shown = [f"{100 * x:.1f}" if known else "–" for x in (spread, gap)]
            rows.append(
                [claim.number, c.label, c.study.name, str(seeds), str(family), *shown, source]
            )
    return rows


def _spread(c: Planned, runs: Mapping[str, Runs]) -> tuple[float, str]:
    """Of the comparison's own study, or of the pilot."""
    from delog_nb.records import mean_and_std

    for name in (c.study.name, "pilot"):
        gaps = list(c.value.by_seed(runs[name]).values()) if name in runs else []
        if len(gaps) > 1:
            return mean_and_std(gaps)[1], f"{name}, {len(gaps)} seeds"
    return math.nan, "nothing yet"
