"""The checklist of the paper's claims: what was measured, and what it comes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from delog_nb.course.assessing import OPEN, UNTESTED, Assessment, Finding
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.runs.forest import Group, Row, forest


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
    """Every measured comparison with its gaps by seed, interval and verdict, claim by claim.

    The claim says: right of the dashed line. The intervals of one claim hold together with 95 %,
    and the verdict is read from them. On a page one claim is seen at a time, with as many of its
    seeds as one likes. The table has those comparisons too that could not be tested.

    >>> from delog_nb import lab
    >>> list(lab.findings(lab.checklist(lab.evidence())).table)[:2]
    ['Claim', 'Comparison']
    """
    title = "The claims, measured: 95 % for each claim's intervals together"
    shown = forest([_group(assessment) for assessment in found], title)
    return replace(shown, table=findings_table(found), digits="")


def _group(assessment: Assessment) -> Group:
    claim = assessment.claim
    drawn = [f for f in assessment.findings if f.seeds]
    rows = [
        Row(
            f.label if f.decides else f"{f.label} (beside)",
            [f.gaps],
            f.above,
            f.family,
            f.planned,
            f.decides,
        )
        for f in drawn
    ]
    told = [row for row in _rows(assessment) if row["Says (points)"] == "–"]
    return Group(
        claim.name,
        rows,
        claim.number,
        [f"The paper says: {claim.text}", f"Against it would be: {claim.refuted}"],
        [f"{row['Comparison']}: {row['Measured (points)']}; {row['Verdict']}" for row in told],
        [f.verdict for f in assessment.deciding if not f.seeds],
    )


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
        "Verdict": finding.verdict_text,
    }


def _spread(finding: Finding) -> str:
    spread = "" if math.isnan(finding.std) else f" ± {100 * finding.std:.1f}"
    return f"{100 * finding.mean:+.1f}{spread}".replace("-", "−")


def _interval(finding: Finding) -> str:
    if math.isnan(finding.low):
        return "–"
    return f"{100 * finding.low:+.1f} to {100 * finding.high:+.1f}".replace("-", "−")
