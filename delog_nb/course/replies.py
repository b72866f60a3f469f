"""Replies to the questions of exercises: plain data, how it is read, what is said of a mistake."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterable
from functools import partial
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

MOST, DEEPEST = 10**6, 20  # numbers and characters in one reply; lists within each other


def names_in(value: Any) -> set[str]:
    """The names in a collection of names; TypeError for anything else, a single name too.

    Tensors among them would be compared with each other, at any cost.
    """
    if isinstance(value, str) or not all(isinstance(name, str) for name in value):
        raise TypeError
    return set(value)


class NotData(ValueError):
    """Something that is not plain data, or is too large."""


def as_data(value: Any) -> Any:
    """A copy of ``value`` as plain data, which can go to another process.

    That is bool, int, float, str, None, tensors, and lists, tuples, sets and dictionaries of them.
    NumPy's numbers and arrays become numbers and tensors. Tensors come to the CPU without a graph.

    Raises:
        NotData: a sentence that names what else came, or says that it is too large.

    >>> as_data({"mean": np.float64(0.5), "all": [1, None]})
    {'mean': 0.5, 'all': [1, None]}
    """
    left = MOST

    def plain(value: Any, depth: int) -> Any:
        nonlocal left
        if isinstance(value, np.generic):
            value = value.item()
        left -= max(1, _size(value))
        if left < 0:
            raise NotData(f"it returned more than {MOST:,} numbers")
        if depth > DEEPEST:
            raise NotData(f"it returned lists within lists, more than {DEEPEST} deep")
        if isinstance(value, int) and value.bit_length() > 63:
            raise NotData("it returned a whole number of more than 64 bits")
        if isinstance(value, np.ndarray):
            try:
                value = torch.from_numpy(value.copy())
            except TypeError:  # of text, or of anything
                value = value.tolist()
        if isinstance(value, Tensor) and value.layout is torch.strided and not value.is_meta:
            return value.detach().to("cpu", copy=True)  # a view would bring all that it views
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return str.__str__(value)  # its text, also where it is of an enum
        if isinstance(value, Real):
            return int(value) if isinstance(value, int) else float(value)
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {plain(key, depth): plain(item, depth + 1) for key, item in value.items()}
        for kind in (list, tuple, set, frozenset):
            if isinstance(value, kind):
                return kind(plain(item, depth + 1) for item in value)
        name = type(value).__name__
        article = "an" if name[0] in "aeiouAEIOU" else "a"
        raise NotData(f"it returned {article} {name}, and a number, text, list or tensor is wanted")

    return plain(value, 0)


def _size(value: Any) -> int:
    if isinstance(value, np.ndarray | Tensor):
        return math.prod(value.shape)
    return len(value) if isinstance(value, str) else 1


class Kind(NamedTuple):
    """What to return, in words, and how to read it: ``read`` raises where it is something else."""

    words: str
    read: Callable[[Any], Any]


def _anything(reply: Any) -> Any:
    return reply


def _number(reply: Any) -> float:
    found = reply.item() if isinstance(reply, Tensor) else reply
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise TypeError
    return found


def _number_or_none(reply: Any) -> float | None:
    return None if reply is None else _number(reply)


def _numbers(reply: Any) -> list[float]:
    if not isinstance(reply, list | tuple | Tensor):
        raise TypeError
    return [_number(item) for item in reply]


ANYTHING = Kind("give another kind of answer", _anything)
NUMBER = Kind("return a number", _number)
NUMBER_OR_NONE = Kind("return a number or None", _number_or_none)
NUMBERS = Kind("return a list of numbers", _numbers)
TENSOR = Kind("return a tensor", torch.as_tensor)


def shown(reply: Any) -> str:
    """A reply in a sentence, shortened."""
    return " ".join(reprlib.repr(reply).split())


def close(given: Any, right: Any, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Whether two tensors have one shape, and nearly the same numbers.

    `torch.allclose` alone would stretch a reply of another shape, to any size.
    """
    return bool(given.shape == right.shape) and torch.allclose(given, right, rtol=rtol, atol=atol)


def tell(
    given: float,
    right: float,
    mistakes: Iterable[tuple[float, str]],
    otherwise: str,
    rel_tol: float = 1e-6,
    abs_tol: float = 1e-9,
) -> str | None:
    """None where ``given`` is ``right``, else the first of ``mistakes`` that leads to it.

    Args:
        mistakes: numbers that known mistakes give, and what to say of them
        otherwise: what to say of any other number

    >>> tell(50, 0.5, [(50, "that is in per cent")], "it is 0.5")
    'that is in per cent'
    """
    near = partial(math.isclose, given, rel_tol=rel_tol, abs_tol=abs_tol)
    if near(right):
        return None
    return next((why for number, why in mistakes if near(number)), otherwise)
