"""Answers to the exercises of costs."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F

from delog_nb.components import Batch


def shares(model: Any, x: Any, y: Any, size: int) -> None:
    for start in range(0, len(x), size):
        rows, labels = x[start : start + size], y[start : start + size]
        (F.cross_entropy(model(rows), labels, reduction="sum") / len(y)).backward()


def pieces_alike(model: Any, x: Any, y: Any, size: int) -> None:
    for rows, labels in zip(x.split(size), y.split(size), strict=True):
        (F.cross_entropy(model(rows), labels) / len(x.split(size))).backward()


def summed(model: Any, x: Any, y: Any, size: int) -> None:
    for rows, labels in zip(x.split(size), y.split(size), strict=True):
        F.cross_entropy(model(rows), labels).backward()


def over_samples(model: Any, x: Any, y: Any, size: int) -> None:
    for rows, labels in zip(x.split(size), y.split(size), strict=True):
        F.cross_entropy(model(rows), labels, reduction="sum").backward()


def at_once(model: Any, x: Any, y: Any, size: int) -> None:
    F.cross_entropy(model(x), y).backward()


def forgotten(model: Any, x: Any, y: Any, size: int) -> None:
    F.cross_entropy(model(x[:size]), y[:size])


def first_piece(model: Any, x: Any, y: Any, size: int) -> None:
    (F.cross_entropy(model(x[:size]), y[:size]) * 0.3).backward()


def flat(parts: Any, views: Any, labels: Any, update: Any) -> list[float]:
    r, batch, means = views, Batch.of(labels), []
    for part in parts:
        r, batch, loss = part(r.detach(), batch)
        means.append(r.detach().abs().mean().item())
        loss.backward()
        update(part)
    return means


def as_it_was(parts: Any, views: Any, labels: Any, update: Any) -> list[Any]:
    r, batch, features = views, Batch.of(labels), []
    for part in parts:
        r, batch, loss = part(r, batch)
        loss.backward(retain_graph=True)
        update(part)
        features.append(r)
    return [r.abs().mean() for r in features]


def late(parts: Any, views: Any, labels: Any, update: Any) -> list[Any]:
    means = flat(parts, views, labels, lambda part: None)
    for part in parts:
        update(part)
    return means


def half(parts: Any, views: Any, labels: Any, update: Any) -> list[Any]:
    r, batch, features = views, Batch.of(labels), []
    for part in parts:
        r, batch, loss = part(r.detach(), batch)
        loss.backward(retain_graph=True)
        update(part)
        features.append(r)
    return [r.abs().mean() for r in features]


def kept_detached(parts: Any, views: Any, labels: Any, update: Any) -> list[Any]:
    r, batch, features = views, Batch.of(labels), []
    for part in parts:
        r, batch, loss = part(r.detach(), batch)
        loss.backward()
        update(part)
        features.append(r.detach())
    return [r.abs().mean() for r in features]


def without_means(parts: Any, views: Any, labels: Any, update: Any) -> list[float]:
    return [0.0 for _ in flat(parts, views, labels, update)]


def one_update(parts: Any, views: Any, labels: Any, update: Any) -> list[float]:
    flat(parts, views, labels, lambda part: None)
    update(parts[-1])
    return []


def twice_the_loss(parts: Any, views: Any, labels: Any, update: Any) -> list[float]:
    r, batch, means = views, Batch.of(labels), []
    for part in parts:
        r, batch, loss = part(r.detach(), batch)
        (2 * loss).backward()
        update(part)
        means.append(r.detach().abs().mean().item())
    return means


RIGHT: list[tuple[str, Any]] = [
    ("exact-accumulation", shares),
    ("flat-step", flat),
    ("cut-that-pays", {"depth": 16, "pool": 4, "head_hidden": 128}),
    ("cut-that-pays", {"depth": 24, "pool": 2, "head_hidden": 256, "head_dim": 128}),
]


WRONG: list[tuple[str, Any, str]] = [
    ("exact-accumulation", pieces_alike, "count alike, also the last one"),
    ("exact-accumulation", summed, "the sum of the pieces' means"),
    ("exact-accumulation", over_samples, "a sum over samples"),
    ("exact-accumulation", at_once, "the model sees 50 rows at once"),
    ("exact-accumulation", forgotten, "the parameters have no gradient"),
    ("exact-accumulation", first_piece, "not that of the mean loss"),
    ("exact-accumulation", None, "it raised TypeError"),
    ("flat-step", as_it_was, "detach what goes in"),
    ("flat-step", late, "update each before the next begins"),
    ("flat-step", half, "what is still kept alive from below"),
    ("flat-step", kept_detached, "what is still kept alive from below"),
    ("flat-step", without_means, "not those of each component's output"),
    ("flat-step", one_update, "update was called 1 times, and there are 3"),
    ("flat-step", twice_the_loss, "is not that of its own loss"),
    ("cut-that-pays", 4, "give a dictionary with some of the keys 'depth'"),
    ("cut-that-pays", {"head": "identity"}, "give a dictionary with some of the keys 'depth'"),
    ("cut-that-pays", {"pool": -1}, "pool = -1 is not allowed"),
    ("cut-that-pays", {"depth": 16, "pool": 4, "head_hidden": 64}, "keep at least 128 hidden"),
    ("cut-that-pays", {"depth": 40, "pool": 2}, "take at most 32 blocks"),
    ("cut-that-pays", {"depth": 8}, "which choice makes them fewer?"),
    ("cut-that-pays", {"pool": 4}, "how many blocks' features does the cut let go of?"),
]
