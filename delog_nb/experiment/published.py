"""Test errors that papers report, each with what it was made with."""

from __future__ import annotations

import csv
from pathlib import Path

FIGURES = Path(__file__).parents[1] / "methods" / "published.csv"


def published(method: str = "") -> list[dict[str, str]]:
    """The figures of ``method``, or of all, in the order of the file.

    Each says its method, dataset, net, components (1: end to end), test_error (%), epochs,
    image_size (pixels), width, views, selection (of the epoch that is reported) and source.

    >>> [figure["test_error"] for figure in published("gim")]
    ['18.1']
    """
    with FIGURES.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if method in ("", row["method"])]
