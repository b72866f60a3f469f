"""Early Exit: every component but the last is trained by a local classifier of its own.

The exits are affiliated: the final classifier, trained on detached features, gives the prediction.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb import nets
from delog_nb.data import shape
from delog_nb.experiment import Experiment
from delog_nb.methods import heads
from delog_nb.methods.component import Method, Objective, cut_with_objectives


class ExitObjective(Objective):
    """Cross-entropy of a local classifier's prediction."""

    short = "exit CE"

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, r: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        return F.cross_entropy(self.classifier(r), t), t


def build(experiment: Experiment) -> Method:
    """``num_components`` gradient flows; one is BP."""
    backbone = nets.build(experiment)
    classes = shape(experiment)[1]

    def exit_after(blocks: int) -> Objective:
        return ExitObjective(
            heads.local_classifier(
                backbone.shapes[blocks - 1],
                classes,
                hidden=experiment.exit_hidden,
                pool=experiment.pool,
            )
        )

    return cut_with_objectives(backbone, experiment.num_components, exit_after)
