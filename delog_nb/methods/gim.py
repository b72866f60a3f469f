"""Greedy InfoMax (Löwe et al., 2019): a block learns to predict patches further down, no labels.

An image is cut into a grid of patches that overlap by half; each goes through the network as an
image of its own. With z_{i,j} the mean over positions of r_l at the patch in row i and column j,
component l predicts k + 1 rows down, k = 1 ... K, by a matrix W_k of its own:

    L_l = 1/K sum_k mean_{i,j} InfoNCE(z_{i,j}, W_k z_{i+k+1,j})

`delog_nb.losses.info_nce` tells W_k z_{i+k+1,j} from n vectors W_k z drawn from the same rows, all
columns and all images of the batch, uniformly and with replacement. Labels are used in the last
component alone: cross-entropy of the classifier on the mean of an image's patches.

The authors' network has no normalisation. BatchNorm mixes the statistics of the patches that the
loss is to tell apart, which can make its task easier than it looks; ConvNet does without
(``norm = none``). In data parallelism negatives are drawn from the patches of all processes, by
each process anew: its loss is the whole batch's in the mean over draws, not number for number.
"""

from collections.abc import Iterable
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from delog_nb.components.batch import Batch
from delog_nb.components.component import (
    Component,
    Method,
    NetMaker,
    Objective,
    cut_with_objectives,
)
from delog_nb.components.declare import method
from delog_nb.experiment import ExperimentError, Option
from delog_nb.losses import info_nce
from delog_nb.nets import Shape


class Patches(nn.Module):
    """(N, C, H, W) -> (rows x columns x N, C, p, p): first patch 1 of all images, row by row.

    A patch begins every p / 2 pixels. Without ``side``, p is an even number, about a quarter of
    the image's shorter side: a grid of 7 x 7 for sides of 16, 32 and 64 pixels.
    """

    def __init__(self, side: int = 0) -> None:
        super().__init__()
        self.side = side

    def pixels(self, image: Shape) -> int:
        """p for an image (C, H, W).

        Raises:
            ExperimentError: a patch is larger than the image, or cannot overlap by half.
        """
        shortest = min(image[1:])
        p = self.side or 2 * -(-shortest // 8)
        if not 2 <= p <= shortest:
            raise ExperimentError(
                f"gim_patch = {p} is not allowed for images of {shortest} pixels: from 2 to "
                f"{shortest}"
            )
        return p

    def grid(self, image: Shape) -> tuple[int, int]:
        """Rows and columns of an image (C, H, W). Raises as `pixels`."""
        p = self.pixels(image)
        rows, columns = ((side - p) // (p // 2) + 1 for side in image[1:])
        return rows, columns

    def forward(self, images: Tensor) -> Tensor:
        p = self.pixels(tuple(images.shape[1:]))
        cut = images.unfold(2, p, p // 2).unfold(3, p, p // 2)  # (N, C, rows, columns, p, p)
        return cut.permute(2, 3, 0, 1, 4, 5).flatten(0, 2)


class MeanOfPatches(nn.Module):
    """(P x N, ...) -> (N, ...): the mean over an image's P patches."""

    def __init__(self, patches: int) -> None:
        super().__init__()
        self.patches = patches

    def forward(self, r: Tensor) -> Tensor:
        return r.unflatten(0, (self.patches, -1)).mean(0)


class InfoNCEObjective(Objective):
    """InfoNCE between each patch and those k + 1 rows below it, the mean over k = 1 ... K."""

    short = "InfoNCE"

    def __init__(self, channels: int, rows: int, ahead: int, negatives: int) -> None:
        super().__init__()
        self.rows, self.negatives = rows, negatives
        self.predictors = nn.ModuleList(  # W_1 ... W_K
            nn.Linear(channels, channels, bias=False) for _ in range(ahead)
        )

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        z, _ = batch.join(r.mean((2, 3)), batch.labels)  # z_{i,j}; labels are not looked at
        by_row = z.unflatten(0, (self.rows, -1))  # (rows, columns x N, C)
        losses = []
        for down, predictor in enumerate(self.predictors, 2):  # down = k + 1
            context = by_row[:-down].flatten(0, 1)  # z_{i,j}
            targets = predictor(by_row[down:]).flatten(0, 1)  # W_k z_{i+k+1,j}
            losses.append(info_nce(context, targets, self._draw(len(targets), batch, r.device)))
        return torch.stack(losses).mean()  # 1/K sum_k

    def _draw(self, count: int, batch: Batch, device: torch.device) -> Tensor:
        """(count, n) numbers of rows."""
        drawing = batch.generator.device if batch.generator else device
        drawn = torch.randint(
            count, (count * self.negatives,), generator=batch.generator, device=drawing
        )
        return drawn.view(count, -1).to(device)


class GreedyInfoMax(Method):
    """Its features are those of patches."""

    def __init__(self, components: Iterable[Component], mean: MeanOfPatches) -> None:
        super().__init__(components)
        self.mean = mean

    def per_image(self, r: Tensor) -> Tensor:
        mean: Tensor = self.mean(r)
        return mean


PATCH = Option(
    "gim_patch",
    0,
    "Greedy InfoMax: side of a patch (0: about a quarter of the image's)",
    unit="pixels",
    ge=0,
    le=512,
    presets={"lesson": 8},  # of the digits, a quarter of the side shows next to nothing
    by_net={"resnet": 8},  # the smallest that its blocks allow
)
AHEAD = Option(
    "gim_ahead",
    5,
    "Greedy InfoMax: K, predictions of up to K + 1 rows down; fewer where the grid ends",
    unit="rows",
    ge=1,
    le=64,
)
NEGATIVES = Option(
    "gim_negatives",
    16,
    "Greedy InfoMax: negatives that are drawn for each positive",
    unit="patches",
    ge=1,
    le=4096,
)
STANDARDISE = Option(
    "gim_standardise",
    False,
    "Greedy InfoMax: the classifier reads features of mean 0 and deviation 1",
    presets={"lesson": True},  # the authors train it for 300 epochs, a lesson for 8
)


@method(
    "gim",
    label="Greedy InfoMax",
    style=8,
    options=(PATCH, AHEAD, NEGATIVES, STANDARDISE),
    refuses={
        "vgg": "its blocks halve the side four times, so a patch has to have 16 pixels: images of "
        "32 are a grid of 3 x 3 then, and smaller ones none"
    },
    published="Löwe et al., 2019",
    loss="1/K sum_k InfoNCE(z_{i,j}, W_k z_{i+k+1,j})",
    note="blocks learn without labels; in preset lesson the classifier on top, which trains for a "
    "few epochs, stays far behind linear classifiers fitted to convergence on the same features",
)
def build(net: NetMaker, options: SimpleNamespace) -> Method:
    """The network on patches; every component but the last one learns without labels."""
    patches = Patches(options.gim_patch)
    backbone = net(opening=patches)
    rows, columns = patches.grid(backbone.in_shape)
    if rows < 3:
        raise ExperimentError(
            f"gim_patch = {options.gim_patch} leaves a grid of {rows} x {columns} patches: at "
            f"least 3 rows, to predict two rows down"
        )
    mean = MeanOfPatches(rows * columns)
    reading: list[nn.Module] = [mean]
    if options.gim_standardise:
        reading.append(nn.BatchNorm2d(backbone.shapes[-1][0], affine=False))
    backbone.classifier = nn.Sequential(*reading, backbone.classifier)
    ahead = min(options.gim_ahead, rows - 2)

    def objective_after(end: int) -> Objective:
        return InfoNCEObjective(backbone.shapes[end - 1][0], rows, ahead, options.gim_negatives)

    cut = cut_with_objectives(backbone, options.components, objective_after)
    return GreedyInfoMax(cut.parts(), mean)
