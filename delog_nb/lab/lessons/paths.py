"""Forward paths, gradients and the inference path of a network with local losses, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pandas as pd
import plotly.graph_objects as go

from delog_nb.experiment import Experiment
from delog_nb.lab.charts import boxes
from delog_nb.lab.charts.boxes import FORWARD, GRADIENT, HIGH, PREDICT, WIDTH, Point, sub
from delog_nb.lab.lessons.one_network_four_ways import built
from delog_nb.methods.component import Component, count_parameters

_HEAD, _LOSS, _INFER = 1.0, 1.85, -1.55  # heights of heads, losses and the inference row


def _parts(experiment: Experiment) -> list[Component]:
    """The components; each has to own one layer, or a path would be of several boxes.

    Raises:
        ValueError: a component owns several layers.
    """
    parts = built(experiment).parts()
    if any(len(part.layers) > 1 for part in parts):
        raise ValueError(
            f"paths are drawn for components of one layer each: components = "
            f"{len(parts)} with depth = {experiment.depth} has longer ones"
        )
    return parts


def paths_figure(experiment: Experiment, head: str = "g") -> go.Figure:
    """Above: the forward path and the gradient of each component. Below: the inference path.

    ``head`` is the symbol of what stands between a block and its loss.
    """
    parts = _parts(experiment)
    last = len(parts) - 1
    figure = go.Figure()
    forward: list[Sequence[Point]] = []
    gradient: list[Sequence[Point]] = []
    cut: list[Point] = []
    for place, part in enumerate(parts):
        middle = place + WIDTH / 2
        boxes.box(figure, place, 0, sub("f", place + 1), effective=True)
        forward.append([(place - 1 + WIDTH, 0), (place, 0)] if place else [(-0.42, 0), (0, 0)])
        if place:
            cut.append((place - (1 - WIDTH) / 2, 0))
        has_head = any(True for _ in part.objective.parameters())
        stops = [0.0, _LOSS]
        if has_head:
            boxes.box(figure, place, _HEAD, sub(head, place + 1), effective=False)
            stops = [0.0, _HEAD, _LOSS]
        for low, high in pairwise(stops):
            top = high - (HIGH / 2 if high < _LOSS else 0.17)
            forward.append([(middle - 0.1, low + HIGH / 2), (middle - 0.1, top)])
            gradient.append([(middle + 0.1, top), (middle + 0.1, low + HIGH / 2)])
        name = sub(getattr(part.objective, "short", "loss"), place + 1)
        boxes.text(figure, middle, _LOSS, f"<b>{name}</b>", GRADIENT)
    infer: list[Sequence[Point]] = [[(-0.42, _INFER), (0, _INFER)]]
    for place in range(last + 1):
        boxes.box(figure, place, _INFER, sub("f", place + 1), effective=True)
        infer.append([(place + WIDTH, _INFER), (place + (1 if place < last else 0.92), _INFER)])
    for y in (0.0, _INFER):
        boxes.text(figure, -0.52, y, "<b>x</b>")
    boxes.text(figure, last + 1.0, _INFER, "<b>ŷ</b>")
    boxes.text(figure, -1.95, _LOSS, "<b>Training</b>", left=True)
    boxes.text(figure, -1.95, _LOSS - 0.32, f"{last + 1} short forward paths", left=True)
    boxes.text(figure, -1.95, _INFER + 0.4, "<b>Inference</b>", left=True)
    boxes.text(figure, -1.95, _INFER + 0.08, "one path, Eq. 6", left=True)

    boxes.arrows(figure, forward, "forward (training)", FORWARD, "solid")
    boxes.arrows(figure, gradient, "gradient", GRADIENT, "dot")
    boxes.cuts(figure, cut)
    boxes.arrows(figure, infer, "inference path", PREDICT, "solid")
    return boxes.finish(
        figure,
        "Forward paths in training, and the inference path",
        (-2.0, last + 1.2),
        (_INFER - 0.4, _LOSS + 0.35),
        height=470,
    )


def paths_table(experiment: Experiment, head: str = "g") -> pd.DataFrame:
    """Each path of `paths_figure`: what it goes through, its loss, parameters, gradient flow."""
    rows = []
    parts = _parts(experiment)
    for number, part in enumerate(parts, 1):
        through = ["x" if number == 1 else f"detached {sub('r', number - 1)}", sub("f", number)]
        if any(True for _ in part.objective.parameters()):
            through.append(sub(head, number))
        rows.append(
            {
                "Path": f"forward, component {number}",
                "Goes through": " → ".join(through),
                "Ends in": sub(getattr(part.objective, "short", "loss"), number),
                "Parameters on it": f"{count_parameters(part.parameters()):,}",
                "Gradient flow (local gradients)": str(part.flow_length),
            }
        )
    effective = count_parameters(p for part in parts for p in part.layers.parameters())
    blocks = [sub("f", number) for number in range(1, len(parts) + 1)]
    rows.append(
        {
            "Path": "inference (Eq. 6)",
            "Goes through": " → ".join(["x", *blocks]),
            "Ends in": "ŷ",
            "Parameters on it": f"{effective:,}",
            "Gradient flow (local gradients)": "–",
        }
    )
    return pd.DataFrame(rows)
