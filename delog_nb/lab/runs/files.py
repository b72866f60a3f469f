"""A grid's records written as table or figure: CSV, Markdown, LaTeX and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Template
from plotly.offline import get_plotlyjs

from delog_nb.grids.grid import Grid
from delog_nb.instruments.files import write_atomically
from delog_nb.lab.charts.exhibit import STYLE, table_html
from delog_nb.lab.runs import tables
from delog_nb.lab.runs.curves import curves
from delog_nb.records import Record

_PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<link rel="icon" href="data:,"><style>{{ style | safe }}</style></head><body>
{% if plotly %}<script>{{ plotly | safe }}</script>{% endif %}<h1>{{ title }}</h1>
{{ table | safe }}<p class="note">{{ legend }}</p>
{% if tests %}<h2>{{ heading }}</h2>{{ tests | safe }}{% endif %}
{{ figure | safe }}
</body></html>
""",
    autoescape=True,
)


def write(name: str, grid: Grid, records: Sequence[Record], out: Path) -> str:
    """Write ``<out>/<name>.csv``, ``.md``, ``.tex`` and ``.html`` and return the Markdown.

    Raises:
        ExperimentError: ``out`` cannot be written, or runs do not fit into one table.
    """
    layout, title = grid.layout, grid.title or name
    found = tables.cells(records, layout)
    legend = " ".join(filter(None, (tables.legend(found, layout), grid.note)))
    tests = tables.differences(found)
    reference = "BP" if layout.rows == "method" else "the best of its column"
    heading = f"Difference from {reference}, paired over seeds"

    markdown = [f"## {title}\n", tables.to_markdown(tables.table(found, layout, "markdown"))]
    markdown.append(legend + "\n")
    if len(tests):
        markdown += [f"{heading}:\n", tables.to_markdown(tests)]
    parts = {"table": tables.to_html(tables.table(found, layout, "html"))}
    if len(tests):
        parts["tests"] = table_html(tests, ("Setting", "Verdict"))
    if layout.kind == "figure":
        drawn = curves(records, layout.values[0], title, layout.rows)
        markdown += ["By epoch:\n", tables.to_markdown(drawn.readable())]
        parts |= {"figure": drawn.html(), "plotly": get_plotlyjs()}
        drawn.save(out / f"{name}-epochs.csv")
    text = "\n".join(markdown)
    named = {"title": title, "legend": legend, "heading": heading, "style": STYLE}
    latex = tables.table(found, layout, "latex")
    for suffix, content in {
        "csv": tables.numbers(found).to_csv(index=False),
        "md": text,
        "tex": tables.to_latex(latex, f"{title}. {legend}"),
        "html": _PAGE.render(**named, **parts),
    }.items():
        with write_atomically(out / f"{name}.{suffix}") as file:
            file.write(content.encode())
    return text
