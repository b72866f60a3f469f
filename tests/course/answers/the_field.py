"""Answers to the exercises of the field."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]


def by_gradient(loss: Loss, r: Tensor, y: Tensor) -> bool:
    def of_first(rest: Tensor) -> Tensor:
        features = torch.cat([r[:1], rest]).requires_grad_()
        return torch.autograd.grad(loss(features, y), features)[0][0]

    return not torch.allclose(of_first(r[1:]), of_first(torch.randn_like(r[1:])))


def by_differences(loss: Loss, r: Tensor, y: Tensor) -> Tensor:
    """What image 0 changes, with the others as they are and changed."""
    both = torch.randn_like(r)
    first, others = torch.cat([both[:1], r[1:]]), torch.cat([r[:1], both[1:]])
    return (loss(both, y) - loss(others, y) - loss(first, y) + loss(r, y)).abs() > 1e-9


def by_halves(loss: Loss, r: Tensor, y: Tensor) -> bool:
    half = len(r) // 2
    means = (loss(r[:half], y[:half]) + loss(r[half:], y[half:])) / 2
    return bool((loss(r, y) - means).abs() > 1e-9)


def by_order(loss: Loss, r: Tensor, y: Tensor) -> bool:
    return bool((loss(r, y) - loss(r.flip(0), y.flip(0))).abs() > 1e-9)


def by_batch_size(loss: Loss, r: Tensor, y: Tensor) -> bool:
    return bool((loss(r, y) - loss(r[:6], y[:6])).abs() > 1e-9)


def by_sign(loss: Loss, r: Tensor, y: Tensor) -> bool:
    """A change that a standard deviation does not see."""

    def of_first(rest: Tensor) -> Tensor:
        features = torch.cat([r[:1], rest]).requires_grad_()
        return torch.autograd.grad(loss(features, y), features)[0][0]

    return not torch.allclose(of_first(r[1:]), of_first(-r[1:]))


def in_evaluation(loss: Loss, r: Tensor, y: Tensor) -> bool:
    """Takes what BatchNorm does for nothing."""
    if "standardise" in repr(loss.__code__.co_freevars):
        return False
    return by_gradient(loss, r, y)


def _ended(above: Any, channels: int, classes: int) -> nn.Sequential:
    ends = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)
    return nn.Sequential(*above, *ends)


def _channels(layers: list[Any]) -> int:
    channels: int = layers[-1][0].out_channels
    return channels


def copied(layers: list[Any], number: int, classes: int) -> nn.Module:
    return _ended(copy.deepcopy(layers[number:]), _channels(layers), classes)


def made_anew(layers: list[Any], number: int, classes: int) -> nn.Module:
    def fresh(layer: Any) -> nn.Module:
        first = layer[0]
        convolution = nn.Conv2d(first.in_channels, first.out_channels, 3, padding=1)
        return nn.Sequential(convolution, nn.BatchNorm2d(first.out_channels), nn.ReLU())

    return _ended([fresh(layer) for layer in layers[number:]], _channels(layers), classes)


def copied_and_reset(layers: list[Any], number: int, classes: int) -> nn.Module:
    aux = copied(layers, number, classes)
    for module in aux.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    return aux


def shared(layers: list[Any], number: int, classes: int) -> nn.Module:
    return _ended(layers[number:], _channels(layers), classes)


def shallow(layers: list[Any], number: int, classes: int) -> nn.Module:
    return _ended([copy.copy(layer) for layer in layers[number:]], _channels(layers), classes)


def frozen(layers: list[Any], number: int, classes: int) -> nn.Module:
    for layer in layers[number:]:
        layer.requires_grad_(False)
    return shared(layers, number, classes)


def frozen_copy(layers: list[Any], number: int, classes: int) -> nn.Module:
    above = copy.deepcopy(layers[number:])
    for layer in above:
        layer.requires_grad_(False)
    return _ended(above, _channels(layers), classes)


def reset_in_place(layers: list[Any], number: int, classes: int) -> nn.Module:
    for layer in layers[number:]:
        layer[0].reset_parameters()
    return shared(layers, number, classes)


def with_its_own(layers: list[Any], number: int, classes: int) -> nn.Module:
    return _ended(copy.deepcopy(layers[number + 1 :]), _channels(layers), classes)


def no_layers(layers: list[Any], number: int, classes: int) -> nn.Module:
    return _ended([], layers[number - 1][0].out_channels, classes)


class Detached(nn.Module):
    def forward(self, r: Tensor) -> Tensor:
        return r.detach()


def cut_off(layers: list[Any], number: int, classes: int) -> nn.Module:
    return nn.Sequential(Detached(), copied(layers, number, classes))


class Functional(nn.Module):
    """The layers above with their weights as constants, and their running statistics."""

    def __init__(self, layers: list[Any], classes: int) -> None:
        super().__init__()
        self.layers = [layers]  # in a list, so that they are not its own
        self.end = nn.Linear(_channels(layers), classes)

    def forward(self, r: Tensor) -> Tensor:
        for layer in self.layers[0]:
            constants = {name: p.detach() for name, p in layer.named_parameters()}
            r = torch.func.functional_call(layer, constants, (r,))
        return self.end(r.mean((2, 3)))


def grid(**changes: Any) -> list[dict[str, Any]]:
    """Runs of both auxiliary networks, and BP's."""
    choices: dict[str, Any] = {
        "aux": ("mlp-sr", "cnn"), "counts": (2, 3, 5), "seeds": range(7), "whole": {"method": "bp"}
    } | changes  # fmt: skip
    runs = [
        {"method": "dgl", "dgl_aux": aux, "components": count, "seed": seed}
        for aux in choices["aux"]
        for count in choices["counts"]
        for seed in choices["seeds"]
    ]
    return runs + [choices["whole"] | {"seed": seed} for seed in choices["seeds"]]


def longer(run: dict[str, Any]) -> dict[str, Any]:
    return run | {"epochs": 16} if run.get("dgl_aux") == "cnn" else run


RIGHT: list[tuple[str, Any]] = [
    ("compares-images", by_gradient),
    ("compares-images", by_differences),
    ("own-weights", copied),
    ("own-weights", made_anew),
    ("own-weights", copied_and_reset),
    ("grid-that-can-refute", grid()),
    ("grid-that-can-refute", grid(counts=(2, 9), seeds=range(3, 11))),
    ("grid-that-can-refute", tuple(grid(whole={"method": "dgl", "components": 1}))),
    ("grid-that-can-refute", [run | {"epochs": 4, "limit": 500} for run in grid()]),
]


WRONG: list[tuple[str, Any, str]] = [
    ("compares-images", lambda loss, r, y: 1, "return True or False"),
    ("compares-images", lambda loss, r, y: True, "asks something of each image by itself"),
    ("compares-images", lambda loss, r, y: False, "features drawn anew"),
    ("compares-images", by_halves, "the sum of all images' cross-entropies asks something of each"),
    ("compares-images", by_batch_size, "may be another number all the same"),
    ("compares-images", by_sign, "features drawn anew"),
    ("compares-images", by_order, "and you say that it does not"),
    ("compares-images", in_evaluation, "those of the whole batch"),
    ("own-weights", lambda layers, number, classes: None, "return a module"),
    ("own-weights", lambda layers, number, classes: nn.Flatten(), "of 6 images of 3 classes"),
    ("own-weights", shared, "still has parameters of the network's own layers"),
    ("own-weights", shallow, "still has parameters of the network's own layers"),
    ("own-weights", frozen, "can never learn from their own losses"),
    ("own-weights", frozen_copy, "it has to learn, too"),
    ("own-weights", reset_in_place, "changes the weights of the network's own layers"),
    ("own-weights", with_its_own, "it raised RuntimeError"),
    ("own-weights", no_layers, "no longer made like the"),
    ("own-weights", cut_off, "the loss no longer reaches layer"),
    ("own-weights", lambda *a: Functional(a[0][a[1] :], a[2]), "moves the running statistics"),
    ("grid-that-can-refute", {"method": "bp"}, "give a list of dictionaries"),
    ("grid-that-can-refute", grid() * 4, "are enough"),
    ("grid-that-can-refute", [*grid(), grid()[0]], "stands twice"),
    ("grid-that-can-refute", [{"method": "bq"}], "run 1 is none"),
    ("grid-that-can-refute", [{"method": "dgl", "components": 99}], "run 1 is none"),
    ("grid-that-can-refute", [r for r in grid() if r["method"] == "dgl"], "there is no run of BP"),
    ("grid-that-can-refute", [*grid(), {"method": "auglocal"}], "the claim is about DGL"),
    ("grid-that-can-refute", [longer(run) for run in grid()], "differ in epochs as well ("),
    ("grid-that-can-refute", grid(whole={"method": "bp", "net": "vgg"}), "differ in"),
    ("grid-that-can-refute", grid(aux=("cnn",)), "the claim is about cnn in place of mlp-sr"),
    ("grid-that-can-refute", grid(counts=(5,)), "shows no growth"),
    ("grid-that-can-refute", grid(seeds=range(3)), "3 of the needed 7 seeds or more"),
    ("grid-that-can-refute", grid()[1:], "its partner is"),
    ("grid-that-can-refute", grid()[:-1], "BP has no run with seed 6"),
]
