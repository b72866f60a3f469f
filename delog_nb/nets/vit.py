"""A vision transformer (Dosovitskiy et al., 2021) of the size of ViT-Lite-7/4 for CIFAR-10.

Sizes follow Hassani et al. (2021): 7 blocks, 256 dimensions, 4 heads, twice as many hidden units
in an MLP, patches of 4 x 4 pixels; queries, keys and values have no bias. The mean of the tokens
takes the place of the class token; there is no dropout. With 10 classes that is 3,716,362
parameters.

Tokens stay a grid: features are (B, D, ceil(S / P), ceil(S / P)), for D dimensions, images of S x S
pixels and patches of P x P. Where these reach beyond the image they see zeros.
"""

import torch
from torch import Tensor, nn

from delog_nb.experiment import Option
from delog_nb.nets.backbone import Parts, Shape, output_shape
from delog_nb.nets.declare import net
from delog_nb.nets.layers import scaled

# Of small patches few epochs make little: on the digits, 8 pixels learn much faster than 4.
PATCH = Option(
    "patch",
    4,
    "ViT: side of a patch, which is a token",
    unit="pixels",
    ge=1,
    le=64,
    presets={"lesson": 8},
)
HEADS = Option(
    "heads", 4, "ViT: attention heads; the dimensions are a multiple of them", ge=1, le=64
)


def tokens(r: Tensor) -> Tensor:
    """A grid (B, D, h, w) as a sequence (B, N, D), row by row."""
    return r.flatten(2).transpose(1, 2)


class Embedding(nn.Module):
    """A linear map of each patch, and a learned vector for each place: (B, C, S, S) -> the grid."""

    def __init__(self, shape: Shape, dim: int, patch: int) -> None:
        super().__init__()
        below, right = (-side % patch for side in shape[1:])  # to whole patches
        self.patches = nn.Sequential(
            nn.ZeroPad2d((0, right, 0, below)), nn.Conv2d(shape[0], dim, patch, patch)
        )
        # As nn.Embedding begins. With the .02 of Dosovitskiy et al. places tell little apart for
        # longer than a lesson trains.
        self.places = nn.Parameter(torch.randn(output_shape(self.patches, shape)))

    def forward(self, images: Tensor) -> Tensor:
        return self.patches(images) + self.places


class TransformerBlock(nn.Module):
    """Attention and an MLP on the tokens t of a grid, each on normalised ones (pre-norm):

    t <- t + W_o concat_heads softmax(q k^T / sqrt(D / heads)) v,   [q k v] = W LN(t)
    t <- t + MLP(LN(t))
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def like(self, inputs: int, stride: int) -> nn.Module:
        """A fresh one; a linear map of each token comes first where the shape changes."""
        dim = self.out.out_features
        block = TransformerBlock(dim, self.heads)
        if inputs == dim and stride == 1:
            return block
        return nn.Sequential(nn.Conv2d(inputs, dim, 1, stride), block)

    def forward(self, r: Tensor) -> Tensor:
        t = tokens(r)
        qkv = self.qkv(self.before_attention(t)).unflatten(2, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, N, D / heads) each
        attention = (q @ k.transpose(2, 3) / q.shape[3] ** 0.5).softmax(3)  # (B, heads, N, N)
        t = t + self.out((attention @ v).transpose(1, 2).flatten(2))
        t = t + self.mlp(self.before_mlp(t))
        return t.transpose(1, 2).unflatten(2, r.shape[2:])


class MeanToken(nn.Module):
    """The mean of the normalised tokens: (B, D, h, w) -> (B, D, 1, 1)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, r: Tensor) -> Tensor:
        return self.norm(tokens(r)).mean(1)[:, :, None, None]


@net(
    "vit",
    label="ViT",
    depth=7,
    revision=2,  # attention in single steps: PyTorch's joint one is slow in bf16 on CPUs
    options=(PATCH, HEADS),
    published="Dosovitskiy et al., 2021; sizes of ViT-Lite-7/4, Hassani et al., 2021",
)
def build(
    in_shape: Shape,  # noqa: ARG001
    classes: int,
    width: float,
    depth: int,  # noqa: ARG001
    *,
    patch: int,
    heads: int,
) -> Parts:
    """Block l is one transformer block; the embedding is in block 1, and a layer of its own.

    A block for features of other channels than D begins by a linear map of each token.
    """
    dim = heads * scaled(256, width / heads)

    def block(number: int, shape: Shape) -> nn.Sequential:
        layers: list[nn.Module] = [TransformerBlock(dim, heads)]
        if number == 1:
            layers.insert(0, Embedding(shape, dim, patch))
        elif shape[0] != dim:
            layers.insert(0, nn.Conv2d(shape[0], dim, 1))
        return nn.Sequential(*layers)

    return Parts(
        block,
        lambda features: nn.Sequential(nn.Flatten(), nn.Linear(features, classes)),
        MeanToken(dim),
    )
