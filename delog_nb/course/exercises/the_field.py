"""Exercises of lesson 13, The field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.course.exercises import Question, exercise, itself, once, seeded
from delog_nb.course.replies import ANYTHING
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.losses import (
    channel_deviation,
    similarity_matching_loss,
    supervised_contrastive_loss,
)
from delog_nb.nets.layers import conv

_CLASSES = 3
_Loss = Callable[[Tensor, Tensor], Tensor]


def _goodness(r: Tensor) -> Tensor:
    groups = r.square().mean((2, 3)).tensor_split(_CLASSES, dim=1)
    return torch.stack([group.mean(1) for group in groups], 1)


def _losses(seed: int) -> dict[str, tuple[str, bool, _Loss]]:
    """Losses ``loss(r, y)`` with modules of their own: what they are, whether they compare."""
    with seeded(seed):
        head = nn.Linear(8, _CLASSES).double()
    standardise = nn.BatchNorm1d(8, affine=False).double()

    def logits(r: Tensor) -> Tensor:
        return head(r.mean((2, 3)))

    def similarity(r: Tensor, y: Tensor) -> Tensor:
        return similarity_matching_loss(channel_deviation(r), y, _CLASSES)

    return {
        "exit": ("the cross-entropy of a classifier", False,
                 lambda r, y: F.cross_entropy(logits(r), y)),
        "sum": ("the sum of all images' cross-entropies", False,
                lambda r, y: F.cross_entropy(logits(r), y, reduction="sum")),
        "goodness": ("the cross-entropy of CwComp's goodness", False,
                     lambda r, y: F.cross_entropy(_goodness(r), y)),
        "contrast": ("the supervised contrastive loss", True,
                     lambda r, y: supervised_contrastive_loss(r.flatten(1), y)),
        "similarity": ("PredSim's similarity loss", True, similarity),
        "both": ("a cross-entropy with a tenth of a similarity loss", True,
                 lambda r, y: F.cross_entropy(logits(r), y) + 0.1 * similarity(r, y)),
        "standardised": ("a cross-entropy after BatchNorm", True,
                         lambda r, y: F.cross_entropy(head(standardise(r.mean((2, 3)))), y)),
    }  # fmt: skip


def _loss_questions(rng: Random) -> list[Question]:
    labels = torch.arange(12) % _CLASSES
    return [
        (
            kind,
            rng.getrandbits(32),
            torch.randn(12, 8, 4, 4, dtype=torch.float64),
            labels[torch.randperm(12)],
        )
        for kind in _losses(0)
    ]


def _asked_of(answer: Callable[..., Any], kind: str, seed: int, r: Tensor, y: Tensor) -> Any:
    with seeded(seed):
        return answer(_losses(seed)[kind][2], r, y)


@exercise("compares-images", _loss_questions, _asked_of, ANYTHING)
def compares_images(given: Any, kind: str, seed: int, r: Tensor, y: Tensor) -> str | None:  # noqa: ARG001
    """Whether a loss asks of one image what depends on the other images of the batch."""
    if isinstance(given, Tensor) and given.numel() == 1:
        given = given.item()
    if not isinstance(given, bool):
        return "return True or False"
    words, right, _ = _losses(0)[kind]
    if given == right:
        return None
    if not right:
        return (
            f"{words} asks something of each image by itself, and you say that it compares them: "
            f"a loss of fewer images may be another number all the same"
        )
    if kind == "standardised":
        return (
            f"{words} compares images, and you say that it does not: the mean and the deviation "
            f"are those of the whole batch"
        )
    return (
        f"{words} compares images, and you say that it does not: give the other images, and them "
        f"alone, features drawn anew"
    )


_WIDTHS = (4, 6, 8, 10, 12)


def _layers(seed: int) -> list[nn.Module]:
    with seeded(seed):
        pairs = zip((3, *_WIDTHS), _WIDTHS, strict=False)
        return [conv(a, b, activation=nn.ReLU()) for a, b in pairs]


def _places(rng: Random) -> list[Question]:
    return [(rng.getrandbits(32), number) for number in (1, 2, len(_WIDTHS) - 1)]


def _built(answer: Callable[..., Any], seed: int, number: int) -> Any:
    """What an auxiliary network made for ``layers`` is, and what its loss does to them."""
    layers = _layers(seed)
    before = [[p.clone() for p in layer.state_dict().values()] for layer in layers]
    with seeded(seed):
        aux = answer(layers, number, _CLASSES)
        r = torch.randn(6, 3, 4, 4)
    if not isinstance(aux, nn.Module):
        return "no module"
    network = {id(p) for layer in layers for p in layer.parameters()}
    for layer in layers[:number]:
        r = layer(r)
    kept = [[b.clone() for b in layer.buffers()] for layer in layers[number:]]
    logits = aux(r)
    F.cross_entropy(logits, torch.arange(6) % _CLASSES).backward()
    after = [[b.clone() for b in layer.buffers()] for layer in layers[number:]]
    changed = [
        not torch.equal(a, b)
        for old, layer in zip(before, layers, strict=True)
        for a, b in zip(old, layer.state_dict().values(), strict=True)
        if a.is_floating_point() and a.ndim > 1
    ]
    return {
        "shape": list(logits.shape),
        "convolutions": [
            [m.in_channels, m.out_channels] for m in aux.modules() if isinstance(m, nn.Conv2d)
        ],
        "shared": any(id(p) in network for p in aux.parameters()),
        "frozen": any(not p.requires_grad for layer in layers for p in layer.parameters()),
        "rewritten": any(changed),
        "above": any(p.grad is not None for layer in layers[number:] for p in layer.parameters()),
        "buffers": not _same(kept, after),
        "own": all(p.grad is not None for p in layers[number - 1].parameters()),
        "learns": all(p.grad is not None for p in aux.parameters()),
    }


def _same(one: Iterable[Sequence[Tensor]], other: Iterable[Sequence[Tensor]]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(torch.equal(a, b) for x, y in pairs for a, b in zip(x, y, strict=True))


@exercise("own-weights", _places, _built, ANYTHING)
def own_weights(given: Any, seed: int, number: int) -> str | None:  # noqa: ARG001
    """An auxiliary network made like the layers above, with weights of its own."""
    if given == "no module":
        return "return a module, such as an nn.Sequential"
    above = list(zip(_WIDTHS[number - 1 :], _WIDTHS[number:], strict=False))
    what = f"the auxiliary network of layer {number} of {len(_WIDTHS)}"
    if given["shape"] != [6, _CLASSES]:
        return f"{what} gives {given['shape']} of 6 images of {_CLASSES} classes"
    if given["frozen"]:
        return (
            "now the network's own layers have requires_grad off: they can never learn from their "
            "own losses"
        )
    if given["rewritten"]:
        return f"making {what} changes the weights of the network's own layers"
    if given["shared"] or given["above"]:
        return (
            f"{what} still has parameters of the network's own layers: the loss of component "
            f"{number} changes the components above"
        )
    if given["buffers"]:
        return f"{what} still moves the running statistics of the network's own BatchNorm layers"
    if [tuple(pair) for pair in given["convolutions"]] != above:
        return f"{what} is no longer made like the {len(above)} layers above it"
    if not given["own"]:
        return f"the loss no longer reaches layer {number}, which it is there to train"
    if not given["learns"]:
        return f"some of the weights of {what} never get a gradient: it has to learn, too"
    return None


_PART = {"method", "components", "dgl_aux", "seed"}  # what runs of the grid may differ in
_OF_BP = _PART | {"lr", "cut"}  # and BP from the others: its own rate, and no cuts
_SEEDS, _MOST = 7, 60


@exercise("grid-that-can-refute", once, itself, ANYTHING)
def grid_that_can_refute(given: Any) -> str | None:
    """Runs that can refute: with `cnn`, DGL's gap to BP no longer grows with the components."""
    if not (isinstance(given, list | tuple) and all(isinstance(run, dict) for run in given)):
        return "give a list of dictionaries, one for each run"
    if len(given) > _MOST:
        return f"these are {len(given)} runs: {_MOST} are enough"
    runs = []
    for number, choices in enumerate(given, 1):
        try:
            runs.append(Experiment(**{"preset": "lesson"} | choices))
        except (ExperimentError, TypeError) as error:
            return f"run {number} is none: {' '.join(str(error).split())}"
    if len(set(runs)) < len(runs):
        return "a run stands twice: it is no second seed"
    plain = [run for run in runs if run.num_components == 1]
    cut = [run for run in runs if run.num_components > 1]
    if not plain:
        return "there is no run of BP: a gap to BP needs BP, on the same net and images"
    if any(run.method != "dgl" for run in cut):
        return "the claim is about DGL: runs of other methods cannot refute it"
    return _confounded(plain, cut) or _missing(plain, cut)


def _confounded(plain: Sequence[Experiment], cut: Sequence[Experiment]) -> str | None:
    for runs, free in (([*plain], _OF_BP), ([*cut], _PART), ([*plain, *cut], _OF_BP)):
        every: list[Mapping[str, Any]] = [run.choices() for run in runs]
        names = {name for choices in every for name in choices} - free
        for name in sorted(names):
            values = dict.fromkeys(choices[name] for choices in every if name in choices)
            if len(values) > 1:
                said = ", ".join(map(str, values))
                return f"runs differ in {name} as well ({said}): then nobody knows what did it"
    return None


def _missing(plain: Sequence[Experiment], cut: Sequence[Experiment]) -> str | None:
    found = {(run.get("dgl_aux"), run.num_components, run.seed) for run in cut}
    kinds, counts, seeds = (sorted({key[place] for key in found}) for place in range(3))
    if len({"cnn", "mlp-sr"} & {*kinds}) < 2:
        return (
            "the claim is about cnn in place of mlp-sr: runs with both are needed, or the gap may "
            "have been as flat before"
        )
    if len(counts) < 2:
        return "one number of components shows no growth: take several"
    if len(seeds) < _SEEDS:
        return f"{len(seeds)} of the needed {_SEEDS} seeds or more: three left the growth undecided"
    lacking = [
        (kind, count, seed)
        for kind in ("cnn", "mlp-sr")
        for count in counts
        for seed in seeds
        if (kind, count, seed) not in found
    ]
    if lacking:
        kind, count, seed = lacking[0]
        return (
            f"{kind} with {count} components and seed {seed} is not there, and its partner is: "
            f"compare pairs"
        )
    without = set(seeds) - {run.seed for run in plain}
    if without:
        return f"BP has no run with seed {min(without)}: pair each gap by its seed"
    return None
