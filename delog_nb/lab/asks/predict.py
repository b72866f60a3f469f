"""Predict, run, compare: a learner's prediction is kept, and shown beside what came out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import display

from delog_nb.data.cache import cache_dir
from delog_nb.instruments.errors import ReadError
from delog_nb.instruments.files import read_json, write_atomically
from delog_nb.lab.asks.session import markup_of
from delog_nb.lab.asks.stored import Stored
from delog_nb.lab.charts.played import headless

_NOTHING_YET = "nothing yet"


def _path() -> Path:
    return cache_dir() / "predictions.json"


def kept() -> dict[str, str]:
    """All predictions of this learner, by question."""
    try:
        found = read_json(_path())
    except ReadError:
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def keep(question: str, prediction: str) -> None:
    """Remember a prediction, also for later sessions."""
    with write_atomically(_path()) as file:
        file.write(json.dumps(kept() | {question: prediction}, indent=1).encode())


def predict(question: str, options: Sequence[str]) -> None:
    """Ask for a prediction, with buttons; without a front end, print the question.

    >>> from delog_nb import lab
    >>> lab.predict("Which is faster?", ["BP", "AL"])
    Which is faster? (BP / AL)
    """
    if headless():
        line = f"{question} ({' / '.join(options)})"
        data = {"kind": "predict", "question": question, "options": list(options)}
        display(Stored(line, data))
        return
    import ipywidgets as widgets

    before = kept().get(question)
    buttons = widgets.RadioButtons(
        options=list(options),
        value=before if before in options else None,
        layout={"width": "max-content"},
    )

    def on_choice(change: Any) -> None:
        keep(question, change["new"])

    buttons.observe(on_choice, "value")
    display(widgets.VBox([widgets.HTML(f"<b>{question}</b>"), buttons]))


def outcome(question: str, answer: str) -> None:
    """Show the prediction that was made for ``question`` beside what came out.

    >>> from delog_nb import lab
    >>> lab.outcome("Which is faster?", "BP")  # doctest: +ELLIPSIS
            Question You predicted It came out
    ...
    """
    table = pd.DataFrame(
        {
            "Question": [question],
            "You predicted": [kept().get(question, _NOTHING_YET)],
            "It came out": [answer],
        }
    )
    shown = markup_of(table)
    data = {"kind": "outcome", "question": question, "answer": answer}
    display(Stored(shown.plain, data, shown.html))
