"""Early Exit: every component but the last is trained by a local classifier of its own.

The exits are affiliated: the final classifier, trained on detached features, gives the prediction.
"""

from functools import partial
from types import SimpleNamespace

import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.components import heads
from delog_nb.components.batch import Batch
from delog_nb.components.component import Method, NetMaker, Objective, cut_with_objectives
from delog_nb.components.declare import method
from delog_nb.experiment import Option
from delog_nb.nets import Backbone


class ExitObjective(Objective):
    """Cross-entropy of a local classifier's prediction."""

    short = "exit CE"

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(self.classifier(r), batch.labels)

    def way_out(self) -> nn.Module:
        return self.classifier


EXIT_HIDDEN = Option(
    "exit_hidden",
    512,
    "Early Exit: hidden units of a local classifier (0: one linear layer)",
    ge=0,
    le=65536,
    presets={"lesson": 128},
)


def exit_after(
    backbone: Backbone,
    options: SimpleNamespace,
    end: int,
    kind: type[ExitObjective] = ExitObjective,
) -> ExitObjective:
    """The exit of a component whose last block is f_end."""
    classifier = heads.local_classifier(
        backbone.shapes[end - 1], backbone.classes, hidden=options.exit_hidden, pool=options.pool
    )
    return kind(classifier)


@method(
    "early-exit",
    label="Early Exit",
    presets={"lesson": {"lr": 0.005}},
    options=(heads.POOL, EXIT_HIDDEN),
    style=2,
    published="the baseline of this course's paper; Mostafa et al., 2018",
    loss="CE(e_l(r_l), y)",
)
def build(net: NetMaker, options: SimpleNamespace) -> Method:
    """As many gradient flows as are asked for; one is BP."""
    backbone = net()
    return cut_with_objectives(backbone, options.components, partial(exit_after, backbone, options))
