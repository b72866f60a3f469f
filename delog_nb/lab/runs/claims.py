"""The checklist of the paper's claims: what was measured, and what it comes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from delog_nb.course.assessing import FAILS, HOLDS, OPEN, VERDICTS, Assessment, Finding
from delog_nb.course.paired import p_text
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.scatter import scatter

_SAYS = "the claim says: right of this"
_STYLES = {HOLDS: 2, FAILS: 1, OPEN: 7, _SAYS: 5}  # places: none has a method's colour
_MOST = 0.4  # a share: wider intervals end at the figure's edge


def verdicts(found: Sequence[Assessment]) -> pd.DataFrame:
    """A row per claim: what came out, and at which size.

    >>> from delog_nb import lab
    >>> len(lab.verdicts(lab.checklist(lab.all_recorded())))
    10
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
    """Every measured comparison with its 95 % interval, by verdict, claim by claim.

    The claim says: right of the mark. The table has those too that could not be tested.

    >>> from delog_nb import lab
    >>> list(lab.findings(lab.checklist(lab.all_recorded())).table)[:2]
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
        "The paper's claims, measured: differences and their 95 % intervals",
        "Difference (points; batches: points per doubling)",
        styles=_STYLES,
    )
    return replace(shown, table=findings_table(found))


def findings_table(found: Sequence[Assessment]) -> pd.DataFrame:
    """A row per comparison, the numbers of `findings`; what cannot be tested is joined."""
    return pd.DataFrame([row for assessment in found for row in _rows(assessment)])


def _rows(assessment: Assessment) -> list[dict[str, str]]:
    rows = []
    absent: dict[str, list[Finding]] = {}
    for f in assessment.findings:
        if f.seeds or f.verdict != OPEN:
            says = f"> {100 * f.above:g}" if f.seeds else "–"
            rows.append(_row(assessment, f.label, says, f))
        else:
            absent.setdefault(f.text, []).append(f)
    for findings in absent.values():
        first = findings[0]
        label = first.label if len(findings) == 1 else f"{len(findings)} more comparisons"
        if len(findings) == len(assessment.findings) > 1:
            label = f"all {len(findings)} comparisons"
        rows.append(_row(assessment, label, "–", first))
    return rows


def _row(assessment: Assessment, label: str, says: str, finding: Finding) -> dict[str, str]:
    return {
        "Claim": str(assessment.claim.number),
        "Comparison": label,
        "Says (points)": says,
        "Measured (points)": _spread(finding) if finding.seeds else finding.text,
        "95 % interval": _interval(finding),
        "Seeds": str(finding.seeds) if finding.seeds else "–",
        "p": p_text(finding.p),
        "Verdict": finding.verdict,
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
