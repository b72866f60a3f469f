"""The plan: the paper's claims as comparisons, made before the runs that decide them.

Each comparison names its study (`delog_nb.course.evidence`), which has a size and seeds. The margin
is one point everywhere. Claims about trained networks are judged from runs of the study *long* or
of the paper's size alone; shorter runs of the same comparison stand beside them, with a verdict of
their own and no say in the claim's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from delog_nb import methods
from delog_nb.course.assessing import POINT, Assessment, Claim, Counted, Planned, assess
from delog_nb.course.evidence import (
    CLASSES,
    FULL,
    LONG,
    SHORT,
    STUDIES,
    Study,
    Sum,
    accuracy,
    slope,
)
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.experiment.fields import shown
from delog_nb.experiment.registry import METHODS, NETS
from delog_nb.measure.cost import parameter_counts
from delog_nb.measure.flows import flow_lengths
from delog_nb.records import Record

MUCH = 2 * POINT  # what we take "much better" for; the paper gives no number
MUCH_FEWER = 0.5  # and "much fewer parameters": less than half
TURN = 100  # the epoch that the paper names for Figures 4 and 5
EARLY, LATE = (1, TURN), (TURN + 1, 100_000)
_PLAIN = ("convnet", "vgg")  # without shortcuts
PAPERS_NETS = (*_PLAIN, "resnet")  # the paper's
_BATCHES = {FULL: (32, 64, 128, 256, 512, 1024), SHORT: (32, 64, 128, 512)}
_OWN_BATCH = {FULL: 128, SHORT: 64}  # the preset's
_FULL_HEADS = {"pool": 0, "head_hidden": 512, "head_dim": 1024}  # the paper's
_SHORT_OF_THREE = replace(SHORT, seeds=SHORT.seeds[:3])  # for those heads, whose runs are slow
_NO_CIFAR100 = "no data here"


def above(
    one: str, other: str, net: str, study: Study, by: float = 0.0, data: str = "CIFAR-10"
) -> Planned:
    """Accuracy of method ``one`` minus that of ``other``."""
    where = "" if data == "CIFAR-10" else f"{data}: "
    label = f"{where}{METHODS.label(one)} − {METHODS.label(other)}, {NETS.label(net)}"
    value = accuracy(net, one, data=data) - accuracy(net, other, data=data)
    return Planned(label, value, study, by, missing=_NO_CIFAR100 if "100" in data else "")


def _trained(
    pairs: Sequence[tuple[str, str]], nets: Sequence[str], by: float = 0.0
) -> list[Planned]:
    """Of trained networks: *long* where it has both methods; *short* beside it."""
    long = ("bp", "early-exit", "delog-scl")
    found = []
    for net in nets:
        for one, other in pairs:
            there = net == "convnet" and one in long and other in long
            found.append(above(one, other, net, LONG if there else FULL, by))
    return found + [
        above(one, other, net, SHORT, by).beside() for net in nets for one, other in pairs
    ]


def _without_shortcuts() -> list[Planned]:
    return _trained([("al", "bp"), ("delog-scl", "bp")], _PLAIN)


def _resnet() -> list[Planned]:
    return _trained([("bp", other) for other in ("early-exit", "al", "delog-scl")], ["resnet"])


def _early_exit() -> list[Planned]:
    return _trained([("bp", "early-exit")], PAPERS_NETS, MUCH)


def _best_of_the_cut() -> list[Planned]:
    return _trained([("delog-scl", other) for other in ("early-exit", "al")], PAPERS_NETS)


def _cifar100() -> list[Planned]:
    data = "CIFAR-100"
    return [
        *(above("delog-scl", o, net, FULL, data=data) for net in _PLAIN for o in ("bp", "al")),
        above("bp", "delog-scl", "resnet", FULL, data=data),
    ]


def _tiny_imagenet() -> list[Planned]:
    data = "Tiny-ImageNet"
    return [
        *(above(one, "bp", "vgg", CLASSES, data=data) for one in ("al", "delog-scl")),
        *(above("bp", o, "resnet", CLASSES, MUCH, data) for o in ("al", "delog-scl")),
    ]


def _short_flows() -> list[Planned]:
    def lead(net: str, epochs: tuple[int, int], cut: dict[str, int] | None = None) -> Sum:
        several = accuracy(net, "delog-scl", cut, epochs=epochs)
        return several - accuracy(net, "bp", epochs=epochs)  # BP is Delog-SCL in one flow

    early, late = lead("convnet", EARLY), lead("convnet", LATE)
    found = [
        Planned(f"several − one, mean up to epoch {TURN}, ConvNet", early, LONG),
        Planned("the same − that of later epochs, ConvNet", early - late, LONG),
    ]
    for net in PAPERS_NETS:
        label = f"several − one, mean of 12 epochs, {NETS.label(net)}"
        found.append(Planned(label, lead(net, (1, 12)), SHORT))
    two = lead("convnet", (1, 12), {"components": 2})
    label = "two − one, mean of 12 epochs, ConvNet"
    return [*found, Planned(label, two, SHORT, decides=False)]


def _crossing() -> list[Planned]:
    found = []
    for data, net, study in (
        ("CIFAR-10", "convnet", LONG),
        ("CIFAR-100", "convnet", FULL),
        ("CIFAR-10", "vgg", FULL),
        ("Tiny-ImageNet", "vgg", FULL),
    ):
        where = f"{data}, {NETS.label(net)}"
        missing = _NO_CIFAR100 if "100" in data else ""

        def gap(
            one: str, other: str, epochs: tuple[int, int], net: str = net, data: str = data
        ) -> Sum:
            return accuracy(net, one, data=data, epochs=epochs) - accuracy(
                net, other, data=data, epochs=epochs
            )

        first, last = gap("bp", "delog-scl", (1, TURN // 2)), gap("delog-scl", "bp", LATE)
        found += [
            Planned(
                f"BP − Delog-SCL, mean up to epoch {TURN // 2}, {where}",
                first,
                study,
                missing=missing,
            ),
            Planned(f"Delog-SCL − BP, after epoch {TURN}, {where}", last, study, missing=missing),
        ]
    return found


def _batch_gain(net: str, study: Study) -> Sum:
    """Accuracy gained from the smallest batch to the largest, on the line through all of them."""
    sizes, own = _BATCHES[study], _OWN_BATCH[study]
    levels = {
        size: accuracy(net, "delog-scl", None if size == own else {"batch_size": size})
        for size in sizes
    }
    return slope(levels, math.log2(sizes[-1] / sizes[0]))


def _batch() -> list[Planned]:
    def of(study: Study, nets: Sequence[str]) -> list[Planned]:
        smallest, *_, largest = _BATCHES[study]
        what = f"gain from a batch of {largest} over one of {smallest}"
        gains = {net: _batch_gain(net, study) for net in nets}
        found = [Planned(f"{what}, {NETS.label(net)}", gains[net], study) for net in nets]
        for net in nets:
            if net != "vgg":
                more = gains["vgg"] - gains[net]
                found.append(Planned(f"that gain, VGG − {NETS.label(net)}", more, study))
        return found

    return of(FULL, PAPERS_NETS) + [planned.beside() for planned in of(SHORT, _PLAIN)]


def _heads() -> list[Planned]:
    def of(study: Study, net: str, pooled: bool = True) -> list[Planned]:
        size: dict[str, Any] = {} if pooled else _FULL_HEADS

        def head(name: str, *without: str) -> Sum:
            choices = {k: v for k, v in size.items() if k not in without}
            choices |= {} if name == "mlp" else {"head": name}
            return accuracy(net, "delog-scl", choices)

        mlp, linear = head("mlp"), head("linear", "head_hidden")
        identity = head("identity", "head_hidden", "head_dim")
        where = NETS.label(net) + ("" if pooled else ", the paper's heads")
        return [
            Planned(f"mlp − linear, {where}", mlp - linear, study),
            Planned(f"linear − identity, {where}", linear - identity, study, 10 * POINT),
        ]

    decide = [planned for net in ("vgg", "resnet") for planned in of(FULL, net)]
    short = [
        *of(SHORT, "convnet"),
        *of(_SHORT_OF_THREE, "convnet", pooled=False),
        *of(SHORT, "vgg"),
    ]
    return decide + [planned.beside() for planned in short]


def _flow_lengths() -> list[Counted]:
    depths = (2, 4, 8)
    images, labels = torch.rand(4, 1, 16, 16), torch.tensor([0, 0, 1, 1])
    longest = {}
    for name in ("bp", "delog-scl"):
        built = [
            methods.build(Experiment(preset="quick", method=name, depth=depth)) for depth in depths
        ]
        longest[name] = [
            max(flow.local_gradients for flow in flow_lengths(method, images, labels))
            for method in built
        ]
    blocks = ", ".join(map(str, depths))

    def text(name: str) -> str:
        return f"{', '.join(map(str, longest[name]))} for {blocks} blocks"

    return [
        Counted("BP: H + 2", text("bp"), longest["bp"] == [depth + 2 for depth in depths]),
        Counted("Delog-SCL: 2 or 3", text("delog-scl"), set(longest["delog-scl"]) <= {2, 3}),
    ]


def _parameters() -> list[Counted]:
    found = []
    for net in PAPERS_NETS:
        counts = {
            name: parameter_counts(
                Experiment(preset="paper", dataset="cifar10", net=net, method=name)
            )
            for name in ("bp", "al", "delog-scl")
        }
        bp, al, scl = (counts[name] for name in ("bp", "al", "delog-scl"))
        found += [
            Counted(
                f"at inference, {NETS.label(net)}: as many as BP",
                f"{scl.inference:,}; BP {bp.inference:,}",
                scl.inference == bp.inference,
            ),
            Counted(
                f"in training, {NETS.label(net)}: more than BP, less than half of AL",
                f"{scl.training:,}; BP {bp.training:,}, AL {al.training:,}",
                bp.training < scl.training < MUCH_FEWER * al.training,
            ),
        ]
    return found


CLAIMS = (
    Claim(
        "1",
        "Above BP without shortcuts",
        "On ConvNet and VGG, AL and Delog-SCL have a higher test accuracy than BP (CIFAR-10).",
        "section 3.1, Table 2",
        _without_shortcuts,
        "One of the two surely below BP on one of the nets, after long training.",
        "Local losses know less than the loss at the end, so it would be surprising; the paper "
        "says so, and names no cause. Its runs have 200 epochs, and it reports the best epoch by "
        "test accuracy. A short run shows who learns faster, not who ends higher. In *long* both "
        "have the rate at which BP learns at all; it need not be Delog-SCL's best.",
    ),
    Claim(
        "2",
        "BP best on ResNet",
        "On ResNet, BP has the highest test accuracy (CIFAR-10).",
        "section 3.1, Table 2",
        _resnet,
        "One of the three surely above BP after long training.",
        "A shortcut lets a layer do nearly nothing, which helps where many layers learn together. "
        "In a short component there are few of them: that is the paper's explanation. It is "
        "tested only if BP's lead is smaller on nets without shortcuts: compare with claim 1.",
    ),
    Claim(
        "3",
        "Early Exit much worse",
        "Early Exit is much worse than BP (CIFAR-10; we take 2 points or more for much).",
        "section 3.1, Table 2",
        _early_exit,
        "A lead of BP that is surely below 2 points on one net, after long training.",
        "An early classifier makes its block keep what separates the classes at once, and drop "
        "what later blocks could have used. The threshold of 2 points is ours.",
    ),
    Claim(
        "4",
        "Best of those that cut",
        "Of the methods that cut the gradient, Delog-SCL is the best (CIFAR-10).",
        "section 3.1, Table 2",
        _best_of_the_cut,
        "Early Exit or AL surely above Delog-SCL on one net, after long training.",
        "The claim names a winner on three nets, so it makes six comparisons, and all have to "
        "come out. In a few epochs AL can learn fast, if its target codes spread early; the "
        "course's preset for AL helps them to.",
    ),
    Claim(
        "5a",
        "The same on CIFAR-100",
        "CIFAR-100: Delog-SCL above BP and AL on ConvNet and VGG, below BP on ResNet.",
        "sections 3 and 3.1, Table 3",
        _cifar100,
        "BP or AL surely above Delog-SCL on ConvNet or VGG, or Delog-SCL surely above BP on "
        "ResNet.",
        "There are no images of CIFAR-100 here, and nothing else stands in for them.",
    ),
    Claim(
        "5b",
        "The same on Tiny-ImageNet",
        "Tiny-ImageNet: AL and Delog-SCL above BP on VGG, BP much better on ResNet.",
        "section 3.1, Table 4",
        _tiny_imagenet,
        "BP surely above AL or Delog-SCL on VGG, or a lead on ResNet that is surely below 2 "
        "points.",
        "Our runs have a fifth of the images, a quarter of the pixels and a tenth of the epochs. "
        "With 200 classes a batch holds few positives: lesson 7 counts them.",
    ),
    Claim(
        "6",
        "Several flows learn faster",
        "Several short gradient flows learn faster than one long one, most of all in the first "
        "100 epochs (CIFAR-10).",
        "section 3.3, Figure 4",
        _short_flows,
        "A mean over the first epochs that is surely lower with several flows, or a lead that "
        "surely grows later.",
        "Faster is measured as the mean of the test accuracies up to epoch 100, and over the 12 "
        "epochs of short runs. One long flow has cross-entropy alone: it is BP. So two things "
        "change at once, the flows and their losses; the study's runs of one flow with all losses "
        "tell them apart.",
    ),
    Claim(
        "7",
        "BP first, then overtaken",
        "BP is ahead at the beginning; after about 100 epochs Delog-SCL passes it (ConvNet on "
        "CIFAR-100; similar for VGG on CIFAR-10 and Tiny-ImageNet).",
        "section A.1, Figure 5",
        _crossing,
        "Delog-SCL surely ahead in the first 50 epochs, or BP surely ahead after epoch 100.",
        "The claim has two halves. The first can be seen in any run; the second only in runs of "
        "more than 100 epochs. The pair tested here, ConvNet on CIFAR-10, is none of those that "
        "the paper names. At its first half the claim pulls against claim 6: the single long flow "
        "of Figure 4 is trained by the same loss as BP.",
    ),
    Claim(
        "8",
        "Larger batches help",
        "A larger batch raises the accuracy of Delog-SCL, on VGG more than on other nets "
        "(CIFAR-10).",
        "section A.3, Table 8",
        _batch,
        "An accuracy that surely falls with the batch, or surely gains less on VGG than on "
        "another net.",
        "At equal epochs, a batch twice as large means half as many steps. In short runs the "
        "missing steps can cost more than further negatives give. They stand beside the claim, "
        "which is of trained networks.",
    ),
    Claim(
        "9",
        "A head helps, an MLP most",
        "An MLP as projection head is better than a linear one (the paper: by 2.6 points), and "
        "that one by more than 10 points better than none (CIFAR-10).",
        "section A.4, Table 9",
        _heads,
        "A linear head surely above an MLP, or surely less than 10 points above none.",
        "The claim names a size, so the second comparison asks for more than 10 points: a "
        "difference that is surely positive, yet surely below 10, is against it.",
    ),
    Claim(
        "10",
        "Short flows, no price after training",
        "A gradient flow has 2 or 3 factors at any depth, where BP's has H + 2. At inference "
        "Delog-SCL has BP's parameters; in training it has more, but much fewer than AL.",
        "sections 2.2, 2.4 and 3.2, Tables 5 and 6",
        lambda: _flow_lengths() + _parameters(),
        "A longer flow at some depth, more parameters at inference, or half of AL's in training.",
        "Counted, so no seed changes it: factors in autograd's own graph, parameters at the "
        "paper's size. Much fewer is taken as less than half. The large heads are the price in "
        "training.",
    ),
)


def checklist(
    studies: Mapping[str, Sequence[Record]], claims: Sequence[Claim] = CLAIMS
) -> list[Assessment]:
    """Every claim with its figures and verdict.

    Args:
        studies: records by the name of their study: ``long``, ``short``, ``classes``, or ``full``
            for runs at the paper's size, which come first in every claim that they are of
        claims: the paper's, or those of `delog_nb.course.own_claims`

    Raises:
        ExperimentError: a study has another name, or its records are of several sizes.

    >>> from delog_nb import lab
    >>> [assessment.claim.number for assessment in lab.checklist({})]
    ['1', '2', '3', '4', '5a', '5b', '6', '7', '8', '9', '10']
    """
    known = [study.name for study in STUDIES]
    for name in studies:
        if name not in known:
            raise ExperimentError(f"there is no study {shown(name)}: one of {', '.join(known)}")
    return assess(claims, studies)
