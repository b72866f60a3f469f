"""Target codes of associated learning: how far apart the classes are, and whether they come back.

Encoders and decoders learn from labels alone: no gradient and no value of theirs depends on an
image. So the codes of a run can be followed without its blocks and bridges.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from delog_nb import methods
from delog_nb.data import ImageData, Split, Views
from delog_nb.experiment import Experiment
from delog_nb.methods.al import TargetCode
from delog_nb.methods.component import Component, Method
from delog_nb.training import (
    Batches,
    local_losses,
    make_optimizers,
    set_learning_rates,
    train_step,
)

_RANGES = {"sigmoid": 1.0, "tanh": 2.0}  # from the lowest to the highest value of a code


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


def encoders_and_decoders(parts: list[Component]) -> list[tuple[nn.Module, nn.Module]]:
    """(g_l, inv_l) of each component of AL.

    Raises:
        ValueError: a component has none: it is of another method.
    """
    try:
        return [
            (part.objective.get_submodule("encoder"), part.objective.get_submodule("decoder"))
            for part in parts
        ]
    except AttributeError as error:
        raise ValueError("target codes are there in associated learning (al) alone") from error


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


def state(
    parts: list[Component], experiment: Experiment, classes: int, epoch: int = 0
) -> CodeState:
    """The codes as the components of an AL network make them now."""
    pairs = encoders_and_decoders(parts)
    return CodeState(
        epoch,
        tuple(distance(t, _RANGES[experiment.al_activation]) for t in class_codes(pairs, classes)),
        survivors(pairs, classes),
    )


def follow_codes(experiment: Experiment, images: ImageData) -> list[CodeState]:
    """The codes of an AL run before training and after each epoch, from its labels alone.

    The same first weights, the same batches of labels in the same order and the same learning
    rates as in `delog_nb.train`, so that the codes are those of the run, but for rounding where a
    run computes in bf16.
    """
    parts, classes = methods.build(experiment).parts(), len(images.classes)
    rate = experiment.al_lr or experiment.lr
    halves = [
        Component([], TargetCode(encoder, decoder, classes), ((encoder, decoder), rate))
        for encoder, decoder in encoders_and_decoders(parts)
    ]
    optimizers = make_optimizers(Method(halves), experiment)
    views = Views.of(experiment, images.mean, images.std)
    split = Split(images.train.images, images.train.labels.cpu())
    states = [state(parts, experiment, classes)]
    for epoch in range(experiment.epochs):
        batches = Batches(split, views, experiment.batch_size, epoch)
        for place, index in enumerate(batches.parts):
            batch = batches.batch(index, place)
            set_learning_rates(optimizers, experiment, epoch, batch.step)
            flow = local_losses(halves, torch.zeros(()), batch)
            train_step(halves, optimizers, flow)
        states.append(state(parts, experiment, classes, epoch + 1))
    return states
