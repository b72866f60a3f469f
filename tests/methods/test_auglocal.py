"""AugLocal, by values from the authors' code and their ResNet-32."""

from __future__ import annotations

from functools import partial

import pytest
import torch.nn.functional as F
from support.reference import LABELS, assert_golden, features, filled
from support.runs import tiny
from torch import Tensor, nn

from delog_nb import Experiment, ExperimentError, check_method, methods
from delog_nb.components.component import count_parameters
from delog_nb.methods.auglocal import LayerMaker, auxiliary, chosen_layers, pyramidal_depths

WIDTHS = [16] * 6 + [32] * 5 + [64] * 5  # of ResNet-32: the stem and 15 blocks


class BasicBlock(nn.Module):
    """He et al., with ReLU and a 1x1 shortcut, in plain PyTorch."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if inputs != outputs or stride > 1:
            convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(outputs))

    def forward(self, r: Tensor) -> Tensor:
        inner = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(r)))))
        return F.relu(inner + self.shortcut(r))


def makers(layers: list[int]) -> list[tuple[LayerMaker, int]]:
    def make(width: int, shape: tuple[int, ...], *, halve: bool) -> nn.Module:
        return BasicBlock(shape[0], width, 2 if halve else 1)

    return [(partial(make, WIDTHS[j - 1]), WIDTHS[j - 1]) for j in layers]


@pytest.mark.parametrize(
    ("depth", "widths", "loss", "norm", "count"),
    [
        (1, [64], 1.102628, 0.185656, 47_811),  # 16 -> 64 at once: one halving is left undone
        (2, [32, 64], 1.455903, 1.093499, 72_451),
    ],
)
def test_golden_losses(depth: int, widths: list[int], loss: float, norm: float, count: int) -> None:
    layers = chosen_layers(1, 16, depth)
    assert [WIDTHS[j - 1] for j in layers] == widths
    aux = filled(auxiliary(makers(layers), (16, 8, 8), 3, norm=depth <= 1))
    assert count_parameters(aux.parameters()) == count
    assert_golden(lambda r: F.cross_entropy(aux(r), LABELS), features(16, 8), loss, norm)


@pytest.mark.parametrize(
    ("depth", "depths"),
    [(1, [1] * 14), (2, [2] * 13), (3, [3] * 6 + [2] * 6), (5, [5] * 3 + [4] * 4 + [3] * 3)],
)
def test_depths_of_resnet_32(depth: int, depths: list[int]) -> None:
    assert pyramidal_depths(depth, 16 - depth) == depths


@pytest.mark.parametrize(
    ("depth", "count"), [(1, 806_412), (2, 1_341_058), (3, 1_511_608), (5, 1_684_388)]
)
def test_auxiliary_parameters_of_resnet_32(depth: int, count: int) -> None:
    total = 0
    for number, own in enumerate(pyramidal_depths(depth, 16 - depth), 1):
        shape = (WIDTHS[number - 1], 8, 8)
        aux = auxiliary(makers(chosen_layers(number, 16, own)), shape, 10, norm=own <= 1)
        total += count_parameters(aux.parameters())
    assert total == count


def test_layers_are_spread_evenly_and_end_with_the_last() -> None:
    """Counted from 0 the paper has, of 16 layers: 8, 15 for 0; 9, 15 for 3; 12, 15 for 8."""
    assert [chosen_layers(n, 16, 2) for n in (1, 4, 9)] == [[9, 16], [10, 16], [13, 16]]
    assert chosen_layers(1, 16, 5) == [4, 7, 10, 13, 16]
    assert chosen_layers(14, 16, 2) == [15, 16]
    assert chosen_layers(15, 16, 3) == [16]


@pytest.mark.parametrize("net", ["convnet", "vgg", "resnet"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_last_component_has_the_last_layers_and_the_classifier(net: str, depth: int) -> None:
    run = tiny(method="auglocal", net=net, auglocal_depth=depth, width=0.125)
    layers = run.hidden
    sizes = [len(part.layers) for part in methods.build(run).parts()]
    assert sizes == [1] * (layers - depth - 1) + [1 + depth + 1]
    assert run.num_components == len(sizes)
    assert check_method("auglocal", net=net, auglocal_depth=depth, width=0.125) == []


def test_fewer_components_own_more_layers() -> None:
    sizes = [
        [len(part.layers) for part in methods.build(tiny(method="auglocal", components=k)).parts()]
        for k in (1, 2, 4)
    ]
    assert sizes == [[9], [3, 6], [1, 2, 1, 5]]
    with pytest.raises(ExperimentError, match=r"components = 7 is more than .* from 1 to 6 \(the"):
        Experiment(method="auglocal", components=7)
    whole = Experiment(method="auglocal", auglocal_depth=8)  # nothing is left to cut
    assert whole.num_components == len(methods.build(whole).parts()) == 1


def test_auxiliary_layers_are_like_those_above_and_none_of_them() -> None:
    """Of VGG's six layers, number 1 (128 channels) takes 3 (256) and 6 (512), with pooling."""
    run = Experiment(method="auglocal", net="vgg", preset="paper", dataset="cifar10")
    method = methods.build(run)
    aux = method.parts()[0].objective.way_out()
    convolutions = [m for m in aux.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.stride) for c in convolutions] == [
        (128, 256, (1, 1)),
        (256, 512, (1, 1)),
    ]
    assert sum(isinstance(m, nn.MaxPool2d) for m in aux.modules()) == 2
    ids = [id(p) for part in method.parts() for p in part.parameters()]
    assert len(ids) == len(set(ids))
