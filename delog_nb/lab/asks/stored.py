"""What a page without a kernel needs of a cell: data that is kept beside the cell's outputs.

Jupyter shows an output's other forms, or nothing; the course's site reads this one.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from IPython.display import display

from delog_nb.lab.charts.exhibit import Exhibit

MIME = "application/vnd.delog-nb.site+json"
STORING = "DELOG_NB_STORING"  # set where outputs are made to be stored
MOST = 100  # figures of a cell; above it, one choice is varied at a time
_DIGITS = 6


class Stored:
    """Text where there is no page, HTML for Jupyter, and what the site makes its own form of."""

    def __init__(self, plain: str, data: Mapping[str, Any], html: str = "") -> None:
        self.plain, self.data, self.html = plain, data, html

    def __repr__(self) -> str:
        return self.plain

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        page = {"text/html": self.html} if self.html else {}
        return {"text/plain": self.plain, MIME: self.data} | page


def keep_every_figure(
    draw: Callable[..., Exhibit], offered: Mapping[str, tuple[str, Sequence[Any], Any]]
) -> None:
    """Where outputs are stored, keep what ``draw`` returns for all values, or one varied at a time.

    Args:
        draw: called with a value for each choice
        offered: by choice its label, values and default
    """
    if STORING not in os.environ:
        return
    import torch

    began = time.perf_counter()
    places = [values.index(default) for _, values, default in offered.values()]
    counts = [len(values) for _, values, _ in offered.values()]
    together = math.prod(counts) <= MOST
    wanted = (
        list(itertools.product(*map(range, counts)))
        if together
        else [
            (*places[:k], place, *places[k + 1 :])
            for k, count in enumerate(counts)
            for place in range(count)
            if place != places[k] or k == 0
        ]
    )
    figures = []
    with torch.random.fork_rng(devices=[]):  # the cells below draw what they draw without this
        for place in wanted:
            values = [own[p] for (_, own, _), p in zip(offered.values(), place, strict=True)]
            figures.append([place, drawn(draw(**dict(zip(offered, values, strict=True))))])
    bundle = {
        "choices": [
            [label, [text_of(v) for v in values], place, in_order(values)]
            for (label, values, _), place in zip(offered.values(), places, strict=True)
        ],
        "together": together,
        "figures": figures,
    }
    packed = gzip.compress(json.dumps(bundle, separators=(",", ":")).encode(), mtime=0)
    data = {"kind": "menus", "gzip": base64.b64encode(packed).decode()}  # a tenth of the bytes
    display({MIME: data}, raw=True, metadata={"seconds": time.perf_counter() - began})


def drawn(exhibit: Exhibit) -> dict[str, Any]:
    """An exhibit as data: its figure without the template, its sentence, and its folded table."""
    figure = json.loads(exhibit.figure.to_json())
    figure["layout"].pop("template", None)
    return {"figure": _rounded(figure), "says": exhibit.says, "table": exhibit.folded().html}


def text_of(value: Any) -> str:
    """A value as menus show it."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def in_order(values: Sequence[Any]) -> bool:
    """Whether values are numbers for a slider."""
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return numbers and len(values) > 2


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value
