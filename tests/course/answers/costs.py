"""Answers to the exercises of costs."""

from __future__ import annotations

from typing import Any

RIGHT: list[tuple[str, Any]] = [
    ("bytes-of-a-step", lambda counts: 12 * sum(counts) + 4 * max(counts)),
    ("lean-heads", {"pool": 4}),
    ("lean-heads", {"pool": 4, "head_hidden": 256, "head_dim": 128}),
    ("lean-heads", {"pool": 2}),
    ("best-pipeline", lambda bp, components: bp / max(components)),
]


WRONG: list[tuple[str, Any, str]] = [
    ("bytes-of-a-step", lambda counts: 16 * sum(counts), "how many components have gradients"),
    ("bytes-of-a-step", lambda counts: 12 * sum(counts), "gradients take memory too"),
    ("bytes-of-a-step", lambda counts: 3 * sum(counts) + max(counts), "a number takes 4 bytes"),
    ("bytes-of-a-step", lambda counts: 4 * sum(counts), "counting live tensors gives"),
    ("lean-heads", 4, "give a dictionary with some of the keys 'pool'"),
    ("lean-heads", {"head": "identity"}, "give a dictionary with some of the keys 'pool'"),
    ("lean-heads", {"pool": -1}, "pool = -1 is not allowed"),
    ("lean-heads", {"pool": 4, "head_hidden": 64}, "keep at least 128 hidden units"),
    ("lean-heads", {"head_dim": 128}, "times as many as BP"),
    ("best-pipeline", lambda bp, c: bp * len(c) / sum(c), "components are not equally fast"),
    ("best-pipeline", lambda bp, c: bp / sum(c), "and a simulated pipeline of 400 batches is"),
    ("best-pipeline", lambda bp: bp, "it raised TypeError"),
]
