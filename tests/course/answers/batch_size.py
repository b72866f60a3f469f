"""Answers to the exercises of batch size."""

from __future__ import annotations

import math
from typing import Any


def together(shares: Any) -> float:
    return sum(share**2 for share in shares)


RIGHT: list[tuple[str, Any]] = [
    ("uneven-positives", lambda q, n, v: v * (n - 1) * together(q) + v - 1),
    ("uneven-positives", lambda q, n, v: sum(p * (v * (n - 1) * p + v - 1) for p in q)),
    ("largest-batch", lambda mb, t: int(math.sqrt(mb * 1e6 / t) / 4)),
]


WRONG: list[tuple[str, Any, str]] = [
    ("uneven-positives", lambda q, n, v: v * (n - 1) / len(q) + v - 1, "use their shares"),
    ("uneven-positives", lambda q, n, v: v * (n - 1) * together(q), "are positives too"),
    ("uneven-positives", lambda q, n, v: v * n * together(q), "there are images - 1 others"),
    ("uneven-positives", lambda q, n, v: (v * n - 1) * together(q), "for certain"),
    ("uneven-positives", lambda q, n, v: -1.0, "not -1.0000"),
    ("largest-batch", lambda mb, t: int(math.sqrt(mb * 1e6 / t) / 2), "each image has two"),
    ("largest-batch", lambda mb, t: 0, "not 0"),
    ("largest-batch", lambda mb, t: math.sqrt(mb * 1e6 / t) / 4, "whole number that fits"),
]
