"""Data between the process that judges and those that run answers: a line of JSON each.

Reading it runs nothing. What comes from an answer may be anything, so its size is bounded before it
is read. Tuples and sets come as lists, so no set is made of what was chosen to make that slow.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from socket import socket
from typing import Any, BinaryIO

import torch
import torch._dynamo  # else PyTorch loads it in a second of each answer that needs it
from torch import Tensor

LARGEST = 8 * 10**6  # bytes of a line that comes from an answer
_DTYPES = {
    str(dtype): dtype
    for dtype in vars(torch).values()
    if isinstance(dtype, torch.dtype) and not str(dtype).startswith(("torch.q", "torch.bits"))
}


def send(line: socket, data: Sequence[Any]) -> None:
    """Write plain data, as `delog_nb.course.replies.as_data` gives it."""
    line.sendall(json.dumps(_encoded(data)).encode() + b"\n")


def receive(line: BinaryIO, most: int = -1) -> list[Any]:
    """Read what `send` wrote, of less than so many bytes.

    Raises:
        EOFError: the other side has ended.
        ValueError: it is something else, or too much.
    """
    content = line.readline(most)
    if len(content) == most:
        raise ValueError(f"its replies have more than {most / 1e6:g} MB")
    if not content.endswith(b"\n"):
        raise EOFError
    try:
        data = _decoded(json.loads(content))
    except Exception as error:
        raise ValueError(f"what came is no data: {type(error).__name__}") from error
    if not isinstance(data, list):
        raise ValueError("what came is no list")
    return data


def _encoded(data: Any) -> Any:
    if isinstance(data, Tensor):
        content = data.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        text = base64.b64encode(content).decode()
        return {"tensor": [str(data.dtype), list(data.shape), text]}
    if isinstance(data, dict):
        return {"dict": {key: _encoded(item) for key, item in data.items()}}
    if isinstance(data, list | tuple | set | frozenset):
        return [_encoded(item) for item in data]
    return data


def _decoded(node: Any) -> Any:
    if isinstance(node, list):
        return [_decoded(item) for item in node]
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    if kind == "dict":
        return {key: _decoded(item) for key, item in content.items()}
    dtype, shape = _DTYPES[content[0]], content[1]
    held = bytearray(base64.b64decode(content[2], validate=True))
    if len(held) != math.prod(shape) * dtype.itemsize:
        raise ValueError
    flat = torch.frombuffer(held, dtype=dtype) if held else torch.empty(0, dtype=dtype)
    return flat.reshape(shape)
