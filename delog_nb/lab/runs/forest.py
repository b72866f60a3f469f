"""Differences by seed to play with: their intervals and verdicts, as seeds are added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from delog_nb.course.assessing import (
    FAILS,
    HOLDS,
    MARGIN,
    OPEN,
    ORDER,
    SAME,
    UNTESTED,
    verdict_of,
)
from delog_nb.course.paired import ALPHA, interval, quantile
from delog_nb.lab.charts.exhibit import Exhibit, escaped, sentence
from delog_nb.lab.charts.played import Played
from delog_nb.lab.charts.scatter import scatter
from delog_nb.lab.charts.style import FAINT, INK, SOFT

SAYS = "what is said: right of this; grey: no difference above the margin"
_SYMBOLS = {HOLDS: "circle", FAILS: "x", SAME: "square", OPEN: "circle-open", SAYS: "line-ns-open"}
_WIDEST = 0.4  # a share: where a row has wider intervals, they end at the figure's edge


@dataclass(frozen=True)
class Row:
    """A comparison: gaps by seed, as shares, said to be above ``above``.

    Attributes:
        studies: of each study the gaps, in the order of its seeds; recorded runs are one study
        family: the comparisons whose intervals hold together with this one
        planned: seeds that it was planned with, if it was; with fewer nothing is decided
        truth: the mean of all seeds, where the gaps are made up
    """

    label: str
    studies: Sequence[Sequence[float]]
    above: float = 0.0
    family: int = 1
    planned: int = 0
    decides: bool = True
    truth: float | None = None


@dataclass(frozen=True)
class Group:
    """Rows that are shown at a time, such as those of a claim.

    Attributes:
        key: a short name for its button and for the image's rows
        text: what is said, and what would be against it
        notes: what belongs to it and is not drawn, in words
        verdicts: of those that are not drawn and decide too
    """

    name: str
    rows: Sequence[Row]
    key: str = ""
    text: Sequence[str] = ()
    notes: Sequence[str] = ()
    verdicts: Sequence[str] = field(default=())


def forest(
    groups: Sequence[Group],
    title: str,
    x: str = "Difference (points)",
    *,
    seeds: int | None = None,
    kind: str = "Claim",
    choose: bool = False,
    says: str = "",
) -> Exhibit:
    """Gaps, their intervals and verdicts by the rule of `delog_nb.course.assessing`.

    The image has all groups, with ``seeds`` seeds of the first study; on a page one adds them, and
    sees one group at a time.

    Args:
        groups: at least one
        title: of the figure
        x: the axis; shares are drawn in points
        seeds: at first; default: all
        kind: what a group is called
        choose: whether one may see each comparison's own 95 % interval too
        says: the text alternative; default: how many rows have which verdict

    >>> row = Row("A − B", [[0.03, 0.05, 0.04, 0.06]])
    >>> forest([Group("Made up", [row])], "A and B").table["Verdict"].tolist()
    ['holds']
    """
    rows = [(group, row) for group in groups for row in group.rows]
    most = max((len(gaps) for _, row in rows for gaps in row.studies), default=0)
    first = min(seeds or most, most)
    data = {
        "title": title,
        "x": x,
        "kind": kind,
        "choose": choose,
        "seeds": first,
        "most": most,
        "margin": 100 * MARGIN,
        "confidence": 100 * (1 - ALPHA),
        "words": {"holds": HOLDS, "fails": FAILS, "same": SAME, "open": OPEN, "none": UNTESTED},
        "order": list(ORDER),
        # by the size of a family, Student's t for 2, 3, ... seeds
        "quantiles": [
            [m, [_six(quantile(ALPHA / m / 2, n - 1)) for n in range(2, most + 1)]]
            for m in sorted({1} | {row.family for _, row in rows})
        ],
        "groups": [_data(group) for group in groups],
    }
    table = pd.DataFrame([_measured(group, row, first) for group, row in rows])
    found = table["Verdict"].tolist() if rows else []
    told = ", ".join(f"{name}: {found.count(name)}" for name in ORDER if name in found)
    default = sentence(title, f"n = {first} at most; {told}" if rows else "Nothing to show yet")
    return Played(_still(rows, title, x, first), table, says or default, "+.2f", "forest", data)


def _data(group: Group) -> dict[str, Any]:
    ends = [end for row in group.rows for end in _ends(row)]
    return {
        "name": group.name,
        "key": group.key,
        "text": list(group.text),
        "notes": list(group.notes),
        "verdicts": list(group.verdicts),
        "range": [round(100 * min(ends), 1), round(100 * max(ends), 1)] if ends else [-1, 1],
        "rows": [
            {
                "label": row.label,
                "above": 100 * row.above,
                "family": row.family,
                "planned": row.planned,
                "decides": row.decides,
                "truth": None if row.truth is None else 100 * row.truth,
                "studies": [[round(100 * gap, 2) for gap in gaps] for gaps in row.studies],
            }
            for row in group.rows
        ],
    }


def _ends(row: Row) -> tuple[float, float]:
    """From where to where a row is drawn: its gaps and a margin, not its widest interval."""
    values = [gap for gaps in row.studies for gap in gaps] + [row.above]
    room = 2 * MARGIN + 0.3 * (max(values) - min(values))
    return max(min(values) - room, -_WIDEST), min(max(values) + room, _WIDEST)


def _measured(group: Group, row: Row, seeds: int) -> dict[str, Any]:
    gaps = [*row.studies[0][:seeds]]
    low, high = interval(gaps, 1 - ALPHA / row.family)
    return {
        "Comparison": f"{group.key} · {row.label}" if group.key else row.label,
        "Said to be above": 100 * row.above,
        "Mean": 100 * float(np.mean(gaps)),
        "Low": 100 * low,
        "High": 100 * high,
        "Seeds": len(gaps),
        "Verdict": verdict_of(low, high, row.above) if len(gaps) >= row.planned else OPEN,
    }


def _still(rows: Sequence[tuple[Group, Row]], title: str, x: str, seeds: int) -> Any:
    names = [SAYS, *_SYMBOLS]  # what is said comes first: rows stand in the order of `rows`
    points: dict[str, list[tuple[Any, ...]]] = {name: [] for name in names}
    measured = [(row, _measured(group, row, seeds)) for group, row in rows]
    for row, found in measured:
        mean, low, high = (found[name] / 100 for name in ("Mean", "Low", "High"))
        ends = (mean, mean) if low != low else (low, high)
        points[found["Verdict"]].append((mean, found["Comparison"], *ends))
        points[SAYS].append((row.above, found["Comparison"]))
    drawn = {name: own for name, own in points.items() if own}
    figure = scatter(drawn, title, x).figure
    figure.update_layout(height=figure.layout.height - 16 * len(rows))
    if rows:
        lefts, rights = zip(*(_ends(row) for _, row in rows), strict=True)
        left, right = 100 * min(lefts), 100 * max(rights)
        figure.update_xaxes(range=[left, right])
        order = list(figure.layout.yaxis.ticktext)
        for row, found in measured:
            place = order.index(escaped(found["Comparison"]))
            low, high = 100 * (row.above - MARGIN), 100 * (row.above + MARGIN)
            band = {"x0": low, "x1": high, "y0": place - 0.4, "y1": place + 0.4}
            figure.add_shape(**band, line_width=0, fillcolor=FAINT, opacity=0.35, layer="below")
            for edge, out, tip, shift in (
                (left, found["Low"] < left, "◀", 5),
                (right, found["High"] > right, "▶", -5),
            ):
                if out:  # an interval that is wider runs out of the figure
                    figure.add_annotation(
                        x=edge, y=place, text=tip, showarrow=False, xshift=shift, yshift=5
                    )
    for trace in figure.data:
        trace.marker.update(color=SOFT if trace.name == SAYS else INK, symbol=_SYMBOLS[trace.name])
        trace.marker.line.update(width=2, color=None)
    return figure


def _six(value: float) -> float:
    return float(f"{value:.6g}")
