"""The vision transformer against plain PyTorch, and the parameters of ViT-Lite-7/4."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb import Experiment, data, nets
from delog_nb.measure.cost import parameter_counts, step_flops
from delog_nb.nets.vit import TransformerBlock

# of Hassani et al. (2021), a class token and its place among them
VIT_LITE_7_4 = 3_716_874


def formula(dim: int, depth: int, patch: int, side: int, channels: int, classes: int) -> int:
    embedding = channels * patch**2 * dim + dim
    places = (side // patch) ** 2 * dim
    attention = 3 * dim * dim + dim * dim + dim
    mlp = 2 * (dim * 2 * dim) + 2 * dim + dim
    norm = 2 * dim
    blocks = depth * (attention + mlp + 2 * norm)
    return embedding + places + blocks + norm + dim * classes + classes


def vit(**values: object) -> Experiment:
    return Experiment(
        **{"preset": "paper", "dataset": "cifar10", "net": "vit", "method": "bp"} | values
    )


def built(experiment: Experiment) -> nets.Backbone:
    return nets.build(experiment, *data.shape(experiment))


def test_parameters_are_those_of_vit_lite_without_its_class_token() -> None:
    assert formula(256, 7, 4, 32, 3, 10) == VIT_LITE_7_4 - 2 * 256
    assert parameter_counts(vit()).inference == 3_716_362


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"dataset": "digits", "width": 0.5, "depth": 2}, (128, 2, 4, 16, 1, 10)),
        ({"dataset": "cifar100", "patch": 8}, (256, 7, 8, 32, 3, 100)),
        ({"width": 0.25, "heads": 8, "depth": 3}, (64, 3, 4, 32, 3, 10)),
        ({"heads": 3, "depth": 1}, (255, 1, 4, 32, 3, 10)),
    ],
)
def test_parameters_at_other_sizes(choices: dict, expected: tuple[int, ...]) -> None:
    assert parameter_counts(vit(**choices)).inference == formula(*expected)


def test_operations_of_a_step() -> None:
    """Twice as many backward as forward, but none for the gradient of the images."""
    n, d = 64, 256
    embedding, classifier = 48 * d * n, 10 * d
    blocks = 7 * (n * 8 * d * d + 2 * n * n * d)  # multiplications
    per_image = 2 * (3 * (embedding + blocks + classifier) - embedding)
    assert step_flops(vit(batch_size=1)) == 2 * per_image  # two views


def plain_block(block: TransformerBlock, dim: int, heads: int) -> nn.TransformerEncoderLayer:
    """PyTorch's, with the weights of ``block``."""
    plain = nn.TransformerEncoderLayer(
        dim, heads, 2 * dim, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    pairs = {
        plain.self_attn.in_proj_weight: block.qkv.weight,
        plain.self_attn.out_proj.weight: block.out.weight,
        plain.self_attn.out_proj.bias: block.out.bias,
        plain.linear1.weight: block.mlp[0].weight,
        plain.linear1.bias: block.mlp[0].bias,
        plain.linear2.weight: block.mlp[2].weight,
        plain.linear2.bias: block.mlp[2].bias,
        plain.norm1.weight: block.before_attention.weight,
        plain.norm1.bias: block.before_attention.bias,
        plain.norm2.weight: block.before_mlp.weight,
        plain.norm2.bias: block.before_mlp.bias,
    }
    with torch.no_grad():
        plain.self_attn.in_proj_bias.zero_()  # ours has none
        for parameter, value in pairs.items():
            parameter.copy_(value)
    return plain


def shaken(module: nn.Module) -> None:
    """Norms that are not the identity."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


@pytest.mark.parametrize(("dim", "heads"), [(8, 1), (12, 3)])
def test_a_block_is_pytorchs_encoder_layer(dim: int, heads: int) -> None:
    block = TransformerBlock(dim, heads).double()
    shaken(block)
    r = torch.randn(4, dim, 3, 5, dtype=torch.float64)
    found = block(r)
    assert found.shape == r.shape
    t = r.flatten(2).transpose(1, 2)
    expected = plain_block(block, dim, heads)(t)
    torch.testing.assert_close(found, expected.transpose(1, 2).reshape(r.shape))


def embedded(images: Tensor, net: nets.Backbone, patch: int) -> Tensor:
    """Patch by patch, row by row, with zeros beyond the image: (B, N, D)."""
    embedding = net.blocks[0][0]
    weight, bias = embedding.patches[1].weight.flatten(1), embedding.patches[1].bias
    count = embedding.places.shape[-1]
    images = F.pad(images, (0, count * patch - images.shape[3], 0, count * patch - images.shape[2]))
    found = []
    for y in range(count):
        for x in range(count):
            square = images[:, :, patch * y : patch * (y + 1), patch * x : patch * (x + 1)]
            found.append(square.flatten(1) @ weight.T + bias + embedding.places[:, y, x])
    return torch.stack(found, dim=1)


@pytest.mark.parametrize(
    ("dataset", "side", "patch", "count"),
    [("digits", 16, 4, 4), ("cifar10", 32, 8, 4), ("digits", 14, 4, 4), ("digits", 4, 8, 1)],
)
def test_the_net_is_pytorchs_encoder_on_patches(
    dataset: str, side: int, patch: int, count: int
) -> None:
    """Also on images that patches do not divide, or that are smaller than one."""
    run = vit(dataset=dataset, image_size=side, patch=patch, width=0.0625, depth=3)
    net = built(run).double()
    shaken(net)
    assert net.shapes == [(16, count, count)] * 2 + [(16, 1, 1)]
    images = torch.randn(5, *data.shape(run)[0], dtype=torch.float64)
    t = embedded(images, net, patch)
    first, second, (third, mean) = net.blocks[0][1], net.blocks[1][0], net.blocks[2]
    for block in (first, second, third[0]):
        t = plain_block(block, 16, 4)(t)
    token = F.layer_norm(t, (16,), mean.norm.weight, mean.norm.bias).mean(1)
    expected = F.linear(token, net.classifier[1].weight, net.classifier[1].bias)
    torch.testing.assert_close(net(images), expected)


def test_the_embedding_is_a_layer_and_no_block() -> None:
    block, layer = (built(vit(width=0.125, depth=3, cut=cut)) for cut in ("block", "layer"))
    assert [len(f) for f in block.blocks] == [2, 1, 2]  # the embedding and the mean among them
    assert layer.shapes == [(32, 8, 8)] * 4
    assert [type(f).__name__ for f in layer.blocks] == ["Embedding"] + ["TransformerBlock"] * 3


def test_a_block_for_other_channels_maps_each_token_first() -> None:
    net = built(vit(width=0.125, depth=2))
    block = net.block(2, (5, 3, 4))
    assert isinstance(block[0], nn.Conv2d)
    assert block[0].weight.shape == (32, 5, 1, 1)
    assert block(torch.randn(2, 5, 3, 4)).shape == (2, 32, 3, 4)
    assert len(net.block(2, (32, 3, 4))) == 1


def test_depth_and_patches_by_preset() -> None:
    lesson, paper = Experiment(net="vit"), vit()
    assert (lesson.depth, lesson.patch, lesson.heads) == (7, 8, 4)
    assert (paper.depth, paper.patch, paper.heads) == (7, 4, 4)
    assert lesson.but(net="convnet").depth == 4
    assert lesson.but(depth=4).depth == 4
