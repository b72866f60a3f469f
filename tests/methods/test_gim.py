"""Greedy InfoMax against golden values and loops; patches instead of images."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from support.reference import LABELS, features, filled, loss_and_gradient
from support.runs import tiny
from torch import Tensor

from delog_nb import ExperimentError, data, methods, train
from delog_nb.components import Batch
from delog_nb.components.batch import in_one_order, rows_of
from delog_nb.losses import info_nce
from delog_nb.measure.cost import parameter_counts
from delog_nb.measure.probes import block_features, probe_blocks
from delog_nb.methods.gim import InfoNCEObjective, MeanOfPatches, Patches
from delog_nb.training import local_losses


def of_patches(z: Tensor) -> Tensor:
    """(B, C, rows, columns) -> (rows x columns x B, C, 1, 1), as features come."""
    return z.permute(2, 3, 0, 1).flatten(0, 2)[:, :, None, None]


# --- the loss


@pytest.mark.parametrize(
    ("scale", "ahead", "negatives", "expected"),
    [
        (1.0, 1, 4, (2.835713, 0.590720)),  # the authors' log(p + 1e-11) gives 0.590719
        (1.0, 2, 16, (4.759513, 0.746579)),
        (0.3, 2, 16, (2.878463, 0.040779)),
    ],
)
def test_golden_values(
    scale: float, ahead: int, negatives: int, expected: tuple[float, float]
) -> None:
    """Of the authors' function with an exact log-softmax, in float64."""
    h = features(8, 4)
    objective = filled(InfoNCEObjective(8, 4, ahead, negatives))
    torch.manual_seed(1)
    loss = objective(of_patches(scale * h), Batch.of(LABELS))
    assert loss_and_gradient(loss, h) == pytest.approx(expected, abs=6e-7)


def test_negatives_are_drawn_from_the_batchs_generator() -> None:
    objective = InfoNCEObjective(8, 4, 1, 4)
    batch = replace(Batch.of(LABELS), generator=torch.Generator().manual_seed(1))
    torch.manual_seed(7)
    before = torch.get_rng_state()
    drawn = objective._draw(48, batch, torch.device("cpu"))
    assert drawn.shape == (48, 4)
    assert drawn.flatten()[:6].tolist() == [37, 11, 12, 8, 31, 25]
    assert torch.equal(torch.get_rng_state(), before)


def test_info_nce_by_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    context, targets = (torch.randn(7, 5, generator=generator).double() for _ in range(2))
    drawn = torch.randint(7, (7, 3), generator=generator)
    drawn[0] = 0  # the positive itself may be drawn
    terms = []
    for c, t, own in zip(context, targets, drawn, strict=True):
        above = math.exp(c @ t)
        terms.append(-math.log(above / (above + sum(math.exp(c @ targets[d]) for d in own))))
    found = info_nce(context, targets, drawn)
    assert found.item() == pytest.approx(sum(terms) / 7, rel=1e-12)
    assert info_nce(context, 0 * targets, drawn).item() == pytest.approx(math.log(4))
    # products far beyond what exp can take
    assert info_nce(1e3 * context, 1e3 * targets, drawn).isfinite()
    half = info_nce(context.bfloat16(), targets.bfloat16(), drawn)
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(found.item(), rel=0.05)
    with pytest.raises(ValueError, match=r"must be \(N, D\)"):
        info_nce(context, targets[:6], drawn)


def test_zero_predictors_give_log_of_one_and_the_negatives() -> None:
    objective = InfoNCEObjective(8, 4, 2, 16).double()
    for predictor in objective.predictors:
        predictor.weight.data.zero_()
    loss = objective(of_patches(features(8, 4)), Batch.of(LABELS))
    assert loss.item() == pytest.approx(2.833213, abs=1e-6)  # log 17


def test_a_share_of_the_batch_compares_with_the_patches_of_all() -> None:
    """What two processes join is what one has, so the same draws give the same loss."""
    r, objective = of_patches(features(8, 4)), filled(InfoNCEObjective(8, 4, 2, 4))
    shares = [torch.tensor([0, 1]), torch.tensor([2, 3, 4, 5])]
    parts = [rows_of(share, r, 6) for share in shares]

    def joined(z: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        assert torch.equal(z, parts[0].mean((2, 3)))
        assert torch.equal(own, LABELS[:2])
        whole = in_one_order([part.mean((2, 3)) for part in parts], [2, 4])
        return whole, LABELS

    torch.manual_seed(1)
    alone = objective(r, Batch.of(LABELS))
    torch.manual_seed(1)
    shared = objective(parts[0], replace(Batch.of(LABELS[:2]), join=joined))
    torch.testing.assert_close(alone, shared)


# --- patches


@pytest.mark.parametrize(
    ("side", "p", "rows"), [(64, 0, 7), (32, 0, 7), (28, 0, 6), (16, 0, 7), (32, 16, 3)]
)
def test_patches_overlap_by_half(side: int, p: int, rows: int) -> None:
    patches = Patches(p)
    images = torch.rand(2, 3, side, side)
    found = patches(images)
    p = p or {64: 16, 32: 8, 28: 8, 16: 4}[side]
    assert patches.grid((3, side, side)) == (rows, rows)
    expected = [
        image[:, i * p // 2 : i * p // 2 + p, j * p // 2 : j * p // 2 + p]
        for i in range(rows)
        for j in range(rows)
        for image in images
    ]
    assert torch.equal(found, torch.stack(expected))


def test_a_prediction_is_the_classifier_on_the_mean_of_the_patches() -> None:
    method = methods.build(tiny(method="gim", norm="none", gim_standardise=False)).eval()
    images = torch.rand(3, 1, 16, 16)
    blocks = [part.layers for part in method.parts()[:-1]]
    classifier = method.parts()[-1].layers[0][-1]
    expected = []
    for image in images:
        r = torch.stack([image[:, i : i + 8, j : j + 8] for i in (0, 4, 8) for j in (0, 4, 8)])
        for layer in [blocks[0][0][1], *blocks[1:]]:  # all but the cut into patches
            r = layer(r)
        expected.append(classifier(r.mean(0, keepdim=True)))
    torch.testing.assert_close(method.predict(images), torch.cat(expected))


def test_labels_are_used_in_the_last_component_alone() -> None:
    method = methods.build(tiny(method="gim"))
    images, half = torch.rand(8, 1, 16, 16), torch.arange(4)
    losses = []
    for told in (half.repeat(2), half.flip(0).repeat(2)):
        torch.manual_seed(0)
        losses.append([made.loss for made in local_losses(method.parts(), images, Batch.of(told))])
    assert losses[0][:-1] == losses[1][:-1]
    assert losses[0][-1] != losses[1][-1]


def test_the_last_component_is_trained_by_cross_entropy_on_images() -> None:
    method = methods.build(tiny(method="gim"))
    images, told = torch.rand(8, 1, 16, 16), Batch.of(torch.arange(8))
    *_, made = local_losses(method.parts(), images, told)
    assert made.r.shape == (8, 10)
    torch.testing.assert_close(made.loss, F.cross_entropy(made.r, told.labels))


@pytest.mark.parametrize("cut", ["block", "layer"])
def test_features_are_given_by_image(cut: str) -> None:
    """A probe sees as many rows as there are images, the mean over patches."""
    experiment = tiny(method="gim", cut=cut, epochs=1)
    images = data.load(experiment)
    run = train(experiment, data=images)
    found = block_features(run, images, images.test)
    assert {len(r) for r in found} == {len(images.test)}
    assert all(0 < share <= 1 for share in probe_blocks(run, images))
    r = torch.arange(12.0).view(6, 2)  # three patches of two images
    assert MeanOfPatches(3)(r).tolist() == [[4, 5], [6, 7]]


def test_parameters_of_the_predictors() -> None:
    """A C x C matrix a prediction; none of them is used after training."""
    run = tiny(method="gim", width=0.5, gim_patch=4)
    channels = (16, 16, 32, 32)
    counts = parameter_counts(run)
    assert counts.training - counts.inference == sum(5 * c * c for c in channels)
    three_rows = parameter_counts(tiny(method="gim", width=0.5))  # patches of 8: k = 1 alone
    assert three_rows.training - three_rows.inference == sum(c * c for c in channels)


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"net": "vgg"}, "method = gim does not go on net = vgg: its blocks halve the side four"),
        ({"gim_patch": 10}, "gim_patch = 10 leaves a grid of 2 x 2 patches: at least 3 rows"),
        ({"gim_patch": 20}, "gim_patch = 20 is not allowed for images of 16 pixels: from 2 to 16"),
        ({"net": "resnet", "gim_patch": 4}, "of at least 8 pixels: method = gim gives it 4"),
    ],
)
def test_where_it_does_not_go(choices: dict[str, object], sentence: str) -> None:
    with pytest.raises(ExperimentError, match=sentence):
        methods.build(tiny(method="gim", **choices))
