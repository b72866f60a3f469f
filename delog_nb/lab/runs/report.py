"""A comparison as one HTML page that opens without a network."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from jinja2 import Template
from plotly.offline import get_plotlyjs

from delog_nb.lab.charts.exhibit import STYLE, table_html
from delog_nb.lab.runs.curves import costs, curves
from delog_nb.records import Record
from delog_nb.records.summary import grouped, summary, summary_for_people

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
{% for note in notes %}<p class="note">{{ note }}.</p>
{% endfor %}{% for section in sections %}<h2>{{ section.title }}</h2>
{{ section.table | safe }}{{ section.curves | safe }}{{ section.costs | safe }}{% endfor %}
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


def page(records: Sequence[Record], command: str, notes: Sequence[str] = ()) -> str:
    """The comparison of ``records`` as a page: tables, curves, costs, and how to get them again.

    ``notes`` are sentences above the tables.
    """
    rows = summary(records)
    sections = []
    groups = grouped(records)
    for label, net in dict.fromkeys(group[:2] for group in groups):
        chosen = [r for group, runs in groups.items() if group[:2] == (label, net) for r in runs]
        own = [row for row in rows if (row["data_label"], row["net_label"]) == (label, net)]
        table = pd.DataFrame(summary_for_people(own)).drop(columns=["Data", "Net"])
        sections.append(
            {
                "title": f"{net} on {label}",
                "table": table_html(table, ("Method",)),
                "curves": curves(chosen).html(),
                "costs": costs(chosen).html(),
            }
        )
    return _PAGE.render(
        title=f"One network, trained {len({row['method'] for row in rows})} ways",
        style=STYLE,
        plotly=get_plotlyjs(),
        runs=len(records),
        first=records[0],
        seeds=sorted({r.experiment.seed for r in records}),
        sections=sections,
        command=command,
        notes=notes,
        origins=_origins(records),
    )


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
