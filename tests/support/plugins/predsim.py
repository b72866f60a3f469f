"""A similarity-matching loss beside a local classifier (Nokland & Eidnes, 2019), after blocks."""

import torch.nn.functional as F
from torch import nn

import delog_nb


def similarity(x):
    """(N, D) -> (N, N): adjusted cosine."""
    x = x - x.mean(1, keepdim=True)
    x = x / (1e-8 + x.norm(dim=1, keepdim=True))
    return (x @ x.T).clamp(-1, 1)


@delog_nb.method("pred-sim", label="PredSim")
class PredSim(delog_nb.Objective):
    short = "PredSim"

    def __init__(self, shape, classes, *, sim_weight=0.99):
        super().__init__()
        self.classes, self.weight = classes, sim_weight
        self.convolution = nn.Conv2d(shape[0], shape[0], 3, padding=1, bias=False)
        side = min(4, shape[1])
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Linear(shape[0] * side * side, classes)

    def forward(self, r, batch):
        predicted = F.cross_entropy(self.classifier(self.pool(r).flatten(1)), batch.labels)
        h = self.convolution(r)
        h = h.std((2, 3), correction=0) if h.shape[2] > 1 else h.flatten(1)
        h, labels = batch.join(h, batch.labels)
        target = similarity(F.one_hot(labels, self.classes).to(h.dtype))
        return (1 - self.weight) * predicted + self.weight * F.mse_loss(similarity(h), target)
