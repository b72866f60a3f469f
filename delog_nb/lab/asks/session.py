"""Where a lesson runs: before a person or not, at its normal size or a quick one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pandas as pd
from IPython.display import display

from delog_nb.experiment import Experiment
from delog_nb.lab.charts.exhibit import Markup, table_html, words_of

PRESET_VARIABLE = "DELOG_NB_PRESET"

# What makes a run long or short. At another preset than their own, lessons leave it to the preset.
_SIZES = ("epochs", "limit", "width")


def experiment(**choices: Any) -> Experiment:
    """An `Experiment` of a lesson, of preset ``lesson`` or what `sized` says.

    >>> from delog_nb import lab
    >>> lab.experiment(method="bp").method_label
    'BP'
    """
    return Experiment(**({"preset": "lesson"} | sized(choices)))


def sized(choices: dict[str, Any]) -> dict[str, Any]:
    """``choices``, or where the environment variable DELOG_NB_PRESET names a preset, that preset's.

    Then ``epochs``, ``limit`` and ``width`` are the preset's too.
    """
    preset = os.environ.get(PRESET_VARIABLE)
    if not preset:
        return choices
    return {n: v for n, v in choices.items() if n not in _SIZES} | {"preset": preset}


def show_table(table: pd.DataFrame) -> None:
    """Display a table, texts to the left and numbers to the right; an index with a name stays.

    >>> from delog_nb import lab
    >>> lab.show_table(pd.DataFrame({"Way": ["BP"], "Flow": [5]}))
    Way  Flow
     BP     5
    """
    display(markup_of(table))


def markup_of(table: pd.DataFrame) -> Markup:
    """A table as `show_table` shows it."""
    if table.index.name:
        table = table.reset_index()
    return Markup(table_html(table, words_of(table)), table.to_string(index=False))


def prose(markup: str) -> str:
    """Text of a widget that may wrap: ipywidgets sets lines as far apart as rows of a form."""
    return f'<div style="line-height:1.4;margin:4px 0">{markup}</div>'


def wrong(markup: str) -> str:
    """What is wrong, in the colour of the page's text, since red is read badly on dark."""
    return prose(f'<b style="border-left:4px solid #c62828;padding-left:8px">{markup}</b>')


def display_data(*bundles: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Bundles by MIME type as an `Output` widget keeps them; set at once, nothing flickers."""
    # not `append_display_data`: a figure that IPython formats displays itself, outside the area
    return tuple({"output_type": "display_data", "data": d, "metadata": {}} for d in bundles)
