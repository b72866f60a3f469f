"""Experiments as pictures of networks: blocks, heads, local losses, gradient flows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from delog_nb import methods
from delog_nb.components.component import Method, count_parameters, modules_of
from delog_nb.experiment import Experiment
from delog_nb.lab.charts.boxes import sub
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.network import network


def built(experiment: Experiment) -> Method:
    """The method without memory for its weights."""
    with torch.device("meta"):
        return methods.build(experiment)


def flows(experiments: Sequence[Experiment], *, prediction: bool = False) -> Exhibit:
    """A row for each experiment: its layers, heads and losses, an arrow for each gradient flow.

    The table has the length of each flow (number of local gradients) and each component's
    parameters, counted in the network. With ``prediction``, a last row shows what a prediction
    goes through.

    >>> from delog_nb import lab
    >>> table = lab.flows([lab.experiment(method="bp"), lab.experiment(method="delog-scl")]).table
    >>> table["Flow (local gradients)"].tolist()
    [6, 3, 3, 3, 3, 2]
    """
    ways = {experiment.method_label: _components(experiment) for experiment in experiments}
    if prediction:
        layers = [layer for part in next(iter(ways.values())) for layer in part["Layers"]]
        ways["prediction"] = [{"Layers": layers}]
    return network(ways, "How far each gradient flows; images flow to the right")


def _components(experiment: Experiment) -> list[dict[str, Any]]:
    method = built(experiment)
    used = {id(p) for p in method.effective_parameters()}
    parts, place = method.parts(), 0
    components = []
    for number, part in enumerate(parts, 1):
        names = []
        for _ in part.layers:
            place += 1
            names.append(sub("f", place) if place <= experiment.hidden else "classifier")
        own = {*modules_of(part.objective)}
        heads = [
            [word for word in name.split(".") if not word.isdigit()][-1].replace("_", " ")
            for name, module in part.objective.named_modules()
            if module in own and any(id(p) not in used for p in module.parameters())
        ]
        short = getattr(part.objective, "short", "loss")
        effective = count_parameters(p for p in part.parameters() if id(p) in used)
        components.append(
            {
                "Layers": names,
                "Heads": list(dict.fromkeys(heads)),
                "Loss": sub(short, number) if len(parts) > 1 else short,
                "Flow (local gradients)": part.flow_length,
                "Effective parameters": effective,
                "Affiliated parameters": count_parameters(part.parameters()) - effective,
            }
        )
    return components
