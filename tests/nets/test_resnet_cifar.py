"""The ResNets of He et al. (2016), section 4.2, and what InfoPro and AugLocal make of ResNet-32."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from support.runs import tiny
from torch import Tensor, nn

from delog_nb import Experiment, data, methods, nets
from delog_nb.measure.cost import parameter_counts
from delog_nb.nets.residual import BasicBlock, Subsampled

# n basic blocks a stage: layers, and the millions of parameters of their Table 6
PUBLISHED = {3: (20, 0.27), 5: (32, 0.46), 7: (44, 0.66), 9: (56, 0.85), 18: (110, 1.7)}
# by the formula below, (identity, 1x1); 466,906 is the ResNet-32 of InfoPro and AugLocal
COUNTS = {3: (269_722, 272_474), 5: (464_154, 466_906), 18: (1_727_962, 1_730_714)}


def formula(n: int, classes: int = 10) -> int:
    """Of the net without parameters in shortcuts; a BatchNorm has two for each channel."""
    stem = 3 * 16 * 9
    convolutions = sum(
        9 * before * c + (2 * n - 1) * 9 * c * c for before, c in ((16, 16), (16, 32), (32, 64))
    )
    norms = 2 * (16 + 2 * n * (16 + 32 + 64))
    return stem + convolutions + norms + 64 * classes + classes


def paper(n: int, **values: object) -> Experiment:
    run = {"preset": "paper", "dataset": "cifar10", "net": "resnet-cifar", "depth": 3 * n}
    return Experiment(**run | {"method": "bp"} | values)


def built(experiment: Experiment) -> nets.Backbone:
    return nets.build(experiment, *data.shape(experiment))


@pytest.mark.parametrize("n", PUBLISHED)
def test_parameters_and_names_are_the_papers(n: int) -> None:
    layers, millions = PUBLISHED[n]
    assert parameter_counts(paper(n)).inference == formula(n)
    assert f"{formula(n) / 1e6:.{len(str(millions)) - 2}f}" == str(millions)
    assert paper(n).net_label == f"ResNet-{layers}"
    if n < 18:
        modules = built(paper(n)).modules()
        assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in modules) == layers


@pytest.mark.parametrize("n", COUNTS)
def test_convolutions_in_two_shortcuts_come_on_top(n: int) -> None:
    identity, convolution = COUNTS[n]
    assert identity == formula(n)
    assert convolution == identity + sum(c * 2 * c + 2 * 2 * c for c in (16, 32))
    assert parameter_counts(paper(n, shortcut="1x1")).inference == convolution


def test_it_is_resnet_20_by_default_and_its_shortcut_the_identity() -> None:
    run = Experiment(net="resnet-cifar")
    assert (run.net_label, run.depth, run.shortcut) == ("ResNet-20", 9, "identity")
    assert (run.but(net="resnet").depth, run.but(net="resnet").shortcut) == (4, "3x3")
    assert run.but(depth=15).net_label == "ResNet-32"


def test_an_identity_shortcut_takes_every_second_pixel_and_fills_up_with_zeros() -> None:
    r = torch.randn(2, 3, 5, 6)
    expected = torch.zeros(2, 5, 3, 3)
    for c, y, x in itertools.product(range(3), range(3), range(3)):
        expected[:, c, y, x] = r[:, c, 2 * y, 2 * x]
    assert torch.equal(Subsampled(5, 2)(r), expected)
    assert torch.equal(Subsampled(2, 1)(r), r[:, :2])


@pytest.mark.parametrize("shortcut", ["identity", "1x1", "3x3"])
def test_a_basic_block_is_what_plain_functions_compute(shortcut: str) -> None:
    block = BasicBlock(4, 6, 2, shortcut, nn.ReLU).double()
    weights = list(block.parameters())
    r = torch.randn(5, 4, 8, 8, dtype=torch.float64)

    def normalised(r: Tensor, at: int, stride: int = 1) -> Tensor:
        """A convolution and BatchNorm with the weights from ``at`` on."""
        kernel, scale, shift = weights[at : at + 3]
        r = F.conv2d(r, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        centred = r - r.mean((0, 2, 3), keepdim=True)
        r = centred / (centred.square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()
        return r * scale[:, None, None] + shift[:, None, None]

    body = normalised(normalised(r, 0, 2).relu(), 3)
    if shortcut == "identity":
        besides = torch.cat([r[:, :, ::2, ::2], torch.zeros(5, 2, 4, 4)], dim=1)
    else:
        besides = normalised(r, 6, 2)
    torch.testing.assert_close(block(r.clone()), (body + besides).relu())


@pytest.mark.parametrize("n", [3, 5, 18])
def test_three_components_are_the_stages(n: int) -> None:
    run = tiny(net="resnet-cifar", method="early-exit", depth=3 * n, width=0.125, components=3)
    sizes = [len(part.layers) for part in methods.build(run).parts()]
    assert sizes == [n, n, n + 1]  # and the classifier


@pytest.mark.parametrize(
    ("components", "ends"), [(4, [3, 7, 11]), (16, [0, 1, 2, 3, *range(4, 15)])]
)
def test_cut_at_layers_it_falls_apart_as_infopros_resnet_32(
    components: int, ends: list[int]
) -> None:
    """After how many residual blocks a component ends; 0 is the stem."""
    run = tiny(
        net="resnet-cifar", method="early-exit", depth=15, width=0.125, cut="layer",
        components=components,
    )  # fmt: skip
    sizes = [len(part.layers) for part in methods.build(run).parts()]
    assert [end - 1 for end in itertools.accumulate(sizes[:-1])] == ends


def test_other_depths_have_longer_later_stages() -> None:
    channels = [shape[0] for shape in built(paper(1, depth=7)).shapes]
    assert channels == [16, 16, 32, 32, 64, 64, 64]
