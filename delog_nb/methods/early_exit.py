"""Early Exit: every component but the last is trained by a local classifier of its own.

The exits are affiliated: the final classifier, trained on detached features, gives the prediction.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.experiment import Experiment
from delog_nb.methods import heads
from delog_nb.methods.batch import Batch
from delog_nb.methods.component import Method, NetMaker, Objective, cut_with_objectives


class ExitObjective(Objective):
    """Cross-entropy of a local classifier's prediction."""

    short = "exit CE"

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(self.classifier(r), batch.labels)


def build(experiment: Experiment, net: NetMaker) -> Method:
    """``num_components`` gradient flows; one is BP."""
    backbone = net()

    def exit_after(blocks: int) -> Objective:
        return ExitObjective(
            heads.local_classifier(
                backbone.shapes[blocks - 1],
                backbone.classes,
                hidden=experiment.exit_hidden,
                pool=experiment.pool,
            )
        )

    return cut_with_objectives(backbone, experiment.num_components, exit_after)
