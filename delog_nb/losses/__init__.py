"""Loss functions, as formulas alone: tensors in, a scalar out."""

from delog_nb.losses.contrastive import supervised_contrastive_loss
from delog_nb.losses.infonce import info_nce
from delog_nb.losses.similarity import (
    channel_deviation,
    similarity_matching_loss,
    similarity_matrix,
)

__all__ = [
    "channel_deviation",
    "info_nce",
    "similarity_matching_loss",
    "similarity_matrix",
    "supervised_contrastive_loss",
]
