"""Targets that are learned: codes of the classes, made from labels alone."""

import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.components.batch import Batch
from delog_nb.components.component import Objective


class TargetCode(Objective):
    """Encoder g_l and decoder inv_l of one component: the half of its loss without images."""

    short = "code"

    def __init__(self, encoder: nn.Module, decoder: nn.Module, classes: int) -> None:
        super().__init__()
        self.encoder, self.decoder, self.classes = encoder, decoder, classes

    def forward(self, r: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """MSE(inv_l(t_l), t_{l-1}) and t_l."""
        below = batch.target
        if below.ndim == 1:  # labels: t_0
            below = F.one_hot(below, self.classes).to(r.dtype)
        code = self.encoder(below)
        return F.mse_loss(self.decoder(code), below), code

    @property
    def span(self) -> float:
        """From the lowest to the highest value that a coordinate of a code can have."""
        return 2.0 if isinstance(list(self.encoder.modules())[-1], nn.Tanh) else 1.0
