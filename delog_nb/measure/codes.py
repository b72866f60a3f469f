"""Target codes that are learned: how far apart the classes are, and whether they come back.

Encoders and decoders learn from labels alone: no gradient and no value of theirs depends on an
image. So the codes of a run can be followed without its blocks and bridges.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from delog_nb import methods
from delog_nb.components.component import Component, Method
from delog_nb.components.targets import TargetCode
from delog_nb.data import ImageData, Split, Views
from delog_nb.experiment import Experiment
from delog_nb.training import (
    Batches,
    local_losses,
    make_optimizers,
    set_learning_rates,
    train_step,
)


@dataclass(frozen=True)
class CodeState:
    """The codes after ``epoch`` passes over the training labels (0: before the first).

    ``distances`` has an entry for each of t_1 ... t_H, see `distance`. ``survivors`` is how many
    classes are still told apart after the way through all encoders and back: no prediction that
    goes through the decoders can name more of them on codes that are met exactly.
    """

    epoch: int
    distances: tuple[float, ...]
    survivors: int


def target_codes(parts: list[Component]) -> list[TargetCode]:
    """The objectives of components that learn target codes.

    Raises:
        ValueError: a component learns none: it is of another method.
    """
    found = [part.objective for part in parts if isinstance(part.objective, TargetCode)]
    if len(found) < len(parts):
        raise ValueError("target codes are there where a method learns them, as AL does")
    return found


def encoders_and_decoders(parts: list[Component]) -> list[tuple[nn.Module, nn.Module]]:
    """(g_l, inv_l) of each component. Raises as `target_codes`."""
    return [(code.encoder, code.decoder) for code in target_codes(parts)]


@torch.no_grad()
def class_codes(pairs: list[tuple[nn.Module, nn.Module]], classes: int) -> list[Tensor]:
    """t_1 ... t_H of every class, each (K, h): row k is the code of class k."""
    t = torch.eye(classes, device=next(pairs[0][0].parameters()).device)
    return [t := encoder(t) for encoder, _ in pairs]


def distance(codes: Tensor, value_range: float = 1.0) -> float:
    r"""Root mean square distance between two classes in one coordinate, as a share of the range.

    .. math:: \frac{1}{R} \sqrt{\frac{1}{K (K - 1) h} \sum_{a \neq b} \|t^{(a)} - t^{(b)}\|^2}

    Args:
        codes: (K, h), a row for each class
        value_range: R, from the lowest to the highest value that a coordinate can have
    """
    count, size = codes.shape
    squares = (codes[:, None] - codes[None]).square().sum()
    return (squares / (count * (count - 1) * size)).sqrt().item() / value_range


@torch.no_grad()
def survivors(pairs: list[tuple[nn.Module, nn.Module]], classes: int) -> int:
    """Classes whose code t_H leads back to them through the decoders inv_H ... inv_1."""
    back = class_codes(pairs, classes)[-1]
    for _, decoder in reversed(pairs):
        back = decoder(back)
    return int((back.argmax(1).cpu() == torch.arange(classes)).sum())


def state(parts: list[Component], classes: int, epoch: int = 0) -> CodeState:
    """The codes as the components of a network make them now."""
    pairs, span = encoders_and_decoders(parts), target_codes(parts)[0].span
    return CodeState(
        epoch,
        tuple(distance(t, span) for t in class_codes(pairs, classes)),
        survivors(pairs, classes),
    )


def follow_codes(experiment: Experiment, images: ImageData) -> list[CodeState]:
    """The codes of a run before training and after each epoch, from its labels alone.

    The same first weights, the same batches of labels in the same order and the same learning
    rates as in `delog_nb.train`, so that the codes are those of the run, but for rounding where a
    run computes in bf16.
    """
    parts, classes = methods.build(experiment).parts(), len(images.classes)
    halves = [
        Component([], TargetCode(code.encoder, code.decoder, classes), part.own_rate)
        for part, code in zip(parts, target_codes(parts), strict=True)
    ]
    optimizers = make_optimizers(Method(halves), experiment)
    views = Views.of(experiment, images.mean, images.std)
    split = Split(images.train.images, images.train.labels.cpu())
    states = [state(parts, classes)]
    for epoch in range(experiment.epochs):
        batches = Batches(split, views, experiment.batch_size, epoch)
        for place, index in enumerate(batches.parts):
            batch = batches.batch(index, place)
            set_learning_rates(optimizers, experiment, epoch, batch.step)
            flow = local_losses(halves, torch.zeros(()), batch)
            train_step(halves, optimizers, flow)
        states.append(state(parts, classes, epoch + 1))
    return states
