"""What every chart returns: a figure, its numbers, and a sentence that says what is seen."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from IPython.display import display
from jinja2 import Template
from plotly.offline import get_plotlyjs

from delog_nb.instruments.files import write_atomically
from delog_nb.lab.charts.dark import STYLE as ON_DARK

NOTHING = "–"
_ROWS = 200  # of a folded table; a saved one has them all
DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
FORMATS = (".html", ".csv", ".png", ".svg")

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f23; max-width: 1200px;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.3rem; margin-top: 2.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid #d8dee4; }
th { border-bottom: 2px solid #57606a; vertical-align: bottom; }
td { white-space: nowrap; }
figure { margin: 1.2rem 0; } figcaption { font-weight: 600; }
details { margin: .6rem 0 1.2rem; } summary { cursor: pointer; color: #0063a0; }
p.note { color: #57606a; font-size: .92rem; max-width: 75ch; }
"""
_TABLE = Template(
    """<div class="scroll"><table><thead><tr>
{%- for name in columns %}<th style="text-align:{{ side(name) }}">{{ name }}</th>{% endfor -%}
</tr></thead><tbody>
{%- for row in rows %}<tr>
{%- for name, value in row %}<td style="text-align:{{ side(name) }}">\
{{ value | safe if marked_up else value }}</td>{% endfor -%}
</tr>{% endfor -%}
</tbody></table></div>""",
    autoescape=True,
)
_FOLDED = Template(
    "<details><summary>{{ says }}</summary>{{ table | safe }}</details>", autoescape=True
)
_FRAGMENT = Template(
    """<figure><figcaption>{{ title | safe }}</figcaption>
{{ figure | safe }}{{ folded | safe }}</figure>""",
    autoescape=True,
)
_PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title | striptags }}</title><link rel="icon" href="data:,">
<style>{{ style | safe }}</style><script>{{ plotly | safe }}</script></head>
<body><main>{{ fragment | safe }}</main></body></html>
""",
    autoescape=True,
)


class Markup:
    """HTML for a page and plain text for where there is none."""

    def __init__(self, html: str, plain: str) -> None:
        self.html, self.plain = html, plain

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.plain

    def bundle(self) -> dict[str, str]:
        """Both by MIME type."""
        return {"text/html": self.html, "text/plain": self.plain}


@dataclass(frozen=True, repr=False)
class Exhibit:
    """A chart with its numbers; the last expression of a cell shows it.

    Args:
        figure: of plotly
        table: the numbers that are drawn, in the drawn units; a column ``name ±`` is the standard
            deviation of column ``name``
        says: one sentence for those who do not see the figure; the table is folded below it
        digits: a format specification for numbers in the folded table, such as ``.2f``

    >>> from delog_nb import lab
    >>> shown = lab.lines({"BP": [0.5, 0.75]}, "Accuracy", "Epoch", "Test accuracy (%)")
    >>> shown.table["BP"].tolist(), shown.says
    ([50.0, 75.0], 'Accuracy. BP: 50 to 75.')
    """

    figure: go.Figure
    table: pd.DataFrame
    says: str
    digits: str = ""

    def readable(self) -> pd.DataFrame:
        """The table as text: rounded, each mean with its deviation, a dash for what is missing."""
        table = self.table.reset_index() if self.table.index.name else self.table
        return pd.DataFrame(
            {
                plain(str(name)): [
                    with_spread(value, spread, self.digits)
                    for value, spread in zip(
                        table[name], table.get(f"{name} ±", [math.nan] * len(table)), strict=True
                    )
                ]
                for name in table.columns
                if not str(name).endswith(" ±")
            }
        )

    def folded(self, style: str = "") -> Markup:
        """What is seen, and the table folded below it; then ``style``."""
        table = self.readable()
        if len(table) > _ROWS:
            rest = [f"… {len(table) - _ROWS:,} more", *[""] * (len(table.columns) - 1)]
            table = table[:_ROWS].astype(object)
            table.loc[_ROWS] = rest
        seen = self.says.removeprefix(f"{self._title()}.").strip() or self.says  # it stands above
        page = _FOLDED.render(says=seen, table=table_html(table, words_of(table)))
        return Markup(page + style, f"{self.says}\n{table.to_string(index=False)}")

    def outputs(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The bundles, by MIME type, that a notebook shows: the figure, and the folded table."""
        # with the style, since outputs out of view may be taken from the page
        return self.figure._repr_mimebundle_(), self.folded(ON_DARK).bundle()

    def now(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The bundles to show now: as `outputs`, unless there is a livelier form."""
        return self.outputs()

    def _ipython_display_(self) -> None:
        for bundle in self.now():
            display(bundle, raw=True, metadata={"image/png": {"alt": self.says}})

    def __repr__(self) -> str:
        return self.says

    def html(self) -> str:
        """The exhibit as a part of a page that has plotly.js; its title stands above the figure."""
        return _FRAGMENT.render(
            title=self._title(), figure=self._drawn(), folded=self.folded().html
        )

    def _library(self) -> str:
        return str(get_plotlyjs())

    def _drawn(self) -> str:
        figure = go.Figure(self.figure)
        top = 40 if figure.layout.annotations else 20
        figure.update_layout(title=None, margin={"t": top})
        return str(
            figure.to_html(full_html=False, include_plotlyjs=False, config={"responsive": True})
        )

    def _title(self) -> str:
        return str(self.figure.layout.title.text or "").replace("<br>", " ")

    def save(self, path: str | Path) -> Path:
        """Write the exhibit as what the ending says: .html, .csv, .png or .svg.

        A page opens without a network. Images need the extra ``[image]`` and Chromium.

        Raises:
            ValueError: another ending, or an image where it cannot be made.
            OSError: the file cannot be written.
        """
        path = Path(path)
        kind = path.suffix.lower()
        if kind not in FORMATS:
            raise ValueError(f"an exhibit is saved as {', '.join(FORMATS)}, not as {path.name!r}")
        if kind == ".csv":
            data = self.table.to_csv(index=bool(self.table.index.name)).encode()
        elif kind == ".html":
            page = {"title": self._title(), "style": STYLE, "plotly": self._library()}
            data = _PAGE.render(**page, fragment=self.html()).encode()
        else:
            data = self._image(kind[1:])
        with write_atomically(path) as file:
            file.write(data)
        return path

    def _image(self, kind: str) -> bytes:
        try:
            data: bytes = self.figure.to_image(kind)
        except (ValueError, RuntimeError) as error:  # no kaleido, or no Chromium
            raise ValueError(
                f".{kind} needs Chromium and the extra [image] (pip install 'delog_nb[image]'); "
                f".html and .csv do without"
            ) from error
        return data


def table_html(
    table: pd.DataFrame, text_columns: Sequence[str] = (), *, marked_up: bool = False
) -> str:
    """A table for a page; numbers to the right, ``text_columns`` to the left.

    With ``marked_up`` the cells are HTML already.
    """
    return _TABLE.render(
        columns=list(table.columns),
        rows=[zip(table.columns, row, strict=True) for row in table.itertuples(index=False)],
        marked_up=marked_up,
        side=lambda name: "left" if name in text_columns else "right",
    )


def words_of(table: pd.DataFrame) -> list[str]:
    """The columns that hold words, not numbers."""
    texts = [c for c in table.columns if not pd.api.types.is_numeric_dtype(table[c])]
    return [c for c in texts if not table[c].astype(str).str.match(r"^$|^[–−+×\-\d]").all()]


def plain(text: str) -> str:
    """Text without plotly's marks.

    >>> plain("r<sub>12</sub> of <b>BP</b>")
    'r₁₂ of BP'
    """
    lowered = re.sub(r"<sub>(\d+)</sub>", lambda m: m[1].translate(DIGITS), text)
    return re.sub(r"</?(sub|b|br)>", "", lowered)


def written(value: Any, digits: str = "") -> str:
    """A value for reading: by ``digits``, a format specification, or to three figures.

    >>> [written(v) for v in (1234567, 98.765, 0.00012345, None, "BP", True)]
    ['1,234,567', '98.8', '1.2e-04', '–', 'BP', 'yes']
    """
    if value is None or value != value:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, int) or (hasattr(value, "dtype") and value.dtype.kind in "iu"):
        return f"{value:,}"
    if digits or value == 0:
        return f"{value:{digits or '.0f'}}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1e}" if abs(value) < 1e-3 else f"{value:.3g}"


def with_spread(value: Any, spread: float, digits: str = "") -> str:
    """A mean, and after ± its deviation where there is one."""
    text = written(value, digits)
    return text if spread != spread else f"{text} ± {written(spread, digits.lstrip('+'))}"


def sentence(title: str, *told: str) -> str:
    """A title and what is told of it, each with its full stop."""
    return " ".join(t if t.endswith((".", "?", "!")) else f"{t}." for t in (title, *told) if t)


def scale_of(axis: str) -> int:
    """What values are multiplied by: an axis in (%) or (points) takes shares and draws percent."""
    return 100 if "(%)" in axis or "(points" in axis else 1


def round_ticks(span: float = 1.0) -> dict[str, Any]:
    """Ticks of a logarithmic axis of ``span`` powers of ten, since plotly writes some short."""
    ticks = [m * 10.0**k for k in range(-3, 9) for m in ((1, 2, 5) if span >= 1 else range(1, 10))]
    return {"tickvals": ticks, "ticktext": [written(t) for t in ticks]}


def points_of(line: Mapping[Any, Any] | Iterable[Any]) -> dict[Any, list[float]]:
    """By x the values that are there; a plain sequence begins at x = 1."""
    pairs = line.items() if isinstance(line, Mapping) else enumerate(line, 1)
    return {
        x: [] if y is None else [float(v) for v in y if v is not None] if _many(y) else [float(y)]
        for x, y in pairs
    }


def _many(value: Any) -> bool:
    return isinstance(value, Iterable) and not hasattr(value, "item")


def escaped(text: str) -> str:
    """Text for plotly, which reads HTML; its own few marks stay."""
    safe = html.escape(text, quote=False)
    for mark in ("sub", "/sub", "b", "/b", "br"):
        safe = safe.replace(f"&lt;{mark}&gt;", f"<{mark}>")
    return safe
