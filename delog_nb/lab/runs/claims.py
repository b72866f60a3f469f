"""The checklist of the paper's claims: what was measured, and what it comes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from delog_nb.course.assessing import (
    FAILS,
    HOLDS,
    OPEN,
    SAME,
    UNTESTED,
    VERDICTS,
    Assessment,
    Finding,
)
from delog_nb.course.paired import p_text
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.scatter import scatter

_SAYS = "the claim says: right of this"
_STYLES = {HOLDS: 2, FAILS: 1, SAME: 4, OPEN: 7, _SAYS: 5}  # places: none has a method's colour
_MOST = 0.4  # a share: wider intervals end at the figure's edge


def verdicts(found: Sequence[Assessment]) -> pd.DataFrame:
    """A row per claim: what came out, and at which size.

    >>> from delog_nb import lab
    >>> len(lab.verdicts(lab.checklist(lab.evidence())))
    11
    """
    return pd.DataFrame(
        {
            "No.": [a.claim.number for a in found],
            "Claim": [a.claim.name for a in found],
            "Verdict": [a.verdict for a in found],
            "Comparisons": [a.counts for a in found],
            "Tested on": [a.where for a in found],
        }
    )


def findings(found: Sequence[Assessment]) -> Exhibit:
    """Every measured comparison with its interval, by verdict, claim by claim.

    The claim says: right of the mark. The intervals of one claim hold together with 95 %, and the
    verdict is read from them. The table has those too that could not be tested.

    >>> from delog_nb import lab
    >>> list(lab.findings(lab.checklist(lab.evidence())).table)[:2]
    ['Claim', 'Comparison']
    """
    points: dict[str, list[tuple[float, str, float, float]]] = {v: [] for v in VERDICTS}
    marks = []
    for assessment in found:
        for f in (f for f in assessment.findings if f.seeds):
            row = f"{assessment.claim.number} · {f.label}"
            low, high = (f.low, f.high) if f.low == f.low else (f.mean, f.mean)
            points[f.verdict].append((_clip(f.mean), row, _clip(low), _clip(high)))
            marks.append((f.above, row))
    drawn = {verdict: own for verdict, own in points.items() if own}
    shown = scatter(
        {_SAYS: marks} | drawn,
        "The claims, measured: differences, and intervals that hold together with 95 %",
        "Difference (points)",
        styles=_STYLES,
    )
    return replace(shown, table=findings_table(found))


def findings_table(found: Sequence[Assessment]) -> pd.DataFrame:
    """A row per comparison, the numbers of `findings`; what cannot be tested is joined."""
    return pd.DataFrame([row for assessment in found for row in _rows(assessment)])


def _rows(assessment: Assessment) -> list[dict[str, str]]:
    rows = []
    absent: dict[tuple[str, str], list[Finding]] = {}
    for f in assessment.findings:
        if f.seeds or f.verdict not in (OPEN, UNTESTED):
            rows.append(_row(assessment, f.label, f))
        elif f.decides:
            absent.setdefault((f.text, f.verdict), []).append(f)
    for findings in absent.values():
        label = findings[0].label if len(findings) == 1 else f"{len(findings)} more comparisons"
        if len(findings) == len(assessment.findings) > 1:
            label = f"all {len(findings)} comparisons"
        rows.append(_row(assessment, label, findings[0]))
    return rows


def _row(assessment: Assessment, label: str, finding: Finding) -> dict[str, str]:
    study = finding.study or "–"
    return {
        "Claim": assessment.claim.number,
        "Comparison": label,
        "Says (points)": f"> {100 * finding.above:g}" if finding.seeds else "–",
        "Measured (points)": _spread(finding) if finding.seeds else finding.text,
        "Interval": _interval(finding),
        "Level (%)": "–" if math.isnan(finding.low) else f"{100 * finding.level:.3g}",
        "Study": study if finding.decides else f"{study}, beside",
        "Seeds": f"{finding.seeds} of {finding.planned}" if finding.planned else "–",
        "p": p_text(finding.p),
        "Verdict": finding.verdict_text,
    }


def _spread(finding: Finding) -> str:
    spread = "" if math.isnan(finding.std) else f" ± {100 * finding.std:.1f}"
    return f"{100 * finding.mean:+.1f}{spread}".replace("-", "−")


def _interval(finding: Finding) -> str:
    if math.isnan(finding.low):
        return "–"
    return f"{100 * finding.low:+.1f} to {100 * finding.high:+.1f}".replace("-", "−")


def _clip(value: float) -> float:
    return max(-_MOST, min(_MOST, value))
