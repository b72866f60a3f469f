"""Which parameters a loss sends a gradient to, asked of autograd itself."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


def reach(losses: Iterable[Tensor], modules: Sequence[nn.Module]) -> Tensor:
    r"""How long the gradient of each loss is in each module.

    Entry (l, m) is the Euclidean length of :math:`\partial L_l / \partial \theta_m` over all
    parameters of module m, or NaN where no path leads from the loss to any of them: a gradient that
    is zero is something else than none. The graph is kept, and no ``grad`` is written.

    Args:
        losses: L scalars with a graph
        modules: M modules with parameters

    Returns:
        (L, M) in float64, on the CPU.

    >>> one, two = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> r = one(torch.ones(1, 1))
    >>> reach([r.sum(), two(r.detach()).sum()], [one, two]).isnan().tolist()
    [[False, True], [True, False]]
    """
    return torch.tensor(
        [[_length(loss, module) for module in modules] for loss in losses], dtype=torch.float64
    )


def _length(loss: Tensor, module: nn.Module) -> float:
    gradients = torch.autograd.grad(
        loss, list(module.parameters()), retain_graph=True, allow_unused=True
    )
    lengths = [torch.linalg.vector_norm(g.double()) for g in gradients if g is not None]
    return torch.stack(lengths).norm().item() if lengths else math.nan
