"""Networks that are cut: who owns which layers, and how far each gradient flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from delog_nb.lab.charts import boxes
from delog_nb.lab.charts.boxes import FORWARD, HIGH, WIDTH
from delog_nb.lab.charts.exhibit import Exhibit, sentence
from delog_nb.lab.charts.style import SOFT, styles_of

# from way to way, from a layer to its first head, from head to head
_ROW, _HEAD, _PILED = 1.35, 0.75, 0.4
_BESIDE = 0.08  # a head's input and its gradient, from the middle


def network(
    ways: Mapping[str, Sequence[Mapping[str, Any]]], title: str, *, says: str = ""
) -> Exhibit:
    """A row for each way to train: layers, heads, losses, and an arrow for each gradient flow.

    Args:
        ways: by name the components in order, each with ``Layers`` (names), and where it has them
            ``Heads`` (names; ``Used`` are those of a prediction) and a ``Loss``; a component
            without a loss has no gradient, which is how a row shows the path of a prediction.
            ``Inside`` has, by layer, heads and loss of those after layers before the last one
        title: of the figure
        says: the text alternative; default: the components of each way

    >>> cut = [{"Layers": ["f₁"], "Heads": ["g₁"], "Loss": "S₁"}, {"Layers": ["f₂"], "Loss": "CE"}]
    >>> network({"Delog-SCL": cut}, "One network, cut").says
    'One network, cut. Delog-SCL: f₁ by S₁; f₂ by CE.'
    """
    figure = go.Figure()
    flows: dict[str, list[Any]] = {}
    trained = [name for name, parts in ways.items() if parts[-1].get("Loss") is not None]
    colors = {name: style["color"] for name, style in styles_of(trained).items()}
    forward: list[Any] = []
    cuts: list[tuple[float, float]] = []
    most, y, top = 0, 0.0, 0.0
    for row, (name, parts) in enumerate(ways.items()):
        above = max(_above(own) for part in parts for _, own in _losses(part))
        top, y = (above + 0.9, 0.0) if row == 0 else (top, y - _ROW - above)
        place = 0
        boxes.text(figure, -1.45, y, f"<b>{name}</b>", colors.get(name, SOFT), left=True)
        for part in parts:
            first = place
            for layer in part["Layers"]:
                boxes.box(figure, place, y, layer, effective=True)
                if place:
                    forward.append([(place - 1 + WIDTH, y), (place, y)])
                place += 1
            if part.get("Loss") is None:
                continue
            if first:
                cuts.append((first - (1 - WIDTH) / 2, y))
            arrows = []
            for layer, own in _losses(part):
                at = first + part["Layers"].index(layer)
                arrows += _loss(figure, at, y, own, colors.get(name, SOFT))
                if own.get("Heads"):
                    x, above = at + WIDTH / 2 - _BESIDE, y + _HEAD - HIGH / 2
                    forward.append([(x, y + HIGH / 2), (x, above)])
            if place - first > 1:
                ends = (place - 1 + WIDTH / 2, first + WIDTH / 2)
                arrows.append([(x, y - 0.32) for x in ends])
            flows.setdefault(name, []).extend(arrows)
        most = max(most, place)
    boxes.arrows(figure, forward, "forward", FORWARD, "solid")
    for name, arrows in flows.items():
        boxes.arrows(figure, arrows, f"gradients of {name}", colors[name], "solid")
    if cuts:
        boxes.cuts(figure, cuts)
    height = 110 + round(95 * (top - y + 0.55))
    boxes.finish(figure, title, (-1.5, most), (y - 0.55, top), height)
    rows = [
        {"Way": name, "Component": number}
        | {key: ", ".join(v) for key, v in part.items() if key not in ("Loss", "Inside")}
        | ({"Loss": _sum(part)} if _sum(part) else {})
        for name, parts in ways.items()
        for number, part in enumerate(parts, 1)
    ]
    return Exhibit(figure, pd.DataFrame(rows), says or _told(title, ways))


def _losses(part: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Each layer of a component that has a loss, with its heads and the loss."""
    return [*part.get("Inside", {}).items(), (part["Layers"][-1], part)]


def _sum(part: Mapping[str, Any]) -> str:
    """All losses of a component; empty where it has none."""
    return " + ".join(own["Loss"] for _, own in _losses(part) if own.get("Loss"))


def _loss(
    figure: go.Figure, place: int, y: float, own: Mapping[str, Any], color: str
) -> list[list[boxes.Point]]:
    """Draw heads and loss above the layer at ``place``; the arrows of the gradient to it."""
    middle, top = place + WIDTH / 2, y + _above(own) + HIGH / 2
    for number, head in enumerate(own.get("Heads", ())):
        height = y + _HEAD + number * _PILED
        boxes.box(figure, place, height, head, effective=head in own.get("Used", ()))
    words = str(own["Loss"]).replace(" + ", "\n+ ")
    boxes.text(figure, middle, top + 0.42 + 0.09 * words.count("\n"), words, color)
    arrows = [[(middle, top + 0.28), (middle, top)]]
    if own.get("Heads"):
        x = middle + _BESIDE
        arrows.append([(x, y + _HEAD - HIGH / 2), (x, y + HIGH / 2)])
    return arrows


def _above(own: Mapping[str, Any]) -> float:
    """How far above its layer the last head of a loss stands."""
    count = len(own.get("Heads", ()))
    return _HEAD + (count - 1) * _PILED if count else 0.0


def _told(title: str, ways: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    told = []
    for name, parts in ways.items():
        texts = [
            f"{' '.join(part['Layers'])}" + (f" by {_sum(part)}" if _sum(part) else "")
            for part in parts
        ]
        told.append(f"{name}: {'; '.join(texts)}")
    return sentence(title, *told)
