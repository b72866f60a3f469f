"""Loss functions, as formulas alone: tensors in, a scalar out."""

from delog_nb.losses.contrastive import supervised_contrastive_loss

__all__ = ["supervised_contrastive_loss"]
