"""What a network says after each block, through the way out that its method gives it."""

import torch

from delog_nb.data import ImageData, Views
from delog_nb.training import EVALUATION_BATCH, Run, evaluating


def exit_accuracies(run: Run, images: ImageData) -> list[float | None]:
    """Test accuracy (0 to 1) of each component's own way out; None where it has none."""
    views = Views.of(run.experiment, images.mean, images.std)
    ways = run.model.ways_out()
    hits = torch.zeros(len(ways))
    test = images.test.to(torch.device(run.device))
    with evaluating(run.model):
        for batch, labels in zip(
            test.images.split(EVALUATION_BATCH), test.labels.split(EVALUATION_BATCH), strict=True
        ):
            for number, logits in enumerate(run.model.exits(views.normalize(batch))):
                if logits is not None:
                    hits[number] += (logits.argmax(1) == labels).sum().item()
    shares = (hits / len(test)).tolist()
    return [None if way is None else share for way, share in zip(ways, shares, strict=True)]
