"""Predict, run, compare: a learner's prediction is kept, and shown beside what came out."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from IPython.display import display
from jinja2 import Template

from delog_nb.data.cache import cache_dir
from delog_nb.instruments.errors import ReadError
from delog_nb.instruments.files import read_json, write_atomically
from delog_nb.lab.asks.session import display_data, prose
from delog_nb.lab.asks.stored import Stored
from delog_nb.lab.charts.exhibit import Exhibit, Markup
from delog_nb.lab.charts.played import headless

_TOLD = Template(
    "<p>It came out: <b>{{ answer }}</b>. "
    "{% if guess %}You predicted: <b>{{ guess }}</b>.{% else %}You made no prediction.{% endif %}"
    "</p>",
    autoescape=True,
)
_FOLDED = Template(
    "<details><summary>What came out: {{ question }}</summary>{{ told | safe }}</details>",
    autoescape=True,
)
_options: dict[str, list[str]] = {}  # by question, of this session


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

    `outcome` tells what came out, to those who have predicted.

    >>> from delog_nb import lab
    >>> lab.predict("Which is faster?", ["BP", "AL"])
    Which is faster? (BP / AL)
    """
    _options[question] = list(options)
    if headless():
        line = f"{question} ({' / '.join(options)})"
        data = {"kind": "predict", "question": question, "options": list(options)}
        display(Stored(line, data))
        return
    display(_buttons(question, lambda: None))


def outcome(question: str, answer: str, *exhibits: Exhibit) -> None:
    """Tell what came out beside the prediction, and show the exhibits that bear it out.

    Before a person who has not predicted yet, the question stands in their place. Without a
    front end, and on a page, what came out is folded.

    Args:
        question: that `predict` asked
        answer: what came out
        exhibits: shown with it

    >>> from delog_nb import lab
    >>> lab.outcome("Which is faster?", "BP")
    Which is faster? It came out: BP. You made no prediction.
    """
    if headless():
        told = _told(question, answer)
        data = {"kind": "outcome", "question": question, "answer": answer}
        display(Stored(told.plain, data, _FOLDED.render(question=question, told=told.html)))
        for exhibit in exhibits:
            display(exhibit)
        return
    import ipywidgets as widgets

    area = widgets.Output()

    # made here: where a button calls back no cell runs, and figures to play with would stand still
    bundles = [bundle for exhibit in exhibits for bundle in exhibit.now()]

    def reveal() -> None:
        area.outputs = display_data(_told(question, answer).bundle(), *bundles)
        asked.layout.display = "none"

    asked = _buttons(question, reveal, skip=True)
    display(widgets.VBox([asked, area]))
    if question in kept():
        reveal()


def _buttons(question: str, on_answer: Callable[[], None], skip: bool = False) -> Any:
    """The question with its options, which keep what is chosen; with ``skip`` a way past them."""
    import ipywidgets as widgets

    options, before = _options.get(question, []), kept().get(question)
    buttons = widgets.RadioButtons(
        options=options,
        value=before if before in options else None,
        layout={"width": "max-content"},
    )

    def on_choice(change: Any) -> None:
        keep(question, change["new"])
        on_answer()

    buttons.observe(on_choice, "value")
    text = f"<b>{html.escape(question)}</b>"
    waits = f"What came out is shown when you have predicted.<br>{text}"
    shown = [widgets.HTML(prose(waits if skip else text)), buttons]
    if not skip:
        return widgets.VBox(shown)
    past = widgets.Button(description="Show it without")
    past.on_click(lambda _: on_answer())
    return widgets.VBox([*shown, past])


def _told(question: str, answer: str) -> Markup:
    """What came out beside what was predicted."""
    guess = kept().get(question, "")
    page = _TOLD.render(answer=answer, guess=guess)
    told = f"You predicted {guess}." if guess else "You made no prediction."
    return Markup(page, f"{question} It came out: {answer}. {told}")
