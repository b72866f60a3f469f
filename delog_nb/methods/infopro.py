"""InfoPro (Wang et al., 2021): features have to keep what the image is, and to tell its class.

The local loss of component i = 0 ... K - 2; the last one ends in the classifier's cross-entropy:

    L_i = lambda1_i BCE(dec_i(r_i), x) + lambda2_i T_i(r_i, y)
    lambda_i = (1 - s) lambda_first + s lambda_last,  s = i / (K - 2)  (0 where K = 2)

x is the view in [0, 1] that the features come from. T_i takes an auxiliary net's output: the
supervised contrastive loss (tau = .07), or cross-entropy (softmax). A term of weight 0 has no net.
Decoders and auxiliary nets are affiliated.
"""

from types import SimpleNamespace

import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.components.batch import Batch
from delog_nb.components.component import Method, NetMaker, Objective, Terms, cut_with_objectives
from delog_nb.components.declare import method
from delog_nb.experiment import ExperimentError, Option
from delog_nb.experiment.counts import Counts
from delog_nb.methods.delog_scl import ContrastiveObjective
from delog_nb.methods.early_exit import ExitObjective
from delog_nb.nets import Shape
from delog_nb.nets.layers import AveragePool

_TAU = 0.07
_FEATURES = 128  # of the auxiliary net's hidden layer, and of what the contrastive loss compares
# lambda1 and lambda2 of the first local loss, then of the last, by K: ResNet-32, CIFAR-10, contrast
PUBLISHED = {2: (5, 1, 5, 1), 4: (6, 0, 1, 2), 8: (5, 0, 0, 2), 16: (5, 0.05, 0.2, 0.5)}


class Reconstruction(Objective):
    """Binary cross-entropy of the decoded image, as a mean over its pixels and channels."""

    short = "BCE"
    needs = ("inputs",)

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        x: Tensor = batch.inputs  # type: ignore[assignment]  # there, since `needs` asks
        logits = self.decoder(r).to(x.dtype)  # float32 under autocast too
        return F.binary_cross_entropy_with_logits(logits, x)  # BCE(dec(r), x)


def decoder(shape: Shape, image: Shape) -> nn.Module:
    """dec: (B, C, h, w) -> logits of the image (B, 3, H, W); 108 C + 363 parameters."""
    return nn.Sequential(
        nn.Upsample(image[1:], mode="bilinear", align_corners=True),
        nn.Conv2d(shape[0], 12, 3, padding=1),
        nn.BatchNorm2d(12),
        nn.ReLU(inplace=True),
        nn.Conv2d(12, image[0], 3, padding=1),
    )


def auxiliary(shape: Shape, outputs: int, *, deepest: bool) -> nn.Module:
    """One convolution, then two linear layers on its channels' means ("1c2f").

    The convolution doubles the channels and halves the side, as the net's next stage does; in the
    ``deepest`` stage it keeps both.
    """
    channels, stride = (shape[0], 1) if deepest else (2 * shape[0], 2)
    return nn.Sequential(
        nn.Conv2d(shape[0], channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        AveragePool((1, 1)),
        nn.Flatten(),
        nn.Linear(channels, _FEATURES),
        nn.ReLU(inplace=True),
        nn.Linear(_FEATURES, outputs),
    )


def _weight(name: str, of: str) -> Option:
    return Option(
        name, None, f"InfoPro: weight of {of}; default: the paper's", kind="float", ge=0, le=1000
    )


WEIGHTS = (
    _weight("lambda1_first", "the first component's reconstruction"),
    _weight("lambda2_first", "the first component's loss of labels"),
    _weight("lambda1_last", "the last local reconstruction"),
    _weight("lambda2_last", "the last local loss of labels"),
)
LOSS = Option(
    "infopro_loss",
    "contrast",
    "InfoPro: local loss of labels: contrast = supervised contrastive, softmax = cross-entropy",
    choices=("contrast", "softmax"),
)


def weights(options: SimpleNamespace) -> list[tuple[float, float]]:
    """(lambda1_i, lambda2_i) of the K - 1 local losses.

    Those that the options leave open are the paper's for K components; for a K that it has no
    weights for, those of the next larger one, or of 16.
    """
    count = options.components
    row = PUBLISHED[next((k for k in PUBLISHED if k >= count), max(PUBLISHED))]
    own = [getattr(options, option.name) for option in WEIGHTS]
    first1, first2, last1, last2 = (
        paper if given is None else given for given, paper in zip(own, row, strict=True)
    )
    found = []
    for i in range(count - 1):
        s = i / max(count - 2, 1)
        one = (1 - s) * first1 + s * last1  # lambda1_i
        two = (1 - s) * first2 + s * last2  # lambda2_i
        if not one and not two:
            raise ExperimentError(
                f"lambda1 and lambda2 of component {i + 1} are both 0, so that nothing trains it: "
                f"one of them has to be above 0"
            )
        found.append((one, two))
    return found


@method(
    "infopro",
    label="InfoPro",
    style=7,
    options=(LOSS, *WEIGHTS),
    components=Counts(default="H"),  # the last block is trained with the classifier
    published="Wang et al., 2021",
    loss="lambda1_l BCE(dec_l(r_l), x) + lambda2_l T_l(r_l, y), T: SCL or CE of an auxiliary net",
)
def build(net: NetMaker, options: SimpleNamespace) -> Method:
    """As many gradient flows as are asked for; one is BP."""
    backbone = net()
    last = backbone.shapes[-1][0]  # a stage is known by its channels
    lambdas = iter(weights(options))  # objectives are made from the first component up

    def objective_after(end: int) -> Objective:
        shape = backbone.shapes[end - 1]
        deepest = shape[0] >= last
        one, two = next(lambdas)
        terms: list[tuple[float, Objective]] = []
        if one:
            terms.append((one, Reconstruction(decoder(shape, backbone.in_shape))))
        if two and options.infopro_loss == "contrast":  # T_i
            head = auxiliary(shape, _FEATURES, deepest=deepest)
            terms.append((two, ContrastiveObjective(head, _TAU, "all")))
        elif two:
            head = auxiliary(shape, backbone.classes, deepest=deepest)
            terms.append((two, ExitObjective(head)))
        return Terms(terms)  # L_i

    return cut_with_objectives(backbone, options.components, objective_after)
