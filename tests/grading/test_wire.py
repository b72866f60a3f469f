"""Data crosses a line as it is; whatever else comes is refused, and judged in bounded time."""

from __future__ import annotations

import io
import random
import socket
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from delog_nb.course.exercises import EXERCISES
from delog_nb.grading import wire


def sent(data: Any) -> Any:
    one, other = socket.socketpair()
    with one, other, other.makefile("rb") as heard:
        wire.send(one, [data])
        return wire.receive(heard)[0]


@pytest.mark.parametrize(
    "data",
    [
        None, True, 3, -(2**62), 0.1, float("inf"), "π\n\ud800", [], [[1], "a"], {"a": [1], "": {}},
        torch.rand(2, 3), torch.tensor(True), torch.zeros(0, 4), torch.rand(3).to(torch.bfloat16),
        torch.rand(2, dtype=torch.complex64), torch.arange(6).view(2, 3).T, [torch.rand(1)],
    ],
)  # fmt: skip
def test_data_crosses_a_line(data: Any) -> None:
    (given, shape), (came, as_shape) = tree_flatten(data), tree_flatten(sent(data))
    assert shape == as_shape
    for one, other in zip(given, came, strict=True):
        assert type(one) is type(other)
        if isinstance(one, Tensor):
            assert one.dtype == other.dtype
            assert torch.equal(one, other)
        else:
            assert one == other


def test_tuples_and_sets_come_as_lists() -> None:
    assert sent(((1, 2), {3}, frozenset({"a"}))) == [[1, 2], [3], ["a"]]


@pytest.mark.parametrize(
    "line",
    [
        b"", b"x", b"[", b"1", b'"a"', b"null", b"{", b"\xff", b"[NaN, x]", 10**5 * b"[",
        b"[" + 5000 * b"9" + b"]", b'[{"dict": 1}]', b'[{"dict": {}, "tensor": []}]', b"[{}]",
        b'[{"pickle": "gASVCg=="}]', b'[{"tensor": ["torch.float32", [2], "AAAAAA=="]}]',
        b'[{"tensor": ["torch.float32", [-1, -1], "AAAAAA=="]}]',
        b'[{"tensor": ["torch.float32", [1.0], "AAAAAA=="]}]',
        b'[{"tensor": ["torch.float32", "1", "AAAAAA=="]}]',
        b'[{"tensor": ["torch.float32", [1], "no base64"]}]',
        b'[{"tensor": ["torch.qint8", [1], "AA=="]}]', b'[{"tensor": ["os", [1], "AA=="]}]',
    ],
)  # fmt: skip
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        wire.receive(io.BytesIO(line + b"\n"), wire.LARGEST)


def test_a_line_has_an_end_and_a_largest_size() -> None:
    for line in (b"", b"[1]"):
        with pytest.raises(EOFError):
            wire.receive(io.BytesIO(line))
    with pytest.raises(ValueError, match="its replies have more than 1e-05 MB"):
        wire.receive(io.BytesIO(b"[1, 2, 3, 4]\n"), 10)


# shapes that would stretch each other, very many numbers, and sizes of networks
COSTLY = [
    [torch.rand(2, 10**5, 1), torch.rand(2, 1, 10**5), torch.rand(2, 1, 1)],
    [1.0, [[torch.rand(10**4, 1, 1, 1, 1)] * 4] * 2],
    [[torch.rand(10**5, 1), [torch.rand(10**4, 1, 1)] * 2]] * 5,
    torch.rand(10**5, 1, 1, 1), [[]] * 10**5, "a" * 10**6,
    {"pool": 2**40, "head_hidden": 2**40, "head_dim": 2**40}, {"pool": 1, "head_dim": 10**9},
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_no_reply_makes_its_judge_work_without_end(name: str) -> None:
    asked = EXERCISES[name]
    questions = asked.questions(random.Random(0))
    for reply in COSTLY:
        assert asked.judge(questions, [reply] * len(questions))
