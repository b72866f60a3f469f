"""Blocks alone, and networks cut at layers."""

from __future__ import annotations

import pytest
import torch
from support.runs import tiny

import delog_nb
from delog_nb import methods
from delog_nb.experiment.registry import NETS


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
