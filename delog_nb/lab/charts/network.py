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


def network(
    ways: Mapping[str, Sequence[Mapping[str, Any]]], title: str, *, says: str = ""
) -> Exhibit:
    """A row for each way to train: layers, heads, losses, and an arrow for each gradient flow.

    Args:
        ways: by name the components in order, each with ``Layers`` (names), and where it has them
            ``Heads`` (names; ``Used`` are those of a prediction) and a ``Loss``; a component
            without a loss has no gradient, which is how a row shows the path of a prediction.
            Further entries stand in the table
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
        above = max(_above(part) for part in parts)
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
            middle = place - 1 + WIDTH / 2
            for number, head in enumerate(part.get("Heads", ())):
                height = y + _HEAD + number * _PILED
                boxes.box(figure, place - 1, height, head, effective=head in part.get("Used", ()))
            loss = y + _above(part) + HIGH / 2 + 0.42
            words = str(part["Loss"]).replace(" + ", "\n+ ")
            above = 0.09 * words.count("\n")
            boxes.text(figure, middle, loss + above, words, colors.get(name, SOFT))
            arrows = [[(middle, loss - 0.14), (middle, y + _above(part) + HIGH / 2)]]
            if part.get("Heads"):
                arrows.append([(middle, y + _HEAD - HIGH / 2), (middle, y + HIGH / 2)])
            if place - first > 1:
                arrows.append([(middle, y - 0.32), (first + WIDTH / 2, y - 0.32)])
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
        | {key: ", ".join(v) if isinstance(v, list | tuple) else v for key, v in part.items()}
        for name, parts in ways.items()
        for number, part in enumerate(parts, 1)
    ]
    return Exhibit(figure, pd.DataFrame(rows), says or _told(title, ways))


def _above(part: Mapping[str, Any]) -> float:
    """How far above its layers a component's last head stands."""
    count = len(part.get("Heads", ()))
    return _HEAD + (count - 1) * _PILED if count else 0.0


def _told(title: str, ways: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    told = []
    for name, parts in ways.items():
        texts = [
            f"{' '.join(part['Layers'])}" + (f" by {part['Loss']}" if part.get("Loss") else "")
            for part in parts
        ]
        told.append(f"{name}: {'; '.join(texts)}")
    return sentence(title, *told)
