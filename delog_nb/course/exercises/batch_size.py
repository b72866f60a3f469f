"""Exercises of lesson 7, Batch size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from delog_nb.course.exercises import Question, exercise, many
from delog_nb.course.replies import tell


def _uneven_batch(rng: Random) -> Question:
    counts = [rng.randint(1, 19) for _ in range(rng.randint(2, 6))]
    counts[0] += 25  # far from even
    return [count / sum(counts) for count in counts], rng.randint(2, 200), rng.randint(1, 3)


@exercise("uneven-positives", many(20, _uneven_batch))
def uneven_positives(given: float, shares: Sequence[float], images: int, views: int) -> str | None:
    """Expected positives of an anchor where classes are not equally frequent."""
    together = sum(share**2 for share in shares)  # chance that two images share their class
    even, others = views * (images - 1) / len(shares), views * (images - 1) * together
    again = "the anchor's own image is not drawn once more: there are images - 1 others"
    mistakes = [
        (even + views - 1, "that is for classes that are equally frequent: use their shares"),
        (
            others,
            "the other views of the anchor's own image are missing: they are positives too",
        ),
        (views * images * together, again),
        (views * images * together - 1, again),
        (
            (views * images - 1) * together,
            "the other views of the anchor's own image are of its class for certain",
        ),
    ]
    right = others + views - 1
    otherwise = (
        f"for shares {', '.join(f'{share:.2f}' for share in shares)}, {images} images and "
        f"{views} views it is {right:.4f}, not {given:.4f}"
    )
    return tell(given, right, mistakes, otherwise)


@exercise("largest-batch", many(20, lambda rng: (rng.uniform(0.1, 4000), rng.randint(1, 8))))
def largest_batch(given: float, megabytes: float, tables: int) -> str | None:
    """The largest batch, two views of each image, whose N x N tables fit."""
    numbers = megabytes * 1e6 / 4  # 32 bits each
    views = math.sqrt(numbers / tables)
    right, said = math.floor(views / 2), f"for {tables} tables in {megabytes:.1f} MB"
    mistakes = [
        (math.floor(views), f"{said} it gives N, the number of views: each image has two"),
        (
            math.floor(math.sqrt(numbers) / 2),
            f"{said} it gives {given:g}, which is right for one table",
        ),
    ]
    otherwise = (
        f"{said} it gives {given:g}: the largest whole number that fits is {right}"
        if abs(given - views / 2) < 1
        else f"{said} the largest batch has {right} images, not {given:g}"
    )
    return tell(given, right, mistakes, otherwise, rel_tol=0, abs_tol=0)
