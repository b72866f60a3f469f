"""The similarity matching loss of Nokland & Eidnes (2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from delog_nb.losses.contrastive import unit

_EPSILON = 1e-8  # the authors add it to a norm before they divide by it


def similarity_matrix(z: Tensor) -> Tensor:
    r"""Cosine similarities (N, N) of rows z (N, D), each without its own mean.

    .. math::
        S_{ij} = \frac{\tilde z_i \cdot \tilde z_j}{|\tilde z_i| |\tilde z_j|}, \quad
            \tilde z_i = z_i - \mathrm{mean}(z_i)

    A row whose entries are all alike has similarity 0 to every row, and gets no gradient.

    >>> similarity_matrix(torch.tensor([[0.0, 1.0], [0.0, 2.0], [3.0, 0.0], [1.0, 1.0]])).round()
    tensor([[ 1.,  1., -1.,  0.],
            [ 1.,  1., -1.,  0.],
            [-1., -1.,  1.,  0.],
            [ 0.,  0.,  0.,  0.]])
    """
    z = unit(z - z.mean(1, keepdim=True), _EPSILON)
    return (z @ z.T).clamp(-1, 1)


def similarity_matching_loss(z: Tensor, labels: Tensor, classes: int) -> Tensor:
    r"""Mean squared difference between the samples' similarities and their labels'.

    .. math::
        L = \frac{1}{N^2} \sum_{i, j} (S(z)_{ij} - S(\mathrm{onehot}(y))_{ij})^2

    The labels' similarity is 1 for two of one class and -1 / (classes - 1) for two of different
    classes. The mean includes i = j. Computed in float32 (float64 for float64 input) whatever the
    autocast state.

    Args:
        z: (N, D) rows to compare
        labels: (N,) classes
        classes: how many there are, in this batch or not; 2 at least, unless all labels are equal

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: shapes are not as above.

    >>> z = torch.tensor([[0.0, 1.0], [0.0, 2.0], [3.0, 0.0]])
    >>> similarity_matching_loss(z, torch.tensor([0, 0, 1]), classes=2).item() < 1e-12
    True
    """
    if z.ndim != 2 or labels.shape != z.shape[:1]:
        raise ValueError(
            f"z must be (N, D) and labels (N,): got {tuple(z.shape)} and {tuple(labels.shape)}"
        )
    with torch.autocast("cpu" if z.is_meta else z.device.type, enabled=False):
        found = similarity_matrix(z if z.dtype == torch.float64 else z.float())
    same = labels[:, None] == labels
    wanted = torch.where(same, 1.0, -1 / max(1, classes - 1)).to(found.dtype)
    return F.mse_loss(found, wanted)
