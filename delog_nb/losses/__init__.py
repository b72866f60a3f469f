"""Loss functions, as formulas alone: tensors in, a scalar out."""

from delog_nb.losses.contrastive import supervised_contrastive_loss
from delog_nb.losses.infonce import info_nce

__all__ = ["info_nce", "supervised_contrastive_loss"]
