"""What a network says after each block, through the way out that its method gives it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from delog_nb.data import ImageData, Views
from delog_nb.methods.component import Component
from delog_nb.training import EVALUATION_BATCH, Run, evaluating


def ways_out(parts: list[Component]) -> list[Callable[[Tensor], Tensor] | None]:
    """For each component, the way from its features to logits; None where there is none.

    Early Exit has its local classifier, AL goes over the bridge and down through the decoders of
    this component and those below. A projection head leads to no logits. The last component of
    BP, Early Exit and Delog-SCL gives logits itself.
    """
    ways: list[Callable[[Tensor], Tensor] | None] = []
    decoders: list[nn.Module] = []
    for part in parts:
        modules = dict(part.objective.named_children())
        way: list[nn.Module] | None = None
        if "decoder" in modules:
            decoders = [modules["decoder"], *decoders]
            way = [modules["bridge"], *decoders]
        elif "classifier" in modules:
            way = [modules["classifier"]]
        elif not modules:
            way = []
        ways.append(None if way is None else nn.Sequential(*way))
    return ways


def exit_accuracies(run: Run, images: ImageData) -> list[float | None]:
    """Test accuracy (0 to 1) of each component's own way out; None where it has none."""
    parts = run.model.parts()
    ways = ways_out(parts)
    views = Views.of(run.experiment, images.mean, images.std)
    hits = torch.zeros(len(parts))
    test = images.test.to(torch.device(run.device))
    with evaluating(run.model):
        for batch, labels in zip(
            test.images.split(EVALUATION_BATCH), test.labels.split(EVALUATION_BATCH), strict=True
        ):
            r = views.normalize(batch)
            for number, (part, way) in enumerate(zip(parts, ways, strict=True)):
                r = part.layers(r)
                if way is not None:
                    hits[number] += (way(r).argmax(1) == labels).sum().item()
    shares = (hits / len(test)).tolist()
    return [None if way is None else share for way, share in zip(ways, shares, strict=True)]
