"""The batches of one epoch."""

from collections.abc import Collection

import torch
from torch import Tensor

from delog_nb.components.batch import Batch
from delog_nb.data import Split, Views


class Batches:
    """An epoch over the images of ``split``, in an order that follows from seed and epoch alone.

    ``parts[place]`` (B,) are the numbers of the images in batch ``place``. ``needs`` is what
    objectives need of a batch, see `delog_nb.components.Objective`.
    """

    def __init__(
        self,
        split: Split,
        views: Views,
        batch_size: int,
        epoch: int,
        needs: Collection[str] = (),
    ) -> None:
        self.split, self._views, self._needs = split, views, needs
        self._plan = views.plan(len(split), epoch)
        self.parts = self._plan.order.split(batch_size)
        self._steps_before = epoch * len(self.parts)

    @property
    def device(self) -> torch.device:
        """Where the batches are made."""
        return self.split.labels.device

    def views(self, index: Tensor) -> Tensor:
        """Two views (2B, C, H, W) of the images at ``index`` (B,)."""
        return self._views(self.split.images[index], self._plan.randoms[index])

    def batch(self, index: Tensor, place: int) -> Batch:
        """What goes with the views of the images at ``index``, in the epoch's step ``place``."""
        samples = index.repeat(2)
        inputs = self._views.pixels(self.views(index)) if "inputs" in self._needs else None
        return Batch.of(self.split.labels[samples], samples, self._steps_before + place, inputs)
