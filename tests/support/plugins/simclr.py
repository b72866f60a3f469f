"""SimCLR after every block (Chen et al., 2020), with a classifier on detached features."""

import torch.nn.functional as F
from torch import nn

import delog_nb
from delog_nb.losses import supervised_contrastive_loss


@delog_nb.method("simclr", label="SimCLR")
class SimCLR(delog_nb.Objective):
    short = "SimCLR"

    def __init__(self, shape, classes, *, temperature=0.5):
        super().__init__()
        self.temperature = temperature
        self.head = nn.Sequential(nn.Linear(shape[0], shape[0]), nn.ReLU(), nn.Linear(shape[0], 16))
        self.classifier = nn.Linear(shape[0], classes)

    def forward(self, r, batch):
        h = r.mean((2, 3))
        # an image's two views are each other's positives: labels are not looked at
        z, images = batch.join(self.head(h), batch.samples)
        contrast = supervised_contrastive_loss(z, images, self.temperature)
        return contrast + F.cross_entropy(self.classifier(h.detach()), batch.labels)
