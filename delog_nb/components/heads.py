"""What turns features r_l into a vector for a local loss."""

import torch
from torch import nn

from delog_nb.experiment import Option
from delog_nb.nets import Shape
from delog_nb.nets.layers import AveragePool

# of every method whose heads, exits or bridges flatten features
POOL = Option(
    "pool",
    0,
    "average-pool features to this side before heads, exits and bridges (0: no pooling)",
    unit="pixels",
    ge=0,
    le=64,
    presets={"lesson": 4},
)


def flatten(shape: Shape, pool: int = 0) -> tuple[nn.Module, int]:
    """(module, D): (B, *shape) -> (B, D), first average-pooled to pool x pool if that is smaller.

    Pooling keeps the flattened features, and with them the first linear layer, small.
    """
    if pool and len(shape) == 3 and pool < min(shape[1:]):
        pooled = nn.Sequential(AveragePool((pool, pool)), nn.Flatten())
        return pooled, shape[0] * pool * pool
    return nn.Flatten(), torch.Size(shape).numel()


def projection_head(
    kind: str, shape: Shape, *, hidden: int = 512, dim: int = 1024, pool: int = 0
) -> nn.Sequential:
    """Projection head g_l: (B, *shape) -> z_l (B, dim) (section A.4, Table 9).

    - ``identity``: z = flatten(r), of as many dimensions as r has
    - ``linear``: z = W r + b
    - ``mlp``: z = W_2 relu(W_1 r + b_1) + b_2
    """
    to_vector, features = flatten(shape, pool)
    if kind == "identity":
        return nn.Sequential(to_vector)
    if kind == "linear":
        return nn.Sequential(to_vector, nn.Linear(features, dim))
    if kind == "mlp":
        return nn.Sequential(
            to_vector, nn.Linear(features, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, dim)
        )
    raise ValueError(f"head kind {kind!r} is not one of identity, linear, mlp")


def local_classifier(shape: Shape, classes: int, *, hidden: int = 512, pool: int = 0) -> nn.Module:
    """An early exit: (B, *shape) -> logits (B, classes); a sigmoid layer unless hidden is 0."""
    to_vector, features = flatten(shape, pool)
    if not hidden:
        return nn.Sequential(to_vector, nn.Linear(features, classes))
    return nn.Sequential(
        to_vector, nn.Linear(features, hidden), nn.Sigmoid(), nn.Linear(hidden, classes)
    )
