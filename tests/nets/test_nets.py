from __future__ import annotations

import pytest
import torch
from torch import nn

from delog_nb import Experiment, data, nets
from delog_nb.components import heads
from delog_nb.measure.cost import parameter_counts

# Parameters for CIFAR-10 that the authors' definitions give: (training, inference).
COUNTS = {
    ("convnet", "3x3", "bp"): (6_318_430, 6_318_430),
    ("convnet", "3x3", "delog-scl"): (39_879_006, 6_318_430),
    ("convnet", "3x3", "al"): (94_673_230, 7_027_630),
    ("vgg", "3x3", "bp"): (11_938_294, 11_938_294),
    ("vgg", "3x3", "delog-scl"): (69_616_118, 11_938_294),
    ("vgg", "3x3", "al"): (284_676_294, 13_920_294),
    ("resnet", "3x3", "bp"): (12_550_218, 12_550_218),
    ("resnet", "3x3", "delog-scl"): (73_635_914, 12_550_218),
    ("resnet", "3x3", "al"): (326_270_598, 35_034_598),
    ("resnet", "1x1", "bp"): (11_173_962, 11_173_962),
    ("resnet", "1x1", "delog-scl"): (72_259_658, 11_173_962),
    ("resnet", "1x1", "al"): (324_894_342, 33_658_342),
}
SHAPES = {
    "convnet": [(32, 32, 32), (32, 16, 16), (64, 16, 16), (64, 8, 8)],
    "vgg": [(256, 16, 16), (512, 8, 8), (512, 4, 4), (512, 2, 2)],
    "resnet": [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 1, 1)],
    "resnet-cifar": [(16, 32, 32)] * 3 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 2 + [(64, 1, 1)],
    "vit": [(256, 8, 8)] * 6 + [(256, 1, 1)],
}


def built(experiment: Experiment) -> nets.Backbone:
    return nets.build(experiment, *data.shape(experiment))


def paper(**values: object) -> Experiment:
    return Experiment(preset="paper", dataset="cifar10", **values)


@pytest.mark.parametrize(("net", "shortcut", "method"), COUNTS)
def test_parameter_counts_to_the_unit(net: str, shortcut: str, method: str) -> None:
    options = {"shortcut": shortcut} if net == "resnet" else {}
    counts = parameter_counts(paper(net=net, method=method, **options))
    assert tuple(counts) == COUNTS[net, shortcut, method]


@pytest.mark.parametrize("net", SHAPES)
def test_block_outputs(net: str) -> None:
    backbone = built(paper(net=net, width=1.0))
    assert backbone.shapes == SHAPES[net]
    r = torch.zeros(2, 3, 32, 32)
    for block, shape in zip(backbone.blocks, SHAPES[net], strict=True):
        r = block(r)
        assert r.shape == (2, *shape)


def test_vgg_head_parameters_by_block() -> None:
    found = [
        sum(p.numel() for p in heads.projection_head("mlp", shape).parameters())
        for shape in SHAPES["vgg"]
    ]
    assert found == [34_080_256, 17_303_040, 4_720_128, 1_574_400]
    linear = sum(
        p.numel() for s in SHAPES["vgg"] for p in heads.projection_head("linear", s).parameters()
    )
    assert linear == 111_153_152


@pytest.mark.parametrize("net", SHAPES)
@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8, 13])
def test_any_depth_builds_and_predicts(net: str, depth: int) -> None:
    backbone = built(paper(net=net, depth=depth, width=0.1))
    assert len(backbone.blocks) == depth
    assert backbone(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("net", SHAPES)
@pytest.mark.parametrize(
    ("dataset", "channels", "classes"),
    [("digits", 1, 10), ("cifar100", 3, 100), ("tiny-imagenet", 3, 200)],
)
def test_input_and_classes_follow_the_data(
    net: str, dataset: str, channels: int, classes: int
) -> None:
    run = Experiment(preset="paper", dataset=dataset, net=net, width=0.1)
    images = torch.zeros(2, channels, run.image_size, run.image_size)
    assert built(run)(images).shape == (2, classes)


def test_a_deeper_net_keeps_the_papers_four_shapes() -> None:
    shapes = built(paper(depth=10)).shapes
    assert list(dict.fromkeys(shapes)) == SHAPES["convnet"]


def test_width_scales_channels() -> None:
    assert built(paper(width=0.5)).shapes[0] == (16, 32, 32)


def test_convnet_has_batch_norm_only_on_request() -> None:
    for norm, count in (("none", 0), ("batch", 8)):
        modules = built(paper(norm=norm)).modules()
        assert sum(isinstance(m, nn.BatchNorm2d) for m in modules) == count


def test_building_leaves_running_statistics_alone() -> None:
    backbone = built(paper(net="vgg", width=0.1))
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.num_batches_tracked == 0
            assert module.training


@pytest.mark.parametrize(
    ("kind", "pool", "dim"), [("identity", 0, 512), ("identity", 2, 32), ("linear", 2, 7)]
)
def test_heads(kind: str, pool: int, dim: int) -> None:
    head = heads.projection_head(kind, (8, 8, 8), dim=7, pool=pool)
    assert head(torch.zeros(3, 8, 8, 8)).shape == (3, dim)
    # features that are a vector already, or smaller than the pool, are left alone
    assert heads.projection_head("identity", (5,), pool=4)(torch.zeros(3, 5)).shape == (3, 5)


def test_identity_head_returns_the_features_themselves() -> None:
    r = torch.randn(3, 2, 4, 4)
    torch.testing.assert_close(heads.projection_head("identity", (2, 4, 4))(r), r.flatten(1))


def test_unknown_head() -> None:
    with pytest.raises(ValueError, match="not one of identity, linear, mlp"):
        heads.projection_head("conv", (4,))
