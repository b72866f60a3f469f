"""Share of images whose class is predicted."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from delog_nb.components.component import Method
from delog_nb.data import Split, Views
from delog_nb.experiment import Experiment

EVALUATION_BATCH = 500


def is_evaluated(experiment: Experiment, epoch: int) -> bool:
    """Whether ``epoch``, from 0, ends in an evaluation: every k-th one does, and the last."""
    after = epoch + 1
    return after == experiment.epochs or after % experiment.evaluate_every == 0


def evaluations(experiment: Experiment) -> int:
    """How many there are in a run."""
    return math.ceil(experiment.epochs / experiment.evaluate_every)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients within it; then the mode that ``model`` was in."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def accuracy(
    method: Method,
    split: Split,
    views: Views,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> Tensor | None:
    """Share of images whose class is predicted, as a scalar on the device; None if stopped.

    Predictions are made in float32, whatever a run trains in: rounded to bf16, logits that differ
    can be equal.
    """
    hits = torch.zeros((), device=split.labels.device)
    with evaluating(method):
        for images, labels in zip(
            split.images.split(EVALUATION_BATCH), split.labels.split(EVALUATION_BATCH), strict=True
        ):
            if asked_to_stop():
                return None
            hits += (method.predict(views.normalize(images)).argmax(1) == labels).sum()
    return hits / max(1, len(split))
