"""The closing quiz: a claim, the learner's guess, and then what the runs say."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from IPython.display import display

from delog_nb.course.assessing import VERDICTS, Assessment
from delog_nb.lab.asks.predict import keep, kept
from delog_nb.lab.asks.session import display_data, markup_of, show_table
from delog_nb.lab.charts.played import headless
from delog_nb.lab.runs.claims import findings_table

_GUESS = "choose one"


def quiz_question(found: Sequence[Assessment], number: str) -> None:
    """Ask whether the claim ``number`` holds in ``found``; the answer appears after the guess.

    Without a front end, print the claim and show the answer below it.

    >>> from delog_nb import lab
    >>> lab.quiz_question(lab.checklist(lab.evidence()), "1")  # doctest: +ELLIPSIS
    1. ... (holds / does not hold / ...)
    ...
    """
    assessment = _of(found, number)
    if headless():
        print(f"{number}. {assessment.claim.text} ({' / '.join(VERDICTS)})")  # noqa: T201
        show_table(findings_table([assessment]))
        display(_said(assessment, None), raw=True)
        return
    import ipywidgets as widgets

    claim = assessment.claim
    asked = widgets.HTML(
        f"<b>{number}. {html.escape(claim.text)}</b><br>({html.escape(claim.source)})"
    )
    before = kept().get(_question(assessment))
    buttons = widgets.RadioButtons(
        options=list(VERDICTS),
        value=before if before in VERDICTS else None,
        layout={"width": "max-content"},
    )
    area = widgets.Output()

    def show(guess: str) -> None:
        table = markup_of(findings_table([assessment])).bundle()
        area.outputs = display_data(_said(assessment, guess), table)

    def on_choice(change: Any) -> None:
        keep(_question(assessment), change["new"])
        show(change["new"])

    buttons.observe(on_choice, "value")
    if before in VERDICTS:
        show(before)
    display(widgets.VBox([asked, buttons, area]))


def quiz_score(found: Sequence[Assessment]) -> str:
    """How many guesses of the quiz agree with the verdicts, in one sentence.

    >>> from delog_nb import lab
    >>> lab.quiz_score([])
    'No guess yet: choose an answer above, then run this cell again.'
    """
    guesses = {a.claim.number: kept().get(_question(a)) for a in found}
    made = [a for a in found if guesses[a.claim.number] in VERDICTS]
    if not made:
        return "No guess yet: choose an answer above, then run this cell again."
    right = sum(guesses[a.claim.number] == a.verdict for a in made)
    rest = f" {len(found) - len(made)} are still to be guessed." if len(made) < len(found) else ""
    return f"{right} of your {len(made)} guesses agree with the runs.{rest}"


def _of(found: Sequence[Assessment], number: str) -> Assessment:
    for assessment in found:
        if assessment.claim.number == number:
            return assessment
    numbers = ", ".join(a.claim.number for a in found) or "none"
    raise ValueError(f"there is no claim {number}: there are {numbers}")


def _question(assessment: Assessment) -> str:
    return f"Quiz: {assessment.claim.text}"


def _said(assessment: Assessment, guess: str | None) -> dict[str, str]:
    """Verdict, guess and explanation, as a notebook displays them."""
    agreed = "" if guess is None else (" You agree." if guess == assessment.verdict else
                                       f" Your guess: {guess}.")  # fmt: skip
    verdict = f"{assessment.verdict}".capitalize()
    rest = f"{agreed} {assessment.claim.why} Tested on {assessment.where}."
    return {
        "text/html": f"<p><b>{html.escape(verdict)}.</b>{html.escape(rest)}</p>",
        "text/plain": f"{verdict}.{rest}",
    }
