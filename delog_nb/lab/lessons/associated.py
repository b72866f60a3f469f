"""Associated learning drawn block by block, and the ways that predictions take, compared."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from torch import nn

from delog_nb.experiment import Experiment
from delog_nb.lab.charts import boxes
from delog_nb.lab.charts.boxes import FORWARD, GRADIENT, HIGH, PREDICT, WIDTH, Point, sub
from delog_nb.lab.lessons.one_network_four_ways import built
from delog_nb.methods.component import Component, count_parameters

# heights of the rows, training above, inference below
_BRIDGE, _MEET, _ENCODE, _DECODE, _BACK = 0.95, 1.75, 2.7, 3.65, 4.4
_UP, _OVER, _DOWN = -3.1, -2.25, -1.4
_INSIDE = 0.12  # arrows run this far beside the middle of a box
_DECODER = "inv"


def _parts(experiment: Experiment) -> list[Component]:
    """The components of associated learning.

    Raises:
        ValueError: the experiment is of another method.
    """
    if experiment.method != "al":
        raise ValueError(f"the diagram is of associated learning (al), not of {experiment.method}")
    return built(experiment).parts()


def _up(x: float, low: float, high: float) -> list[Point]:
    """From the upper edge of a box at ``low`` to the lower edge of one at ``high``."""
    return [(x, low + HIGH / 2), (x, high - HIGH / 2)]


def associated_figure(experiment: Experiment) -> go.Figure:
    """Above: features and targets in training, and both losses. Below: the inference path."""
    last = len(_parts(experiment)) - 1
    figure = go.Figure()
    forward: list[Sequence[Point]] = []
    gradient: list[Sequence[Point]] = []
    cut: list[Point] = []
    for place in range(last + 1):
        number, middle = place + 1, place + WIDTH / 2
        left, right = middle - _INSIDE, middle + _INSIDE
        for y, name in ((0.0, "f"), (_BRIDGE, "b"), (_ENCODE, "g"), (_DECODE, _DECODER)):
            used = name in ("f", _DECODER) or (name == "b" and place == last)
            boxes.box(figure, place, y, sub(name, number), effective=used)
        for y, name in ((0.0, "r"), (_ENCODE, "t")):
            forward.append([(place - 1 + WIDTH, y), (place, y)] if place else [(-0.3, y), (0, y)])
            if place:
                cut.append((place - (1 - WIDTH) / 2, y))
                boxes.text(figure, place - 0.25, y + 0.34, sub(name, place))
        boxes.text(figure, middle, _MEET, f"<b>{sub('A', number)}</b>", GRADIENT)
        boxes.text(figure, middle, _BACK, f"<b>{sub('R', number)}</b>", GRADIENT)
        forward += [
            _up(left, 0, _BRIDGE),
            [(left, _BRIDGE + HIGH / 2), (left, _MEET - 0.17)],
            [(middle, _ENCODE - HIGH / 2), (middle, _MEET + 0.17)],
            _up(left, _ENCODE, _DECODE),
            [(left, _DECODE + HIGH / 2), (left, _BACK - 0.17)],
        ]
        cut.append((middle, (_ENCODE + _MEET) / 2 - 0.02))
        gradient += [
            [(right, _MEET - 0.17), (right, _BRIDGE + HIGH / 2)],
            _up(right, 0, _BRIDGE)[::-1],
            [(right, _BACK - 0.17), (right, _DECODE + HIGH / 2)],
            _up(right, _ENCODE, _DECODE)[::-1],
        ]
    infer = _inference(figure, last)
    boxes.text(figure, -0.42, 0, "<b>x</b>")
    boxes.text(figure, -0.42, _ENCODE, "<b>y</b>")
    for y, words in (
        (_BACK, "<b>Training</b>"),
        (_DECODE, "back to the target below"),
        (_ENCODE, "targets become codes"),
        (_MEET, "where both meet"),
        (_BRIDGE, "bridges to the codes"),
        (0, "features"),
        (_DOWN, "<b>Inference</b>"),
        (_DOWN - 0.36, "up, over, and down"),
    ):
        boxes.text(figure, -2.1, y, words, left=True)
    boxes.arrows(figure, forward, "forward (training)", FORWARD, "solid")
    boxes.arrows(figure, gradient, "gradient", GRADIENT, "dot")
    boxes.cuts(figure, [point for point in cut if point[1] in (0.0, _ENCODE)])
    boxes.cuts(figure, [point for point in cut if point[1] not in (0.0, _ENCODE)], upright=False)
    boxes.arrows(figure, infer, "inference path", PREDICT, "solid")
    return boxes.finish(
        figure,
        "Associated learning: features meet encoded targets",
        (-2.15, last + 0.75),
        (_UP - 0.3, _BACK + 0.3),
        height=720,
    )


def _inference(figure: go.Figure, last: int) -> list[Sequence[Point]]:
    """The boxes of the inference path, and its arrows."""
    middle = last + WIDTH / 2
    for place in range(last + 1):
        boxes.box(figure, place, _UP, sub("f", place + 1), effective=True)
        boxes.box(figure, place, _DOWN, sub(_DECODER, place + 1), effective=True)
    boxes.box(figure, last, _OVER, sub("b", last + 1), effective=True)
    boxes.text(figure, -0.42, _UP, "<b>x</b>")
    boxes.text(figure, -0.42, _DOWN, "<b>ŷ</b>")
    steps = range(1, last + 1)
    return [
        [(-0.3, _UP), (0, _UP)],
        *([(k - 1 + WIDTH, _UP), (k, _UP)] for k in steps),
        _up(middle, _UP, _OVER),
        _up(middle, _OVER, _DOWN),
        *([(k, _DOWN), (k - 1 + WIDTH, _DOWN)] for k in reversed(steps)),
        [(0, _DOWN), (-0.3, _DOWN)],
    ]


def associated_table(experiment: Experiment) -> pd.DataFrame:
    """Each loss of `associated_figure`: what it compares, which modules it trains, parameters."""
    rows = []
    for number, part in enumerate(_parts(experiment), 1):
        bridge, encoder, decoder = (
            part.objective.get_submodule(name) for name in ("bridge", "encoder", "decoder")
        )
        below = "onehot(y)" if number == 1 else sub("t", number - 1)
        names = {name: sub(name, number) for name in ("f", "b", "g", _DECODER, "t", "r")}
        for loss, compared, trained, modules in (
            ("A", f"{names['b']}({names['r']}) with {names['t']}", "fb", (part.layers, bridge)),
            (
                "R",
                f"{names[_DECODER]}({names['t']}) with {below}",
                ("g", _DECODER),
                (encoder, decoder),
            ),
        ):
            rows.append(
                {
                    "Loss": sub(loss, number),
                    "Compares": compared,
                    "Trains": " and ".join(names[name] for name in trained),
                    "Needs images": "yes" if loss == "A" else "no",
                    "Parameters": f"{_count(modules):,}",
                }
            )
    return pd.DataFrame(rows)


def predictions_table(experiments: Sequence[Experiment]) -> pd.DataFrame:
    """The way of a prediction for each experiment, and what it leaves out."""
    rows = []
    for experiment in experiments:
        method = built(experiment)
        blocks = [sub("f", k) for k in range(1, experiment.depth + 1)]
        if experiment.method == "al":
            down = [sub(_DECODER, k) for k in range(experiment.depth, 0, -1)]
            way = [*blocks, sub("b", experiment.depth), *down]
        else:
            way = [*blocks, "classifier"]
        left = count_parameters(method.affiliated_parameters())
        rows.append(
            {
                "Method": experiment.method_label,
                "A prediction goes through": " → ".join(way),
                "Modules": len(way),
                "Parameters on the way": f"{count_parameters(method.effective_parameters()):,}",
                "Left out (affiliated)": f"{left:,}",
            }
        )
    return pd.DataFrame(rows)


def _count(modules: Sequence[nn.Module]) -> int:
    return count_parameters(p for module in modules for p in module.parameters())
