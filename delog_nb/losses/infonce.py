"""InfoNCE: tell the vector that belongs to a context from vectors that were drawn."""

import torch
from torch import Tensor


def info_nce(context: Tensor, targets: Tensor, drawn: Tensor) -> Tensor:
    r"""InfoNCE of dot products (van den Oord et al., 2018), as Greedy InfoMax has it.

    .. math::
        L = \frac{1}{N} \sum_i - \log \frac{\exp(c_i \cdot t_i)}
            {\exp(c_i \cdot t_i) + \sum_{j=1}^{n} \exp(c_i \cdot t_{d_{ij}})}

    Vectors keep their lengths, and there is no temperature. Both sides carry gradient. Computed in
    float32 (float64 for float64 input) whatever the autocast state, in N x n x D of memory.

    Args:
        context: (N, D) vectors c
        targets: (N, D) vectors t; row i belongs to c_i, and negatives are rows, too
        drawn: (N, n) numbers d of the rows that are i's negatives; i itself is allowed

    Returns:
        The loss, a scalar: log(1 + n) where all products are equal.

    Raises:
        ValueError: shapes are not as above.

    >>> two = torch.eye(2)
    >>> round(info_nce(two, two, torch.tensor([[1], [0]])).item(), 4)  # log(1 + 1 / e)
    0.3133
    """
    if context.ndim != 2 or context.shape != targets.shape or drawn.shape[:-1] != context.shape[:1]:
        raise ValueError(
            f"context and targets must be (N, D) and drawn (N, n): got {tuple(context.shape)}, "
            f"{tuple(targets.shape)} and {tuple(drawn.shape)}"
        )
    with torch.autocast("cpu" if context.is_meta else context.device.type, enabled=False):
        if context.dtype != torch.float64:
            context, targets = context.float(), targets.float()
        positive = (context * targets).sum(1, keepdim=True)  # (N, 1)
        # index_select's gradient is summed faster than that of an index, or of an embedding
        others = targets.index_select(0, drawn.flatten()).unflatten(0, drawn.shape)  # (N, n, D)
        negative = (others @ context[:, :, None])[:, :, 0]  # (N, n)
        return -torch.cat([positive, negative], 1).log_softmax(1)[:, 0].mean()
