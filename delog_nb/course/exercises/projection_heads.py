"""Exercises of lesson 6, Projection heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import torch
from torch import Tensor

from delog_nb.course.exercises import Question, exercise, many, seeded
from delog_nb.course.replies import ANYTHING, close


def _images(rng: Random) -> Question:
    """Images, their mirror images, the images after a quarter turn, and with a part mirrored."""
    count, side = rng.randint(2, 6), rng.choice((4, 6, 8))
    # some lighter than others, so that a mean alone tells them apart
    light = torch.linspace(0.3, 1, count).view(-1, 1, 1, 1)
    images = light * torch.rand(count, rng.choice((1, 3)), side, side)
    partly = images.clone()
    partly[..., 0, :] = partly[..., 0, :].flip(-1)  # one row: image and mirror have the same sum
    return images, images.flip(-1), images.rot90(1, (2, 3)), partly


def _features(answer: Callable[[Tensor], Tensor], *batches: Tensor) -> list[Tensor]:
    return [answer(batch) for batch in batches]


@exercise(
    "blind-to-mirrors",
    many(5, _images),
    _features,
    ANYTHING._replace(words="return features, a tensor"),
)
def blind_to_mirrors(given: list[Tensor], images: Tensor, *_: Tensor) -> str | None:
    """Features (B, D) that are the same for an image and its mirror, and keep the rest."""
    found, mirrored, turned, partly = given
    if not isinstance(found, Tensor) or found.ndim == 0 or len(found) != len(images):
        return f"return a tensor with a row for each of the {len(images)} images"
    if not close(found, mirrored, atol=1e-4):
        return "the features of an image and of its mirror differ: nothing may tell them apart"
    if close(found[0], found[1], atol=1e-3):
        return "two different images get the same features: forget the mirror, keep the rest"
    if close(found, turned, atol=1e-3):
        return "the features are blind to quarter turns too: forget no more than the mirror"
    if found.flatten(1).shape[1] < images[0].numel() // 2:
        return (
            f"{found.flatten(1).shape[1]} features are left of {images[0].numel()} pixels: a "
            f"mirror needs no more than half of them to be given up"
        )
    if close(found, partly, atol=1e-3):
        return (
            "half way: an image with one row mirrored gets the same features, as it does from the "
            "sum of an image and its mirror: what is left is to keep which pixels stand together"
        )
    return None


def _sorted_images(rng: Random) -> Question:
    """Images class by class, and their classes."""
    classes, each = rng.randint(4, 8), 4 * rng.randint(10, 15)
    labels = torch.arange(classes).repeat_interleave(each)
    return torch.rand(len(labels), rng.choice((1, 3)), 5, 5), labels


def _drawn(answer: Callable[[Tensor, Tensor], Any], images: Tensor, labels: Tensor) -> Any:
    with seeded(0):  # an answer may draw
        return answer(images, labels)


@exercise(
    "honest-question",
    many(4, _sorted_images),
    _drawn,
    ANYTHING._replace(words="return two tensors: the turned images and the answers"),
)
def honest_question(given: Any, images: Tensor, labels: Tensor) -> str | None:
    """Images turned by quarters, answers that the class does not tell."""
    turned, answers = given
    if turned.shape != images.shape or answers.shape != labels.shape:
        return f"return {len(images)} images and an answer for each of them"
    if not set(answers.tolist()) <= {0, 1, 2, 3}:
        return "an answer is a number of quarter turns: 0, 1, 2 or 3"
    right = [image.rot90(int(k), (1, 2)) for image, k in zip(images, answers, strict=True)]
    if wrong := [k for k in range(len(images)) if not close(turned[k], right[k])]:
        return f"image {wrong[0]} is not turned by its answer, {int(answers[wrong[0]])} quarters"
    counts = torch.stack([answers[labels == c].bincount(minlength=4) for c in labels.unique()])
    if not counts.sum(0).all():
        return "not every answer is given: then a probe that never saw an image could do without it"
    share = counts / counts.sum(1, keepdim=True)
    if share.max() > 0.6:
        c, k = divmod(int(share.argmax()), 4)
        return (
            f"{share[c, k]:.0%} of the images of class {c} are turned by {k} quarters: who knows "
            f"the class knows the answer, and that is what a probe will read"
        )
    return None


def _batches(rng: Random) -> list[Question]:
    """Labels and image numbers of batches of two views, and accuracies of four networks."""
    found = []
    for count in (12, 30):
        samples = torch.randperm(500)[:count].repeat(2)
        labels = torch.randint(0, 3, (count,)).repeat(2)
        accuracies = [[rng.uniform(0.3, 0.9) for _ in range(4)] for _ in range(40)]
        found.append((labels, samples, accuracies))
    return found


def _design(
    answer: Mapping[str, Callable[..., Any]],
    labels: Tensor,
    samples: Tensor,
    accuracies: list[list[float]],
) -> dict[str, Any]:
    return {
        "labels": answer["labels"](labels, samples),
        "support": [answer["support"](*four) for four in accuracies],
    }


@exercise(
    "silent-labels",
    _batches,
    _design,
    ANYTHING._replace(words='give a dictionary with two functions, "labels" and "support"'),
)
def silent_labels(
    given: dict[str, Any], labels: Tensor, _: Tensor, accuracies: list[list[float]]
) -> str | None:
    """Labels that say nothing of the class, and what would support a guess about them."""
    own = given["labels"]
    if not isinstance(own, Tensor) or own.shape != labels.shape:
        return f"labels: return a tensor with a label for each of the {len(labels)} views"
    half = len(own) // 2
    if not torch.equal(own[:half], own[half:]):
        return "labels: the two views of an image must keep one label, or no view has a positive"
    if torch.equal(own[:, None] == own, labels[:, None] == labels):
        return "labels: these are the classes still, under other names"
    if len(own[:half].unique()) < half:
        return (
            "labels: different images share a label, so that the loss still makes clusters of "
            "images, if only of random ones: give each image a label of its own"
        )
    return _supports(given["support"], accuracies)


def _supports(given: list[float], accuracies: list[list[float]]) -> str | None:
    def signs(values: list[float]) -> list[bool]:
        return [value > 0 for value in values]

    right = [(m - n) - (own_m - own_n) for m, n, own_m, own_n in accuracies]
    mistakes = {
        "it has the sign turned around: positive is to speak for the guess": [-v for v in right],
        "it compares the heads under the classes alone, which is where the guess came from: "
        "the other labels have to enter": [m - n for m, n, *_ in accuracies],
        "it compares the heads under silent labels alone: a gap there means nothing without the "
        "gap under the classes beside it": [own_n - own_m for *_, own_m, own_n in accuracies],
        "it compares labels without a head alone: other labels change what any network learns, "
        "so see how much they change it with a head too": [o - n for _, n, _, o in accuracies],
    }
    if signs(given) == signs(right):
        return None
    told = next((why for why, v in mistakes.items() if signs(given) == signs(v)), None)
    return f"support: {told}" if told else (
        "support: return how much larger the gap between MLP and no head is under the classes "
        "than under silent labels"
    )  # fmt: skip
