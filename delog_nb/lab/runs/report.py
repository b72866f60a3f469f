"""A comparison as one HTML page that opens without a network."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from jinja2 import Template
from plotly.offline import get_plotlyjs

from delog_nb.experiment.registry import NETS
from delog_nb.lab.runs.curves import (
    costs,
    curves,
    curves_table,
    summary,
    summary_for_people,
)
from delog_nb.records import Record
from delog_nb.records.summary import grouped

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f23; max-width: 1200px;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.3rem; margin-top: 2.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid #d8dee4; }
th { border-bottom: 2px solid #57606a; vertical-align: bottom; }
td { white-space: nowrap; }
details { margin: .6rem 0 1.2rem; } summary { cursor: pointer; color: #0072B2; }
p.note { color: #57606a; font-size: .92rem; max-width: 75ch; }
"""


_TABLE = Template(
    """<div class="scroll"><table><thead><tr>
{%- for name in columns %}<th style="text-align:{{ side(name) }}">{{ name }}</th>{% endfor -%}
</tr></thead><tbody>
{%- for row in rows %}<tr>
{%- for name, value in row %}<td style="text-align:{{ side(name) }}">{{ value | safe if marked_up else value }}</td>{% endfor -%}
</tr>{% endfor -%}
</tbody></table></div>""",
    autoescape=True,
)
_PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<link rel="icon" href="data:,">
<style>{{ style | safe }}</style><script>{{ plotly | safe }}</script></head><body>
<h1>{{ title }}</h1>
<p class="note">{{ runs }} runs, preset {{ first.experiment.preset }}, {{ first.results.epochs }} \
epochs{% if first.experiment.limit %} with {{ "{:,}".format(first.experiment.limit) }} training \
images{% endif %}, seeds {{ seeds | join(", ") }}.</p>
{% for section in sections %}<h2>{{ section.title }}</h2>
{{ section.table | safe }}{{ section.curves | safe }}
<details><summary>The numbers of this figure (test accuracy in %)</summary>
{{- section.numbers | safe }}</details>
{{ section.costs | safe }}{% endfor %}
<h2>How to read this page</h2>
<p class="note">Accuracy is the share of test images whose class is predicted, after the last epoch;
beside it the accuracy at the epoch that did best on validation images, and the best over all
epochs, which looks at the test images to choose and so flatters. ± is the standard deviation over
seeds. Parameters at inference are the effective ones; what training has beyond them is affiliated
(projection heads, local classifiers, bridges and target encoders). Seconds per epoch are training
without evaluation. Peak memory counts live tensors of one training step: parameters, gradients,
optimizer state and activations.</p>
<h2>How this page was made</h2>
<p class="note"><code>{{ command }}</code></p>
{{ origins | safe }}
</body></html>
""",
    autoescape=True,
)


def table_html(
    table: pd.DataFrame, text_columns: Sequence[str] = (), *, marked_up: bool = False
) -> str:
    """A table for the page; numbers to the right, ``text_columns`` to the left.

    With ``marked_up`` the cells are HTML already.
    """

    return _TABLE.render(
        columns=list(table.columns),
        rows=[zip(table.columns, row, strict=True) for row in table.itertuples(index=False)],
        marked_up=marked_up,
        side=lambda name: "left" if name in text_columns else "right",
    )


def page(records: Sequence[Record], command: str) -> str:
    """The comparison of ``records`` as a page: tables, curves, costs, and how to get them again."""
    table = summary(records)
    sections = []
    for label, net in dict.fromkeys((label, net) for label, net, _ in grouped(records)):
        chosen = [r for r in records if (r.experiment.data_label, r.experiment.net) == (label, net)]
        rows = table[(table["data_label"] == label) & (table["net"] == net)]
        sections.append(
            {
                "title": f"{NETS.label(net)} on {label}",
                "table": table_html(summary_for_people(rows), ("Data", "Net", "Method")),
                "curves": _figure(curves(chosen)),
                "numbers": table_html(curves_table(chosen).reset_index(), ("Epoch",)),
                "costs": _figure(costs(rows)),
            }
        )
    return _PAGE.render(
        title=f"One network, trained {table['method'].nunique()} ways",
        style=STYLE,
        plotly=get_plotlyjs(),
        runs=len(records),
        first=records[0],
        seeds=sorted({r.experiment.seed for r in records}),
        sections=sections,
        command=command,
        origins=_origins(records),
    )


def _figure(figure: object) -> str:
    text: str = figure.to_html(full_html=False, include_plotlyjs=False)  # type: ignore[attr-defined]
    return text


def _origins(records: Sequence[Record]) -> str:
    """Machines, versions and revisions behind the figures, each once."""
    rows = dict.fromkeys(
        (
            r.machine["processor"],
            f"{r.machine['cores']} cores, {r.machine['threads']} threads",
            r.machine["gpu"] or "none",
            f"{r.results['device']}, {r.results['precision']}",
            f"torch {r.versions['torch']}, Python {r.versions['python']}",
            (r.versions["git"] or "not in git")[:12],
        )
        for r in records
    )
    columns = ["Processor", "Cores", "GPU", "Device", "Versions", "Revision"]
    return table_html(pd.DataFrame(list(rows), columns=columns), columns)
