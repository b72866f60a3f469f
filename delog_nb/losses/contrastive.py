"""The supervised contrastive loss, Eq. 2 of the paper."""

import itertools
import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Of the N x N logits, this many are alive at a time: blocks that stay in a processor's cache, and
# that keep a GPU busy. Measured: benchmarks/README.md.
_BLOCK_ELEMENTS = {"cpu": 1 << 18, "meta": 1 << 18, "cuda": 1 << 24}
_KEPT_ELEMENTS = 1 << 22  # up to so many exponentials are kept for the gradient: N = 2048
# exp(z_i . z_j / tau) of unit vectors needs no shift: its sum is finite, its terms are not 0
_SHIFTLESS_TAU = 1 / 64


def supervised_contrastive_loss(
    z: Tensor,
    labels: Tensor,
    tau: float = 0.1,
    normalize: bool = True,
    scaling: str = "eq2",
) -> Tensor:
    r"""Supervised contrastive loss of a batch of views (Eq. 2; Khosla et al., 2020).

    .. math::
        L = \frac{1}{M} \sum_{i : P(i) \neq \emptyset} \frac{-1}{|P(i)|} \sum_{p \in P(i)}
            \log \frac{\exp(z_i \cdot z_p / \tau)}{\sum_{j \neq i} \exp(z_i \cdot z_j / \tau)}

    P(i) are the other views with the label of i; M is the number of anchors i that have any, so L
    is the mean over anchors where Eq. 2 writes a sum. A batch without positives gives 0.

    Computed in float32 (float64 for float64 input) whatever the autocast state, in blocks:
    memory beyond z grows with N, not with N x N. First-order gradients only.

    Args:
        z: (N, D) projections of all views
        labels: (N,) integers; equal labels are positives
        tau: temperature, above 0
        normalize: divide each z by its length; a zero vector stays zero and gets no gradient
        scaling: ``eq2``; or ``all``: the mean over all N anchors, one without positives counts 0;
            or ``authors``: so too in their code, which counts the anchor among its positives, a
            factor |P| / (|P| + 1)

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: shapes, tau or scaling are not as above.

    >>> z = torch.ones(6, 3)  # all alike, and two views each of three classes: log(6 - 1)
    >>> round(supervised_contrastive_loss(z, torch.tensor([0, 1, 2, 0, 1, 2])).item(), 4)
    1.6094
    """
    if z.ndim != 2 or labels.shape != z.shape[:1]:
        raise ValueError(
            f"z must be (N, D) and labels (N,): got {tuple(z.shape)} and {tuple(labels.shape)}"
        )
    if not tau > 0:
        raise ValueError(f"tau must be above 0: got {tau}")
    if scaling not in ("eq2", "all", "authors"):
        raise ValueError(f"scaling must be 'eq2', 'all' or 'authors': got {scaling!r}")
    kind = "cpu" if z.is_meta else z.device.type
    with torch.autocast(kind, enabled=False):
        if z.dtype != torch.float64:
            z = z.float()
        if normalize:
            z = unit(z)
        if len(z) < 2:
            return z.sum() * 0
        bounded = normalize and tau >= _SHIFTLESS_TAU
        return _SupervisedContrastive.apply(z, labels, tau, scaling, bounded)


def unit(z: Tensor, epsilon: float = 0.0) -> Tensor:
    """z / (|z| + epsilon) of each row, and 0 for z = 0, where its direction (and so the gradient)
    is undefined.
    """
    length = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    tiny = torch.finfo(z.dtype).tiny
    return z * torch.where(length > tiny, (length.clamp_min(tiny) + epsilon).reciprocal(), 0.0)


class _SupervisedContrastive(torch.autograd.Function):
    """Loss and gradient in one pass over blocks of the logits.

    With S_c the sum of z over class c, the positives of i need no mask:
    sum_p z_i . z_p = z_i . (S_{y_i} - z_i). With the softmax p_ij over j != i and w_i the weight
    of anchor i, the gradient of sum_i w_i L_i is

        dL/dz_i = (1/tau) (w_i sum_j p_ij z_j + sum_j w_j p_ji z_j - 2 w_i (S_{y_i} - z_i) / |P(i)|)
    """

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, labels: Tensor, tau: float, scaling: str, bounded: bool
    ) -> Tensor:
        count = len(z)
        others, positives = _sum_of_positives(z, labels)
        weight = (positives > 0).to(z.dtype)
        if scaling == "authors":
            weight *= positives / (positives + 1)
        weight /= weight.sum().clamp_min(1) if scaling == "eq2" else count
        share = weight / positives.clamp_min(1)  # w_i / |P(i)|

        # what the logarithm adds to the loss, and tau times what it adds to the gradient
        gradient = torch.zeros_like(z) if ctx.needs_input_grad[0] else None
        total = (_log_sum_exp if bounded else _log_sum_exp_by_rows)(z, weight, tau, gradient)
        total -= (share[:, None] * z * others).sum() / tau
        if gradient is not None:
            gradient.addcmul_(others, share[:, None], value=-2).div_(tau)
            ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_output, None, None, None, None


def _log_sum_exp(z: Tensor, weight: Tensor, tau: float, gradient: Tensor | None) -> Tensor:
    """sum_i w_i log l_i of unit vectors, l_i = sum_{j != i} E_ij, E_ij = exp(z_i . z_j / tau).

    E is symmetric, so half of its blocks are computed. To ``gradient`` is added, for each i,
    sum_j (a_i + a_j) E_ij z_j with a = w / l: one product where rows and columns would take two.
    """
    count = len(z)
    rows = min(count, math.isqrt(_BLOCK_ELEMENTS[z.device.type]))
    blocks = [slice(start, start + rows) for start in range(0, count, rows)]
    pairs = list(itertools.combinations_with_replacement(blocks, 2))
    scaled = z * tau**-0.5

    def exponentials(i: slice, j: slice) -> Tensor:
        block = (scaled[i] @ scaled[j].T).exp_()
        return block.fill_diagonal_(0) if i is j else block  # the anchor is not its own positive

    keep = gradient is not None and count**2 <= _KEPT_ELEMENTS
    kept: dict[int, Tensor] = {}
    sums = torch.zeros_like(weight)
    for place, (i, j) in enumerate(pairs):
        block = exponentials(i, j)
        sums[i] += block.sum(1)
        if i is not j:
            sums[j] += block.sum(0)
        if keep:
            kept[place] = block
    if gradient is not None:
        a = weight / sums
        for place, (i, j) in enumerate(pairs):
            block = kept.pop(place) if keep else exponentials(i, j)
            block.mul_(a[i, None] + a[j])
            gradient[i].addmm_(block, z[j])
            if i is not j:
                gradient[j].addmm_(block.T, z[i])
    return weight @ sums.log()


def _log_sum_exp_by_rows(z: Tensor, weight: Tensor, tau: float, gradient: Tensor | None) -> Tensor:
    """The same for vectors of any length and any tau: each row is shifted by its maximum."""
    count = len(z)
    total = torch.zeros_like(weight[0])
    rows = max(1, min(count, _BLOCK_ELEMENTS[z.device.type] // count))
    for start in range(0, count, rows):
        part = z[start : start + rows]
        logits = (part @ z.T).div_(tau)  # (rows, N)
        logits.diagonal(start).fill_(-torch.inf)
        logsumexp = logits.logsumexp(1)
        anchor_weight = weight[start : start + rows]
        total += anchor_weight @ logsumexp
        if gradient is not None:
            weighted = logits.sub_(logsumexp[:, None]).exp_().mul_(anchor_weight[:, None])
            gradient[start : start + rows] += weighted @ z
            gradient.addmm_(weighted.T, part)
    return total


def _sum_of_positives(z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of z over P(i), (N, D), and |P(i)|, (N,).

    Classes are numbered by sorting: `torch.unique` would make the host wait for a GPU.
    """
    ordered, order = labels.sort()
    starts = torch.zeros_like(order)
    starts[1:] = ordered[1:] != ordered[:-1]
    classes = torch.empty_like(order)
    classes[order] = starts.cumsum(0)  # (N,) in 0 ... N - 1
    sums = torch.zeros_like(z).index_add_(0, classes, z)
    sizes = torch.zeros_like(z[:, 0]).index_add_(0, classes, torch.ones_like(z[:, 0]))
    return sums[classes] - z, sizes[classes] - 1
