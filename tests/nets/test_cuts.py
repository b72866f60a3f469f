"""Blocks alone, and networks cut at layers."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from support.runs import tiny
from torch import nn

import delog_nb
from delog_nb import ExperimentError, methods
from delog_nb.experiment.registry import NETS
from delog_nb.nets import of_blocks
from delog_nb.nets.backbone import Backbone, Parts, output_shape


@pytest.mark.parametrize("net", NETS.own)
def test_cut_at_layers_the_network_is_the_same(net: str) -> None:
    """Same parameters, same function; each layer may be a component."""
    cuts = {cut: methods.build(tiny(net=net, cut=cut, method="bp")) for cut in ("block", "layer")}
    images = torch.randn(4, 1, 16, 16)
    block, layer = (cuts[cut].eval() for cut in ("block", "layer"))
    for a, b in zip(block.parameters(), layer.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(block.predict(images), layer.predict(images))
    apart = methods.build(tiny(net=net, cut="layer", method="early-exit"))
    assert len(apart.parts()) == tiny(net=net, cut="layer").num_components
    assert [len(part.layers) for part in apart.parts()] == [1] * len(apart.parts())


@pytest.mark.parametrize("net", NETS.own)
def test_a_block_is_made_alone_for_any_input(net: str) -> None:
    backbone = delog_nb.nets.build(tiny(net=net, width=0.125), (3, 32, 32), 10)
    for number, shape in ((2, (5, 16, 16)), (3, (7, 8, 8))):
        block = backbone.block(number, shape)
        assert block(torch.randn(2, *shape)).shape[1] == backbone.shapes[number - 1][0]


@pytest.mark.parametrize("net", NETS)
def test_a_layer_is_made_alone_for_any_input(net: str) -> None:
    """Of its width, with or without half the side, and as the net's own at its own place."""
    backbone = delog_nb.nets.build(tiny(net=net, width=0.125, cut="layer"), (3, 32, 32), 10)
    kinds = [sorted(type(m).__name__ for m in layer.modules()) for layer in backbone.blocks]
    for number, (own, shape) in enumerate(zip(backbone.blocks, backbone.shapes, strict=True), 1):
        if (net, number) == ("vit", 1):  # its embedding knows the image's side
            continue
        for halve, side in ((False, 8), (True, 4)):
            layer = backbone.block(number, (5, 8, 8), halve=halve)
            assert output_shape(layer, (5, 8, 8)) == (shape[0], side, side)
            if "MaxPool2d" in kinds[number - 1]:
                kind = sorted(type(m).__name__ for m in layer.modules())
                assert (kind == kinds[number - 1]) == halve
        assert not {*map(id, own.parameters())} & {*map(id, layer.parameters())}


def test_what_cannot_be_made_anew_is_refused() -> None:
    given = of_blocks([nn.Conv2d(1, 4, 3)], (1, 8, 8), 10)
    with pytest.raises(ExperimentError, match=r"a fresh block like block 1 for \('B', 4, 6, 6\)"):
        given.block(1, (4, 6, 6))
    plain = Parts(lambda *_: nn.Sequential(nn.Conv2d(1, 4, 3)), lambda n: nn.Linear(n, 10))
    with pytest.raises(ExperimentError, match=r"layer 1 for .*: Conv2d has no like\(inputs, stri"):
        Backbone(plain, (1, 8, 8), 10, 1, "layer").block(1, (4, 6, 6))


def test_counting_layers_loads_no_compiler() -> None:
    code = (
        "import sys; from delog_nb import Experiment; "
        "print(Experiment(net='vgg', method='dgl').hidden, 'torch._dynamo' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["6", "False"]
