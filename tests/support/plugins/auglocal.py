"""AugLocal (Ma et al., 2024): a block's auxiliary network is made like blocks further up."""

import torch.nn.functional as F
from torch import nn

import delog_nb
from delog_nb import Option
from delog_nb.components.component import cut_with_objectives
from delog_nb.nets.backbone import output_shape

DEPTH = Option("aux_depth", 1, "AugLocal: blocks of an auxiliary network", ge=1, le=8)


class Augmented(delog_nb.Objective):
    short = "AugLocal"

    def __init__(self, blocks, classifier):
        super().__init__()
        self.blocks, self.classifier = nn.Sequential(*blocks), classifier

    def forward(self, r, batch):
        return F.cross_entropy(self.classifier(self.blocks(r)), batch.labels)

    def way_out(self):
        return nn.Sequential(self.blocks, self.classifier)


@delog_nb.method(
    "aug-local",
    label="AugLocal",
    options=(DEPTH,),
    refuses={"vgg": "its blocks halve the image, and above the last but one nothing is left"},
)
def build(net, options):
    backbone = net()
    above = len(backbone.blocks)

    def after(end):
        """Blocks spread evenly over those above, the last one among them."""
        count = min(options.aux_depth, above - end)
        chosen = [end + round((above - end) * (k + 1) / count) for k in range(count)]
        shape, blocks = backbone.shapes[end - 1], []
        for number in chosen:
            blocks.append(backbone.block(number, shape))
            shape = output_shape(blocks[-1], shape)
        head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(shape[0], backbone.classes)
        )
        return Augmented(blocks, head)

    return cut_with_objectives(backbone, options.components, after)
