"""Answers to the exercises of gradient flow."""

from __future__ import annotations

from typing import Any

import torch


def _uncut(layers: Any, x: torch.Tensor) -> list[torch.Tensor]:
    outputs = []
    for layer in layers:
        x = layer(x)
        outputs.append(x)
    return outputs


def _cut(layers: Any, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    outputs = []
    for layer in layers:
        outputs.append(layer(outputs[-1].clone().detach() if outputs else x))
    return tuple(outputs)


RIGHT: list[tuple[str, Any]] = [
    ("flow-lengths", lambda hidden: [hidden + 2, 3, 2]),
    ("local-gradient", lambda w, r: w * ((w @ r) > 0)[:, None]),
    ("cut-forward", _cut),
]


WRONG: list[tuple[str, Any, str]] = [
    ("flow-lengths", lambda hidden: hidden + 2, "return three numbers"),
    ("flow-lengths", lambda hidden: (hidden + 1, 3, 2), "BP's flow is a product of 5"),
    ("flow-lengths", lambda hidden: (5, 3, 2), "BP's flow is a product of"),
    ("flow-lengths", lambda hidden: (hidden + 2, 3, 3), "last component's flow is a product of 2"),
    ("local-gradient", lambda w, r: w, "it is W itself"),
    ("local-gradient", lambda w, r: (w * ((w @ r) > 0)[:, None]).T, "transpose"),
    ("local-gradient", lambda w, r: ((w @ r) > 0).to(w), "its shape is"),
    ("local-gradient", lambda w, r: w * ((w @ r) < 0)[:, None], "is wrong: there the unit's input"),
    ("cut-forward", _uncut, "the gradient of layer 2's output also flows into layer 1"),
    ("cut-forward", lambda layers, x: [r.detach() for r in _uncut(layers, x)], "detach what goes"),
    (
        "cut-forward",
        lambda layers, x: [r.detach().requires_grad_() for r in _uncut(layers, x)],
        "layer 1 gets no gradient from its own output",
    ),
    ("cut-forward", lambda layers, x: [layer(x) for layer in layers], "the output of layer 2"),
    ("cut-forward", lambda layers, x: _cut(layers, x)[:1], "return one output for each"),
]
