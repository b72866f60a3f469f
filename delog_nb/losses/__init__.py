"""Loss functions, as formulas alone: tensors in, a scalar out."""

from delog_nb.losses.channels import channel_deviation, channel_energy
from delog_nb.losses.contrastive import supervised_contrastive_loss
from delog_nb.losses.infonce import info_nce
from delog_nb.losses.similarity import similarity_matching_loss, similarity_matrix

__all__ = [
    "channel_deviation",
    "channel_energy",
    "info_nce",
    "similarity_matching_loss",
    "similarity_matrix",
    "supervised_contrastive_loss",
]
