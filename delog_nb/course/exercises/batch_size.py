"""Exercises of lesson 7, Batch size."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import torch

from delog_nb.course.exercises import exercise


@exercise("uneven-positives")
def uneven_positives(answer: Callable[[Sequence[float], int, int], float]) -> str | None:
    """Expected positives of an anchor where classes are not equally frequent."""
    for _ in range(20):
        counts = torch.randint(1, 20, (random.randint(2, 6),)).double()
        counts[0] += 25  # far from even
        shares = (counts / counts.sum()).tolist()
        images, views = random.randint(2, 200), random.randint(1, 3)
        together = sum(share**2 for share in shares)  # chance that two images share their class
        right = views * (images - 1) * together + views - 1
        given = float(answer(list(shares), images, views))

        def near(value: float, given: float = given) -> bool:
            return math.isclose(given, value, rel_tol=1e-6, abs_tol=1e-9)

        if near(right):
            continue
        if near(views * (images - 1) / len(shares) + views - 1):
            return "that is for classes that are equally frequent: use their shares"
        if views > 1 and near(views * (images - 1) * together):
            return "the other views of the anchor's own image are missing: they are positives too"
        if near(views * images * together) or near(views * images * together - 1):
            return "the anchor's own image is not drawn once more: there are images - 1 others"
        if near((views * images - 1) * together):
            return "the other views of the anchor's own image are of its class for certain"
        return (
            f"for shares {', '.join(f'{share:.2f}' for share in shares)}, {images} images and "
            f"{views} views it is {right:.4f}, not {given:.4f}"
        )
    return None


@exercise("largest-batch")
def largest_batch(answer: Callable[[float, int], int]) -> str | None:
    """The largest batch, two views of each image, whose N x N tables fit."""
    for _ in range(20):
        megabytes, tables = random.uniform(0.1, 4000), random.randint(1, 8)
        room = megabytes * 1e6 / 4 / tables  # numbers in one table
        right = math.floor(math.sqrt(room) / 2)
        given = float(answer(megabytes, tables))
        said = f"for {tables} tables in {megabytes:.1f} MB"
        if given == right:
            continue
        if given == math.floor(math.sqrt(room)):
            return f"{said} it gives N, the number of views: each image has two"
        if given == math.floor(math.sqrt(4 * room) / 2):
            return f"{said} it gives {given:g}: a 32-bit number takes 4 bytes"
        if given == math.floor(math.sqrt(room * tables) / 2):
            return f"{said} it gives {given:g}, which is right for one table"
        if abs(given - math.sqrt(room) / 2) < 1:
            return f"{said} it gives {given:g}: the largest whole number that fits is {right}"
        return f"{said} the largest batch has {right} images, not {given:g}"
    return None
