"""The checklist of the paper's claims as tables and as a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from delog_nb.course.assessing import FAILS, HOLDS, OPEN, VERDICTS, Assessment, Finding
from delog_nb.course.claims import CLAIMS
from delog_nb.course.paired import p_text
from delog_nb.lab.charts.style import COLORS, faded, layout, legend_below

# colour and symbol of a verdict: not those of a method
LOOKS = {HOLDS: (COLORS[2], "circle"), FAILS: (COLORS[1], "x"), OPEN: ("#57606a", "diamond-open")}
_ROW = 24  # pixels
_MOST = 40  # points: wider intervals end at the figure's edge


def claims_table() -> pd.DataFrame:
    """What the paper says, and where."""
    return pd.DataFrame(
        {
            "No.": [claim.number for claim in CLAIMS],
            "Claim": [claim.name for claim in CLAIMS],
            "The paper says": [claim.text for claim in CLAIMS],
            "Where": [claim.source for claim in CLAIMS],
        }
    )


def verdicts_table(found: Sequence[Assessment]) -> pd.DataFrame:
    """A row per claim: what came out, and at which size."""
    return pd.DataFrame(
        {
            "No.": [a.claim.number for a in found],
            "Claim": [a.claim.name for a in found],
            "Verdict": [a.verdict for a in found],
            "Comparisons": [a.counts for a in found],
            "Tested on": [a.where for a in found],
        }
    )


def findings_table(found: Sequence[Assessment]) -> pd.DataFrame:
    """A row per comparison, the numbers of `findings_figure`; what cannot be tested is joined."""
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


def findings_figure(found: Sequence[Assessment]) -> go.Figure:
    """Every comparison with its 95 % interval, in points of test accuracy, claim by claim.

    Right of the upright mark lies what the paper says. Claims without a single run take one line.
    """
    rows: list[tuple[Assessment, Finding | None]] = []
    for assessment in found:
        measured = [f for f in assessment.findings if f.seeds]
        rows += [(assessment, f) for f in measured] or [(assessment, None)]
    height = len(rows)
    figure = go.Figure()
    _bands(figure, rows)
    for verdict in VERDICTS:
        color, symbol = LOOKS[verdict]
        own = [(k, f) for k, (_, f) in enumerate(rows) if f and f.verdict == verdict]
        figure.add_scatter(
            x=[_clip(100 * f.mean) for _, f in own],
            y=[k for k, _ in own],
            name=verdict,
            mode="markers",
            marker={"color": color, "symbol": symbol, "size": 11, "line": {"width": 2}},
            error_x=_bars([f for _, f in own], color),
            customdata=[[f.label, _spread(f), _interval(f)] for _, f in own],
            hovertemplate="%{customdata[0]}: %{customdata[1]} (%{customdata[2]})<extra></extra>",
        )
    marks = [(k, 100 * f.above) for k, (_, f) in enumerate(rows) if f]
    figure.add_scatter(
        x=[x for _, x in marks],
        y=[k for k, _ in marks],
        name="the paper says: right of this",
        mode="markers",
        marker={"symbol": "line-ns", "size": 15, "line": {"width": 3, "color": "#1b1f23"}},
        hoverinfo="skip",
    )
    layout(
        figure,
        "The paper's claims, measured: differences and their 95 % intervals",
        "Difference (points of test accuracy; batches: points per doubling)",
        "",
        height=170 + _ROW * height,
    )
    figure.update_layout(hovermode="closest")
    legend_below(figure, 60 / (_ROW * height), l=330, r=110, b=110)
    return figure.update_yaxes(
        tickvals=list(range(height)),
        ticktext=[f"{a.claim.number} · {f.label if f else a.claim.name}" for a, f in rows],
        range=[height - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
        tickfont={"size": 13},
        ticklabelstandoff=6,
    )


def _bands(figure: go.Figure, rows: Sequence[tuple[Assessment, Finding | None]]) -> None:
    """A band for each claim, its verdict at the right."""
    begin = 0
    for place, assessment in enumerate(dict.fromkeys(id(a) for a, _ in rows)):
        own = [(a, f) for a, f in rows if id(a) == assessment]
        end = begin + len(own)
        first, finding = own[0]
        if place % 2:
            figure.add_hrect(
                y0=begin - 0.5, y1=end - 0.5, fillcolor=faded("#57606a", 0.08), line_width=0,
                layer="below",
            )  # fmt: skip
        middle = (begin + end - 1) / 2
        verdict = first.verdict
        figure.add_annotation(
            xref="paper", x=1.01, y=middle, text=f"<b>{verdict}</b>", showarrow=False,
            xanchor="left", font={"size": 13, "color": LOOKS[verdict][0]},
        )  # fmt: skip
        if finding is None:
            text = "no runs" if verdict == OPEN else "counted: no spread"
            figure.add_annotation(
                x=0, y=middle, text=text, showarrow=False, font={"size": 13, "color": "#57606a"}
            )
        begin = end


def _clip(value: float) -> float:
    return max(-_MOST, min(_MOST, value))


def _bars(findings: Sequence[Finding], color: str) -> dict[str, object]:
    def length(end: float, mean: float) -> float:
        return 0.0 if math.isnan(end) else abs(_clip(100 * end) - _clip(100 * mean))

    return {
        "type": "data",
        "symmetric": False,
        "array": [length(f.high, f.mean) for f in findings],
        "arrayminus": [length(f.low, f.mean) for f in findings],
        "color": color,
        "thickness": 2,
        "width": 4,
    }
