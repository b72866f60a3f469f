"""The paper's claims, ten of them, as comparisons of runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from delog_nb import methods
from delog_nb.course.assessing import (
    POINT,
    Assessment,
    Claim,
    Comparison,
    Counted,
    Runs,
    last_accuracy,
    mean_accuracy,
    minus,
)
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS, NETS
from delog_nb.measure.cost import parameter_counts
from delog_nb.measure.flows import flow_lengths
from delog_nb.records import Record

MUCH = 2 * POINT  # what we take "much better" for; the paper gives no number
MUCH_FEWER = 0.5  # and "much fewer parameters": less than half
TURN = 100  # the epoch that the paper names for Figures 4 and 5
EARLY, LATE = range(1, TURN + 1), range(TURN + 1, 10**9)
_PLAIN = ("convnet", "vgg")  # without shortcuts
_NETS = (*_PLAIN, "resnet")  # the paper's


def _above(
    runs: Runs, data: str, net: str, one: str, other: str, above: float = 0.0, prefix: str = ""
) -> Comparison:
    """Accuracy of method ``one`` minus that of ``other``."""
    label = f"{prefix}{METHODS.label(one)} − {METHODS.label(other)}, {NETS.label(net)}"
    gaps = minus(runs.accuracy(data, net, one), runs.accuracy(data, net, other))
    return Comparison(label, gaps, above)


def _without_shortcuts(runs: Runs) -> list[Comparison | Counted]:
    return [
        _above(runs, "CIFAR-10", net, one, "bp") for net in _PLAIN for one in ("al", "delog-scl")
    ]


def _resnet(runs: Runs) -> list[Comparison | Counted]:
    others = ("early-exit", "al", "delog-scl")
    return [_above(runs, "CIFAR-10", "resnet", "bp", other) for other in others]


def _early_exit(runs: Runs) -> list[Comparison | Counted]:
    return [_above(runs, "CIFAR-10", net, "bp", "early-exit", MUCH) for net in _NETS]


def _best_of_the_cut(runs: Runs) -> list[Comparison | Counted]:
    return [
        _above(runs, "CIFAR-10", net, "delog-scl", other)
        for net in _NETS
        for other in ("early-exit", "al")
    ]


def _other_data(runs: Runs) -> list[Comparison | Counted]:
    def above(data: str, net: str, one: str, other: str, more: float = 0.0) -> Comparison:
        return _above(runs, data, net, one, other, more, f"{data}: ")

    cifar: list[Comparison | Counted] = [
        above("CIFAR-100", net, "delog-scl", other) for net in _PLAIN for other in ("bp", "al")
    ]
    tiny = [
        above("Tiny-ImageNet", "vgg", "al", "bp"),
        above("Tiny-ImageNet", "vgg", "delog-scl", "bp"),
        above("Tiny-ImageNet", "resnet", "bp", "al", MUCH),
        above("Tiny-ImageNet", "resnet", "bp", "delog-scl", MUCH),
    ]
    return [*cifar, above("CIFAR-100", "resnet", "bp", "delog-scl"), *tiny]


def _short_flows(runs: Runs) -> list[Comparison | Counted]:
    found: list[Comparison | Counted] = []
    for net, cut in _varied(runs, "components").items():
        short, long = cut.get(max(cut, default=0), {}), cut.get(1, {})
        early, late = (
            minus(mean_accuracy(short, epochs), mean_accuracy(long, epochs))
            for epochs in (EARLY, LATE)
        )
        label = NETS.label(net)
        ends = f"runs end before epoch {LATE.start}" if early else "no runs"
        found += [
            Comparison(f"several − one, mean up to epoch {TURN}, {label}", early),
            Comparison(f"the same − that of later epochs, {label}", minus(early, late), 0.0, ends),
        ]
    return found


def _crossing(runs: Runs) -> list[Comparison | Counted]:
    found: list[Comparison | Counted] = []
    beginning = range(1, TURN // 2 + 1)
    for data, net in (("CIFAR-100", "convnet"), ("CIFAR-10", "vgg"), ("Tiny-ImageNet", "vgg")):
        bp, scl = runs.find(data, net, "bp"), runs.find(data, net, "delog-scl")
        first = minus(mean_accuracy(bp, beginning), mean_accuracy(scl, beginning))
        last = minus(mean_accuracy(scl, LATE), mean_accuracy(bp, LATE))
        where = f"{data}, {NETS.label(net)}"
        ends = f"runs end before epoch {LATE.start}" if first else "no runs"
        found += [
            Comparison(f"BP − Delog-SCL, mean up to epoch {TURN // 2}, {where}", first),
            Comparison(f"Delog-SCL − BP, after epoch {TURN}, {where}", last, 0.0, ends),
        ]
    return found


def _batch(runs: Runs) -> list[Comparison | Counted]:
    slopes = {net: slope_by_seed(runs.varied("batch_size", "CIFAR-10", net)) for net in _NETS}
    found: list[Comparison | Counted] = [
        Comparison(f"gain from a batch twice as large, {NETS.label(net)}", slopes[net])
        for net in _NETS
    ]
    for net in ("convnet", "resnet"):
        more = minus(slopes["vgg"], slopes[net])
        found.append(Comparison(f"that gain, VGG − {NETS.label(net)}", more))
    return found


def slope_by_seed(runs: Mapping[int, Mapping[int, Record]]) -> dict[int, float]:
    """Accuracy gained when the batch doubles: the least-squares slope over log2 of its size.

    ``runs`` are by batch size, then by seed; only seeds that have every size are used.
    """
    if not runs:
        return {}
    x = [math.log2(size) for size in runs]
    middle = sum(x) / len(x)
    squares = sum((value - middle) ** 2 for value in x)
    accuracies = [last_accuracy(seeds) for seeds in runs.values()]
    shared = set.intersection(*(set(found) for found in accuracies))
    return {
        seed: sum((a - middle) * y[seed] for a, y in zip(x, accuracies, strict=True)) / squares
        for seed in sorted(shared)
    }


def _heads(runs: Runs) -> list[Comparison | Counted]:
    found: list[Comparison | Counted] = []
    for net, heads in _varied(runs, "head").items():
        mlp, linear, identity = (
            last_accuracy(heads.get(head, {})) for head in ("mlp", "linear", "identity")
        )
        found += [
            Comparison(f"mlp − linear, {NETS.label(net)}", minus(mlp, linear)),
            Comparison(
                f"linear − identity, {NETS.label(net)}", minus(linear, identity), 10 * POINT
            ),
        ]
    return found


def _varied(runs: Runs, name: str) -> dict[str, dict[Any, dict[int, Record]]]:
    """Delog-SCL's runs by net and value of the field ``name``; the paper's nets if there are none.

    The claim is of Delog-SCL, not of a net: it is tested on every net that has runs.
    """
    found = {net: runs.varied(name, "CIFAR-10", net) for net in NETS}
    there = {net: values for net, values in found.items() if values}
    return there or {net: {} for net in ("vgg", "resnet")}


def _flow_lengths(_: Runs) -> list[Comparison | Counted]:
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


def _parameters(_: Runs) -> list[Comparison | Counted]:
    found: list[Comparison | Counted] = []
    for net in _NETS:
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
        1,
        "Above BP without shortcuts",
        "On ConvNet and VGG, AL and Delog-SCL have a higher test accuracy than BP (CIFAR-10).",
        "section 3.1, Table 2",
        _without_shortcuts,
        "Local losses know less than the loss at the end, so it would be surprising; the paper "
        "says so, and names no cause. Its runs have 200 epochs, and it reports the best epoch by "
        "test accuracy. A short run shows who learns faster, not who ends higher.",
    ),
    Claim(
        2,
        "BP best on ResNet",
        "On ResNet, BP has the highest test accuracy (CIFAR-10).",
        "section 3.1, Table 2",
        _resnet,
        "A shortcut lets a layer do nearly nothing, which helps where many layers learn together. "
        "In a short component there are few of them: that is the paper's explanation. It is "
        "tested only if BP's lead is smaller on nets without shortcuts: compare with claim 1.",
    ),
    Claim(
        3,
        "Early Exit much worse",
        "Early Exit is much worse than BP (CIFAR-10; we take 2 points or more for much).",
        "section 3.1, Table 2",
        _early_exit,
        "An early classifier makes its block keep what separates the classes at once, and drop "
        "what later blocks could have used. The threshold of 2 points is ours.",
    ),
    Claim(
        4,
        "Best of those that cut",
        "Of the methods that cut the gradient, Delog-SCL is the best (CIFAR-10).",
        "section 3.1, Table 2",
        _best_of_the_cut,
        "The claim names a winner on three nets, so it makes six comparisons, and all have to "
        "come out. In a few epochs AL can learn fast, if its target codes spread early; the "
        "course's preset for AL helps them to.",
    ),
    Claim(
        5,
        "The same on other data",
        "CIFAR-100: Delog-SCL above BP and AL on ConvNet and VGG, below BP on ResNet. "
        "Tiny-ImageNet: AL and Delog-SCL above BP on VGG, BP much better on ResNet.",
        "sections 3 and 3.1, Tables 3 and 4",
        _other_data,
        "A claim without runs is not decided, and nothing else stands in for it. With 100 or 200 "
        "classes a batch holds few positives: lesson 7 counts them.",
    ),
    Claim(
        6,
        "Several flows learn faster",
        "Several short gradient flows learn faster than one long one, most of all in the first "
        "100 epochs (CIFAR-10).",
        "section 3.3, Figure 4",
        _short_flows,
        "Faster is measured as the mean of the test accuracies after the first 100 epochs, or "
        "after all epochs where there are fewer. Whether the lead is largest there needs longer "
        "runs.",
    ),
    Claim(
        7,
        "BP first, then overtaken",
        "BP is ahead at the beginning; after about 100 epochs Delog-SCL passes it (ConvNet on "
        "CIFAR-100; similar for VGG on CIFAR-10 and Tiny-ImageNet).",
        "section A.1, Figure 5",
        _crossing,
        "The claim has two halves. The first can be seen in any run; the second only in runs of "
        "more than 100 epochs. At its first half it pulls against claim 6: the single long flow "
        "of Figure 4 is trained by the same loss as BP.",
    ),
    Claim(
        8,
        "Larger batches help",
        "A larger batch raises the accuracy of Delog-SCL, on VGG more than on other nets "
        "(CIFAR-10).",
        "section A.3, Table 8",
        _batch,
        "At equal epochs, a batch twice as large means half as many steps. In short runs the "
        "missing steps can cost more than further negatives give.",
    ),
    Claim(
        9,
        "A head helps, an MLP most",
        "An MLP as projection head is better than a linear one (the paper: by 2.6 points), and "
        "that one by more than 10 points better than none (CIFAR-10).",
        "section A.4, Table 9",
        _heads,
        "The claim names a size, so the second comparison asks for more than 10 points: a "
        "difference that is surely positive, yet surely below 10, is against it.",
    ),
    Claim(
        10,
        "Short flows, no price after training",
        "A gradient flow has 2 or 3 factors at any depth, where BP's has H + 2. At inference "
        "Delog-SCL has BP's parameters; in training it has more, but much fewer than AL.",
        "sections 2.2, 2.4 and 3.2, Tables 5 and 6",
        lambda runs: _flow_lengths(runs) + _parameters(runs),
        "Counted, so no seed changes it: factors in autograd's own graph, parameters at the "
        "paper's size. Much fewer is taken as less than half. The large heads are the price in "
        "training.",
    ),
)


def checklist(records: Sequence[Record]) -> list[Assessment]:
    """Every claim with its figures and verdict, from runs of one size.

    Raises:
        ExperimentError: ``records`` are of several sizes.

    >>> from delog_nb import lab
    >>> [assessment.claim.number for assessment in lab.checklist(lab.all_recorded())]
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    """
    return [claim.assess(records) for claim in CLAIMS]
