"""What a network says after each block, and what it costs to leave where that is sure enough.

All of it goes over the ways out that a method has (`delog_nb.components.Method.ways_out`).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from delog_nb.components import Method
from delog_nb.components.batch import rows_of
from delog_nb.data import ImageData, Views
from delog_nb.experiment import ExperimentError
from delog_nb.training import EVALUATION_BATCH, Run, evaluating

# logits (B, K) of this exit and of the one before, None at the first -> who leaves, (B,)
Rule = Callable[[Tensor, Tensor | None], Tensor]


def confident(threshold: float) -> Rule:
    """Leave where the largest softmax probability is above ``threshold``, 0 to 1.

    >>> confident(0.8)(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), None).tolist()
    [True, False]

    Raises:
        ExperimentError: the threshold is no probability.
    """
    if not 0 <= threshold <= 1:
        raise ExperimentError(f"threshold = {threshold} is not allowed: a number from 0 to 1")

    def leaves(logits: Tensor, before: Tensor | None) -> Tensor:  # noqa: ARG001
        return logits.softmax(1).amax(1) > threshold

    return leaves


def agreeing(cosine: float = 0.8) -> Rule:
    """Leave where this exit and the one before name one class, with logits in nearly one direction.

    The cosine of the angle between their logits is above ``cosine``; exit 2 is the earliest. It is
    the rule of DeInfoReg's code (2024) with a patience of one, asked of each image: that code asks
    it of a whole batch, which is the same for batches of one image.

    >>> before = torch.tensor([[2.0, 1, 0], [0, 1, 3]])
    >>> agreeing()(torch.tensor([[1.0, 0, 0], [1, 2, 0]]), before).tolist()
    [True, False]

    Raises:
        ExperimentError: ``cosine`` is none.
    """
    if not -1 <= cosine <= 1:
        raise ExperimentError(f"cosine = {cosine} is not allowed: a number from -1 to 1")

    def leaves(logits: Tensor, before: Tensor | None) -> Tensor:
        if before is None:
            return torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
        same = logits.argmax(1) == before.argmax(1)
        return same & (F.cosine_similarity(logits, before, dim=1) > cosine)

    return leaves


class Answers(NamedTuple):
    """Logits (B, K) and, for each image, the component whose way out gave them, from 1: (B,)."""

    logits: Tensor
    exits: Tensor


def leave_early(method: Method, images: Tensor, rule: Rule) -> Answers:
    """Each image goes up until an exit is sure of it; the last one answers for all that are left.

    What has left is computed no further: later blocks see the remaining images alone. A component
    without a way out is passed. It is done in evaluation mode, where the images of a batch do not
    change one another.

    Args:
        method: one whose last component has a way out
        images: (B, C, H, W), normalised
        rule: who leaves: `confident`, `agreeing`, or another

    Raises:
        ExperimentError: the last component has no way out.
    """
    steps = list(zip(method.parts(), method.ways_out(), strict=True))
    if steps[-1][1] is None:
        raise ExperimentError("the last component has no way out: nothing answers for all images")
    r, inside = images, torch.arange(len(images), device=images.device)
    before: Tensor | None = None
    left: list[tuple[Tensor, Tensor, Tensor]] = []  # who, with which logits, at which exit
    with evaluating(method):
        for number, (part, way) in enumerate(steps, 1):
            r = part.layers(r)
            if way is None:
                continue
            said = way(r)
            leaves = said.new_ones(len(said)).bool() if number == len(steps) else rule(said, before)
            who = inside[leaves]
            left.append((who, said[leaves], torch.full_like(who, number)))
            stay = ~leaves
            if not stay.any():
                break
            r, before, inside = rows_of(stay, r, len(inside)), said[stay], inside[stay]
    who, logits, exits = (torch.cat(parts) for parts in zip(*left, strict=True))
    order = who.argsort()
    return Answers(logits[order], exits[order])


def multiply_adds(method: Method, image: tuple[int, ...]) -> list[int]:
    """Multiplications, each with an addition, of an image (C, H, W) that leaves at component l.

    For l = 1, 2, ...: of the blocks up to there and of every way out that was tried.
    Convolutions and matrix products are counted.
    """
    from torch.utils.flop_counter import FlopCounterMode  # 80 MB

    r = torch.zeros(1, *image, device=next(method.parameters()).device)
    found = []
    with evaluating(method), FlopCounterMode(display=False) as counter:
        for part, way in zip(method.parts(), method.ways_out(), strict=True):
            r = part.layers(r)
            if way is not None:
                way(r)
            found.append(counter.get_total_flops() // 2)
    return found


class Leaving(NamedTuple):
    """Test accuracy (0 to 1), the mean of the exits taken (components from 1), and an image's mean
    multiply-adds.
    """

    accuracy: float
    mean_exit: float
    multiply_adds: float


def leaving(run: Run, images: ImageData, rule: Rule) -> Leaving:
    """What comes of it where test images leave by ``rule``. Raises as `leave_early`."""
    costs = torch.tensor(multiply_adds(run.model, images.shape), dtype=torch.float64)
    hits, taken = 0, []
    for batch, labels in _test(run, images):
        answers = leave_early(run.model, batch, rule)
        hits += int((answers.logits.argmax(1) == labels).sum())
        taken.append(answers.exits.cpu())
    exits = torch.cat(taken)
    mean_cost = costs[exits - 1].mean().item()
    return Leaving(hits / len(exits), exits.double().mean().item(), mean_cost)


def exit_accuracies(run: Run, images: ImageData) -> list[float | None]:
    """Test accuracy (0 to 1) of each component's own way out; None where it has none."""
    ways = run.model.ways_out()
    hits = torch.zeros(len(ways))
    with evaluating(run.model):
        for batch, labels in _test(run, images):
            for number, logits in enumerate(run.model.exits(batch)):
                if logits is not None:
                    hits[number] += (logits.argmax(1) == labels).sum().item()
    shares = (hits / len(images.test)).tolist()
    return [None if way is None else share for way, share in zip(ways, shares, strict=True)]


def _test(run: Run, images: ImageData) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised test images and their labels, batch by batch, on the run's device."""
    views = Views.of(run.experiment, images.mean, images.std)
    test = images.test.to(torch.device(run.device))
    for batch, labels in zip(
        test.images.split(EVALUATION_BATCH), test.labels.split(EVALUATION_BATCH), strict=True
    ):
        yield views.normalize(batch), labels
