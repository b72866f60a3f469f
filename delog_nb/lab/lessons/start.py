"""The course as a picture: a line with a station for each lesson."""

from __future__ import annotations

import html
import textwrap
from itertools import groupby
from pathlib import Path

import plotly.graph_objects as go

from delog_nb.course.syllabus import Lesson, lessons
from delog_nb.lab.charts.style import faded

# None of a method's colours: these stand for parts of the course. Names stand beside them.
_COLORS = {"The idea": "#5E4B8B", "The measurements": "#00748A", "The balance": "#8A5A00"}
_INK, _SOFT = "#1f2328", "#424a53"  # on white: 15.6 : 1 and 8.9 : 1
_LINE, _PAD = 20, 16  # pixels: a line of text, and between two stations
_MOST = 58  # letters in a line of a question
_IMAGE = 560  # pixels: stored as an image, it is read on narrow pages too
_LEFT, _TEXT = 22, 52  # pixels: the line of stations, and where texts begin


def course_map(folder: Path = Path()) -> go.Figure:
    """A station for every lesson in ``folder``, in order, with its question and minutes.

    Its numbers stand in the table that `delog_nb.lab.course` makes.
    """
    found = lessons(folder)
    figure = go.Figure()
    bottom, last = 0, 0  # pixels from the top of the plot: its end so far, its last station
    for group, members in groupby(found, key=lambda lesson: lesson.group):
        bottom, last = _draw_group(figure, group, list(members), bottom, last)
    minutes = sum(lesson.minutes for lesson in found)
    if not found:
        bottom = _LINE
    title = f"The course: {len(found)} lessons, {minutes} minutes"
    figure.update_layout(
        title={"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 18}},
        height=bottom + 60,
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        template="plotly_white",
        font={"size": 14, "color": _INK},
        showlegend=False,
        meta={"image_width": _IMAGE},
    )
    # places are pixels: from the top, and from the left; widths follow the page
    figure.update_xaxes(visible=False, range=[0, 1], fixedrange=True)
    figure.update_yaxes(visible=False, range=[bottom, 0], fixedrange=True)
    return figure


def _draw_group(
    figure: go.Figure, group: str, members: list[Lesson], top: int, before: int
) -> tuple[int, int]:
    """Draw a part of the course below ``top``; returns where it and its last station are.

    ``before`` is where the station before it is, 0 if there is none.
    """
    color = _COLORS[group]
    _write(figure, f"<b>{group.upper()}</b>", top + _PAD, 13, color)
    at = top + _PAD + _LINE + _PAD
    places = []
    for lesson in members:
        asked = _wrapped(lesson.question)
        places.append(at)
        _write(figure, f"<b>{html.escape(lesson.title)}</b>", at, 15, _INK)
        for number, line in enumerate(asked, 1):
            _write(figure, html.escape(line), at + number * _LINE, 14, _SOFT)
        figure.add_annotation(
            x=1, xshift=-10, y=at, text=f"{lesson.minutes} min", showarrow=False,
            xanchor="right", font={"size": 14, "color": _INK},
        )  # fmt: skip
        at += (1 + len(asked)) * _LINE + _PAD
    figure.add_shape(
        type="rect", x0=0, x1=1, y0=top + 4, y1=at - 4, layer="below", line_width=0,
        fillcolor=faded(color, 0.07),
    )  # fmt: skip
    lines = [((places[0], places[-1]), color, "solid")]
    if before:
        lines.append(((before, places[0]), _SOFT, "dot"))
    for (y0, y1), ink, dash in lines:
        figure.add_shape(
            type="line", x0=_LEFT, x1=_LEFT, y0=y0, y1=y1, xanchor=0, xsizemode="pixel",
            line={"color": ink, "width": 6 if dash == "solid" else 2, "dash": dash},
            layer="below",
        )  # fmt: skip
    for lesson, place in zip(members, places, strict=True):
        figure.add_shape(
            type="circle", x0=_LEFT - 14, x1=_LEFT + 14, y0=-14, y1=14, xanchor=0, yanchor=place,
            xsizemode="pixel", ysizemode="pixel", fillcolor="white",
            line={"color": color, "width": 3},
        )  # fmt: skip
        _write(figure, f"<b>{lesson.number}</b>", place, 14, _INK, at=_LEFT, anchor="center")
    return at, places[-1]


def _wrapped(question: str) -> list[str]:
    """Lines of about the same length."""
    lines = -(-len(question) // _MOST)
    return textwrap.wrap(question, min(_MOST, len(question) // max(1, lines) + 6))


def _write(
    figure: go.Figure,
    text: str,
    y: float,
    size: int,
    color: str,
    at: float = _TEXT,
    anchor: str = "left",
) -> None:
    """A text ``at`` pixels from the left and ``y`` from the top."""
    figure.add_annotation(
        x=0, xshift=at, y=y, text=text, showarrow=False, xanchor=anchor,
        font={"size": size, "color": color},
    )  # fmt: skip
