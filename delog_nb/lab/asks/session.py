"""Where a lesson runs: before a person or not, at its normal size or a quick one."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from IPython.core.getipython import get_ipython
from IPython.display import display

from delog_nb.experiment import Experiment
from delog_nb.lab.runs.report import table_html

PRESET_VARIABLE = "DELOG_NB_PRESET"

# What makes a run long or short. At another preset than their own, lessons leave it to the preset.
_SIZES = ("epochs", "limit", "width")


def headless() -> bool:
    """Whether no front end shows this cell: a script, nbval, papermill, ``jupyter execute``.

    A front end with a person before it lets a cell ask for input; programs that run notebooks say
    that they do not.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return True
    parent = kernel.get_parent("shell") or {}
    return not parent.get("content", {}).get("allow_stdin", False)


def experiment(**choices: Any) -> Experiment:
    """An `Experiment` of a lesson, of preset ``lesson`` or what `sized` says."""
    return Experiment(**({"preset": "lesson"} | sized(choices)))


def sized(choices: dict[str, Any]) -> dict[str, Any]:
    """``choices``, or where the environment variable DELOG_NB_PRESET names a preset, that preset's.

    Then ``epochs``, ``limit`` and ``width`` are the preset's too.
    """
    preset = os.environ.get(PRESET_VARIABLE)
    if not preset:
        return choices
    return {n: v for n, v in choices.items() if n not in _SIZES} | {"preset": preset}


def show(figure: go.Figure, table: pd.DataFrame) -> None:
    """Display a figure, and its numbers as a table below it."""
    display(figure)
    show_table(table)


def show_table(table: pd.DataFrame) -> None:
    """Display a table, texts to the left and numbers to the right; an index with a name stays."""
    display(table_bundle(table), raw=True)


def table_bundle(table: pd.DataFrame) -> dict[str, str]:
    """What `show_table` displays, by MIME type."""
    if table.index.name:
        table = table.reset_index()
    texts = [c for c in table.columns if not pd.api.types.is_numeric_dtype(table[c])]
    words = [c for c in texts if not table[c].astype(str).str.match(r"^[–−\d]").all()]
    return {"text/html": table_html(table, words), "text/plain": table.to_string(index=False)}


def figure_and_table(figure: go.Figure, table: pd.DataFrame) -> tuple[dict[str, Any], ...]:
    """Both as an `Output` widget keeps them; set at once, so that nothing flickers."""
    # not `append_display_data`: a figure that IPython formats displays itself, outside the area
    bundles = figure._repr_mimebundle_(), table_bundle(table)
    return tuple({"output_type": "display_data", "data": data, "metadata": {}} for data in bundles)
