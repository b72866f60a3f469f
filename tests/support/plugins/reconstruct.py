"""Every block is asked for the image that it came from: what InfoPro adds to a local loss."""

import torch.nn.functional as F
from torch import nn

import delog_nb


@delog_nb.method("reconstruct", label="Reconstruct")
class Reconstruct(delog_nb.Objective):
    short = "BCE"
    needs = ("inputs",)

    def __init__(self, shape, classes):
        super().__init__()
        self.decoder = nn.Conv2d(shape[0], 1, 3, padding=1)
        self.classifier = nn.Linear(shape[0], classes)

    def forward(self, r, batch):
        wide = F.interpolate(r, batch.inputs.shape[2:], mode="bilinear", align_corners=True)
        image = F.binary_cross_entropy_with_logits(self.decoder(wide), batch.inputs)
        return image + F.cross_entropy(self.classifier(r.mean((2, 3))), batch.labels)
