"""CwComp against values of the authors' code (andreaspapac/CwComp), in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from support.reference import features, filled, loss_and_gradient
from support.runs import narrow, tiny
from torch import nn

from delog_nb import ExperimentError, check_method, methods
from delog_nb.components import Batch
from delog_nb.experiment.registry import NETS
from delog_nb.methods.cwcomp import Competition, Goodness

BATCH = Batch.of(torch.tensor([0, 1, 2, 0, 1, 2]))


def test_goodness_of_equal_groups() -> None:
    g = Goodness((8, 4, 4), 4)(features(8, 4))
    assert g[0].tolist() == pytest.approx([1.012456, 1.177060, 1.073320, 1.065388], abs=5e-7)


@pytest.mark.parametrize(
    ("kind", "known"),
    [("cwc", (1.253228, 0.124358)), ("pvn", (0.744600, 0.053201)), ("cwg", (0.887016, 0.072225))],
)
def test_losses(kind: str, known: tuple[float, float]) -> None:
    h = features(8, 4)
    loss = Competition(Goodness((8, 4, 4), 4), kind)(h, BATCH)
    assert loss_and_gradient(loss, h) == pytest.approx(known, abs=5e-7)


def test_a_whole_layer_of_the_paper() -> None:
    h = features(8, 4)
    layer = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8, eps=1e-4))
    loss = Competition(Goodness((8, 4, 4), 4), "cwc")(filled(layer)(h), BATCH)
    assert loss_and_gradient(loss, h) == pytest.approx((1.653349, 0.328787), abs=5e-7)


@pytest.mark.parametrize(("channels", "classes"), [(10, 10), (16, 10), (19, 10), (32, 10), (7, 3)])
def test_groups_differ_by_one_channel_at_most(channels: int, classes: int) -> None:
    """Against a loop over all entries."""
    h = features(channels, 2)
    sizes = [channels // classes + (k < channels % classes) for k in range(classes)]
    expected = torch.zeros(6, classes, dtype=torch.float64)
    for image in range(6):
        first = 0
        for k, size in enumerate(sizes):
            entries = [h[image, c, i, j].item() for c in range(first, first + size)
                       for i in range(2) for j in range(2)]  # fmt: skip
            expected[image, k] = sum(x * x for x in entries) / len(entries)
            first += size
        assert first == channels
    torch.testing.assert_close(Goodness((channels, 2, 2), classes)(h), expected)


def test_fewer_channels_than_classes_are_refused() -> None:
    with pytest.raises(ExperimentError, match="features of 8 channels do not go with 10 classes"):
        methods.build(tiny(method="cwcomp", net="convnet", width=0.25))


def test_the_prediction_is_the_goodness_of_the_last_features() -> None:
    method = methods.build(tiny(method="cwcomp", net="resnet", cut="block")).eval()
    images = torch.randn(3, 1, 16, 16)
    r = images
    for part in method.parts():
        r = part.layers(r)
    assert r.shape[2:] == (2, 2)  # before ResNet's pooling
    squares = [group.square().mean((1, 2, 3)) for group in r.tensor_split(10, 1)]
    torch.testing.assert_close(method.predict(images), torch.stack(squares, 1))
    assert not method.affiliated_parameters()
    assert [logits is None for logits in method.exits(images)] == [False] * 4


def test_goodness_under_autocast_is_computed_in_float32() -> None:
    r = torch.randn(4, 20, 3, 3).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        g = Goodness((20, 3, 3), 10)(r)
    assert g.dtype == torch.float32
    torch.testing.assert_close(g, r.float().square().unflatten(1, (10, 2)).mean((2, 3, 4)))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_components_of_several_blocks(count: int) -> None:
    method = methods.build(tiny(method="cwcomp", cut="block", components=count))
    assert sum(len(part.layers) for part in method.parts()) == 4
    assert len(method.parts()) == count
    images = torch.randn(6, 1, 16, 16)
    _, _, loss = method.parts()[0](images, BATCH)
    g = method.exits(images)[0]
    assert g is not None
    torch.testing.assert_close(loss, F.cross_entropy(g, BATCH.labels))


@pytest.mark.parametrize("cut", ["block", "layer"])
@pytest.mark.parametrize("net", NETS.own)
def test_it_keeps_what_every_method_promises(net: str, cut: str) -> None:
    assert check_method("cwcomp", net=net, width=narrow(net), cut=cut) == []
