"""Associated learning as a diagram and in motion, and what probes read from recorded runs."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
import torch
from torch import Tensor

from delog_nb import methods
from delog_nb.components.component import Component, count_parameters
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS
from delog_nb.lab.charts import boxes
from delog_nb.lab.charts.boxes import FORWARD, HIGH, WIDTH, Point, sub
from delog_nb.lab.charts.exhibit import Exhibit, sentence
from delog_nb.lab.charts.played import Played
from delog_nb.lab.charts.style import INK, method_style
from delog_nb.lab.runs.features_in_motion import last_epoch
from delog_nb.lab.runs.recorded import recorded_probes
from delog_nb.measure.codes import distance
from delog_nb.measure.invariance import CLASS
from delog_nb.records import Record

# heights of the rows, training above, inference below
_BRIDGE, _MEET, _ENCODE, _DECODE, _BACK = 0.95, 1.75, 2.7, 3.65, 4.4
_UP, _OVER, _DOWN = -3.1, -2.25, -1.4
_BESIDE = 0.12  # arrows run this far beside the middle of a box
_ENCODER, _DECODER = "enc", "inv"
_INSIDE = 0.99  # of the points of all panels are drawn where they are, the others at the edge


def associated(experiment: Experiment) -> Exhibit:
    """Associated learning block by block: above training with both losses, below a prediction.

    The table has for each loss what it compares, the modules that it trains and their parameters.

    Raises:
        ValueError: the experiment is of another method.

    >>> from delog_nb import lab
    >>> associated(lab.experiment(method="al", depth=2)).table["Trains"].tolist()
    ['f₁ and b₁', 'enc₁ and inv₁', 'f₂ and b₂', 'enc₂ and inv₂']
    """
    if experiment.method != "al":
        raise ValueError(f"the diagram is of associated learning (al), not of {experiment.method}")
    with torch.device("meta"):  # without memory for its weights
        parts = methods.build(experiment).parts()
    title = "Associated learning: features meet encoded targets"
    table = pd.DataFrame(
        [row for number, part in enumerate(parts, 1) for row in _losses(part, number)]
    )
    told = "; ".join(
        f"{row['Loss']} compares {row['Compares']} and trains {row['Trains']}"
        for row in table.to_dict("records")
    )
    return Exhibit(_diagram(len(parts) - 1, title), table, f"{title}. {told}.")


def _losses(part: Component, number: int) -> list[dict[str, str | int]]:
    """The rows of A and R of a component."""
    modules = {"f": part.layers} | {
        letter: part.objective.get_submodule(name)
        for letter, name in (("b", "bridge"), (_ENCODER, "encoder"), (_DECODER, "decoder"))
    }
    b, inv, r, t = (sub(letter, number) for letter in ("b", _DECODER, "r", "t"))
    below = "onehot(y)" if number == 1 else sub("t", number - 1)
    return [
        {
            "Loss": sub(loss, number),
            "Compares": compared,
            "Trains": " and ".join(sub(letter, number) for letter in trained),
            "Needs images": "yes" if loss == "A" else "no",
            "Parameters": sum(count_parameters(modules[m].parameters()) for m in trained),
        }
        for loss, compared, trained in (
            ("A", f"{b}({r}) with {t}", ("f", "b")),
            ("R", f"{inv}({t}) with {below}", (_ENCODER, _DECODER)),
        )
    ]


def _up(x: float, low: float, high: float) -> list[Point]:
    """From the upper edge of a box at ``low`` to the lower edge of one at ``high``."""
    return [(x, low + HIGH / 2), (x, high - HIGH / 2)]


def _diagram(last: int, title: str) -> go.Figure:
    figure, own = go.Figure(), str(method_style("al")["color"])
    forward: list[Sequence[Point]] = []
    gradient: list[Sequence[Point]] = []
    cut: list[Point] = []
    for place in range(last + 1):
        number, middle = place + 1, place + WIDTH / 2
        left, right = middle - _BESIDE, middle + _BESIDE
        for y, name in ((0.0, "f"), (_BRIDGE, "b"), (_ENCODE, _ENCODER), (_DECODE, _DECODER)):
            used = name in ("f", _DECODER) or (name == "b" and place == last)
            boxes.box(figure, place, y, sub(name, number), effective=used)
        for y, name in ((0.0, "r"), (_ENCODE, "t")):
            forward.append([(place - 1 + WIDTH, y), (place, y)] if place else [(-0.3, y), (0, y)])
            if place:
                cut.append((place - (1 - WIDTH) / 2, y))
                boxes.text(figure, place - 0.25, y + 0.34, sub(name, place))
        boxes.text(figure, middle, _MEET, f"<b>{sub('A', number)}</b>", own)
        boxes.text(figure, middle, _BACK, f"<b>{sub('R', number)}</b>", own)
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
        (_DECODE, "back to the\ntarget below"),
        (_ENCODE, "targets\nbecome codes"),
        (_MEET, "where both meet"),
        (_BRIDGE, "bridges to\nthe codes"),
        (0, "features"),
        (_DOWN, "<b>Inference</b>"),
        (_DOWN - 0.36, "up, over, and down"),
    ):
        boxes.text(figure, -2.1, y, words, left=True)
    boxes.arrows(figure, forward, "forward (training)", FORWARD, "solid")
    boxes.arrows(figure, gradient, "gradient", own, "dot")
    boxes.cuts(figure, [point for point in cut if point[1] in (0.0, _ENCODE)])
    boxes.cuts(figure, [point for point in cut if point[1] not in (0.0, _ENCODE)], upright=False)
    boxes.arrows(figure, infer, "inference path", INK, "solid")
    return boxes.finish(figure, title, (-2.15, last + 0.75), (_UP - 0.3, _BACK + 0.3), height=720)


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


def codes_in_motion(ways: Mapping[str, Tensor], labels: Sequence[int], title: str) -> Exhibit:
    """Images on their bridges and the codes that they are to meet, after each epoch of training.

    The middle of each panel is that of the codes, and all panels have one unit. The number below a
    panel, and in the table, is the root mean square distance of two classes' codes.

    Args:
        ways: by name (epochs, H, N + C, h), the first before training: b_l(r_l) of N images, then
            t_l of C classes, as shares of a code's range
        labels: (N,) of the images
        title: of the figure

    >>> moved = torch.rand(2, 4, 23, 5)
    >>> codes_in_motion({"AL, tanh": moved}, [0, 1] * 10, "Codes").table.columns.tolist()[:2]
    ['Epoch', 'AL, tanh: t₁ (%)']
    """
    epochs, blocks, points, _ = next(iter(ways.values())).shape
    goals = points - len(labels)
    apart = {
        name: [[100 * distance(t[len(labels) :]) for t in found] for found in moved]
        for name, moved in ways.items()
    }
    flat = {name: _flat(moved, goals) for name, moved in ways.items()}
    unit = max(np.quantile(np.abs(found), _INSIDE) for found in flat.values())
    codes = {
        name: (127 * (found / unit).clip(-1, 1)).round().astype(np.int8)
        for name, found in flat.items()
    }
    shown = [*labels, *range(goals)]
    color = str(method_style("al")["color"])
    titles = [f"{sub('b', k)}({sub('r', k)}) and {sub('t', k)}" for k in range(1, blocks + 1)]
    told = f"the distance of codes {sub('t', blocks)} of two classes, in % of their range: {{}}"
    data: dict[str, Any] = {
        "title": title,
        "classes": [str(k) for k in range(goals)],
        "labels": shown,
        "images": list(range(len(labels))),
        "epochs": list(range(epochs)),
        "columns": 1,
        "sprite": "",
        "words": {
            "columns": titles,
            "unit": "%",
            "least": 0,
            "told": told,
            "legend": "In a ring stands the code of each class. A panel is a projection, to the "
            "plane in which points lie widest at the end. All have one unit, and the codes' mean "
            "in the middle. Below: how far apart the codes of two classes are, in % of their "
            "range, over the epochs.",
        },
        "ways": [
            {
                "name": name,
                "color": color,
                "codes": base64.b64encode(found.tobytes()).decode(),
                "separation": np.array(apart[name]).round(2).tolist(),
            }
            for name, found in codes.items()
        ],
    }
    table = pd.DataFrame({"Epoch": range(epochs)})
    for name, found in apart.items():
        for block in range(blocks):
            table[f"{name}: {sub('t', block + 1)} (%)"] = [row[block] for row in found]
    ends = "; ".join(f"{name}: {found[-1][-1]:.2f}" for name, found in apart.items())
    figure = last_epoch(
        {name: found[-1] for name, found in codes.items()},
        shown, dict.fromkeys(codes, color), titles, title, goals,
    )  # fmt: skip
    says = sentence(title, f"After epoch {epochs - 1}: {told.format(ends)}")
    return Played(figure, table, says, ".2f", "features", data)


def _flat(moved: Tensor, goals: int) -> npt.NDArray[np.float64]:
    """(epochs, H, points, 2) around the codes' mean: in each block the plane in which points lie
    widest at the end, turned (orthogonal Procrustes) towards that of the block above.
    """
    around = (moved - moved[:, :, -goals:].mean(2, keepdim=True)).double()
    planes: list[Tensor] = []
    for own in reversed(around.unbind(1)):
        rows = torch.linalg.svd(own[-1], full_matrices=False)[2]
        flat = own @ rows[:2].T
        if planes:
            u, _, v = torch.linalg.svd(flat[-1].T @ planes[0][-1])
            flat = flat @ u @ v
        planes.insert(0, flat)
    found: npt.NDArray[np.float64] = torch.stack(planes, 1).numpy()
    return found


def probe_shares(records: Sequence[Record], images: int) -> dict[str, dict[str, list[float]]]:
    """Test accuracy of linear probes for the class on recorded runs: by method, by block, a share
    for each seed.

    The runs' own test accuracy follows as ``prediction``. Seeds come in the same order in every
    block.

    Args:
        records: runs; those without such probes are left out
        images: that the probes were fitted to

    Raises:
        ValueError: no run has probes, or a file of them cannot be read.

    >>> from delog_nb import lab
    >>> runs = [r for r in lab.recorded("table2").records if r.experiment.net == "convnet"]
    >>> list(probe_shares(runs, 2000)["BP"])
    ['r₁', 'r₂', 'r₃', 'r₄', 'prediction']
    """
    table = recorded_probes(records).sort_values(["seed", "run_id", "block"])
    wanted = (table["task"] == CLASS) & (table["features"] == "r") & (table["images"] == images)
    table = table[wanted]
    predicted = {record.run_id: float(record.results["test_acc"]) for record in records}
    shares: dict[str, dict[str, list[float]]] = {}
    for method in sorted(set(table["method"]), key=METHODS.place):
        own = table[table["method"] == method]
        by_block = shares[METHODS.label(method)] = {
            sub("r", block): own.loc[own["block"] == block, "accuracy"].tolist()
            for block in sorted(set(own["block"]))
        }
        by_block["prediction"] = [predicted[run_id] for run_id in own["run_id"].unique()]
    return shares
