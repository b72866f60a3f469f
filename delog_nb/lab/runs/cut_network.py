"""Networks that are cut, to play with: components, losses, and how far each gradient flows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from delog_nb.lab.charts.exhibit import DIGITS, Exhibit
from delog_nb.lab.charts.network import network
from delog_nb.lab.charts.played import Played
from delog_nb.lab.charts.style import styles_of
from delog_nb.measure.paths import LocalLoss, Part, Paths

Way = Paths | Mapping[str, Paths]


def cut_network(ways: Mapping[str, Way], title: str, *, says: str = "") -> Exhibit:
    """Ways to train one network: blocks, heads, losses and gradients, to click and to step through.

    An arrow is as wide as the gradient in the part that it goes into is long, on a logarithmic
    scale that all ways share. Below is what is kept for backward passes, with a mark at what the
    uncut network keeps. The table has a row for each component.

    Args:
        ways: by name what `delog_nb.measure.paths.paths` found; or what ``every_cut`` found: then
            whoever looks cuts and joins, beginning with the uncut network
        title: of the figure
        says: the text alternative; default: the components of each way

    >>> from delog_nb import data, lab
    >>> from delog_nb.measure.paths import paths
    >>> run = lab.experiment(method="delog-scl", depth=2, batch_size=16)
    >>> shown = lab.cut_network({"Delog-SCL": paths(run, data.load(run))}, "A network that is cut")
    >>> shown.table[["Layers", "Loss", "Flow (local gradients)"]].values.tolist()
    [['f₁', 'SCL₁', 3], ['f₂', 'SCL₂', 3], ['classifier', 'CE₃', 2]]
    """
    fixed = {name: way for name, way in ways.items() if isinstance(way, Paths)}
    drawn = fixed or {name: _uncut(way) for name, way in ways.items()}
    rows: dict[str, Sequence[Mapping[str, Any]]] = {
        name: [_row(way, own) for own in way.components] for name, way in drawn.items()
    }
    if len(drawn) == 1:
        (only,) = drawn.values()
        rows = rows | {"prediction": [{"Layers": [lowered(n) for n in only.prediction]}]}
    static = network(rows, title, says=says)
    colors = {name: str(style["color"]) for name, style in styles_of(ways).items()}
    data = {
        "title": title,
        "ways": [
            {"name": name, "color": colors[name]}
            | _plain(_whole(way))
            | ({} if isinstance(way, Paths) else {"cuts": [_cut(c, w) for c, w in way.items()]})
            for name, way in ways.items()
        ],
    }
    return Played(static.figure, _table(ways), static.says, ".2f", "cut_network", data)


def lowered(name: str) -> str:
    """``f12`` with its number as an index: f₁₂."""
    return re.sub(r"\d+$", lambda found: found[0].translate(DIGITS), name)


def _whole(way: Way) -> Paths:
    """The way itself, or the one that is cut at every place, where all losses are."""
    return way if isinstance(way, Paths) else max(way.items())[1]


def _uncut(way: Way) -> Paths:
    return way if isinstance(way, Paths) else min(way.items())[1]


def _plain(way: Paths) -> dict[str, Any]:
    return {
        "layers": [[lowered(layer.name), layer.parameters] for layer in way.layers],
        "components": way.components,
        "losses": [
            {
                "name": lowered(loss.name),
                "layer": loss.layer,
                "modules": [_module(module) for module in loss.modules],
                "norms": _norms(loss),
            }
            for loss in way.losses
        ],
        "prediction": [lowered(name) for name in way.prediction],
        "kept": _kept(way),
    }


def _module(module: Part) -> dict[str, Any]:
    return {
        "name": lowered(module.name),
        "parameters": module.parameters,
        "used": module.used,
        "reads": module.reads,
    }


def _norms(loss: LocalLoss) -> dict[str, float]:
    return {lowered(name): float(f"{norm:.3g}") for name, norm in loss.norms.items()}


def _kept(way: Paths) -> dict[str, int]:
    return {lowered(name): size for name, size in way.kept.items()}


def _cut(code: str, way: Paths) -> list[Any]:
    return [code, {lowered(loss.name): _norms(loss) for loss in way.losses}, _kept(way)]


def _row(way: Paths, own: Sequence[int]) -> dict[str, Any]:
    """A component as `network` draws it."""
    losses = {k: [loss for loss in way.losses if loss.layer == k] for k in own}
    inside = {_name(way, k): _joined(found) for k, found in losses.items() if found}
    last = inside.pop(_name(way, own[-1]), {"Heads": [], "Used": [], "Loss": ""})
    return {"Layers": [_name(way, k) for k in own]} | last | ({"Inside": inside} if inside else {})


def _name(way: Paths, number: int) -> str:
    return lowered(way.layers[number - 1].name)


def _joined(losses: Sequence[LocalLoss]) -> dict[str, Any]:
    """Losses after one layer, with their modules; what does not read the features is left out."""
    reading = [module for loss in losses for module in loss.modules if module.reads]
    return {
        "Heads": list(dict.fromkeys(_word(module) for module in reading)),
        "Used": [_word(module) for module in reading if module.used],
        "Loss": " + ".join(lowered(loss.name) for loss in losses),
    }


def _word(module: Part) -> str:
    return re.sub(r"\d+$", "", module.name)


def _table(ways: Mapping[str, Way]) -> pd.DataFrame:
    rows = []
    for name, way in ways.items():
        cuts: Mapping[str, Paths] = {"": way} if isinstance(way, Paths) else way
        for code, cut in cuts.items():
            after = [cut.layers[k].name for k, mark in enumerate(code) if mark == "1"]
            places = f", cut after {', '.join(map(lowered, after)) or 'nothing'}" if code else ""
            for number, own in enumerate(cut.components, 1):
                rows.append({"Way": name + places, "Component": number, **_told(cut, own)})
    return pd.DataFrame(rows)


def _told(way: Paths, own: Sequence[int]) -> dict[str, Any]:
    layers = [way.layers[number - 1] for number in own]
    losses = [loss for loss in way.losses if loss.layer in own]
    modules = [module for loss in losses for module in loss.modules]
    flows = [
        1
        + any(m.parameters for m in loss.modules)
        + sum(layer.name in loss.norms for layer in layers)
        for loss in losses
    ]
    effective = sum(part.parameters for part in (*layers, *modules) if part.used)
    names = [part.name for part in (*layers, *modules)] + [loss.name for loss in losses]
    kept = sum(way.kept.get(name, 0) for name in names)
    return {
        "Layers": ", ".join(lowered(layer.name) for layer in layers),
        "Modules": ", ".join(lowered(module.name) for module in modules),
        "Loss": " + ".join(lowered(loss.name) for loss in losses),
        "Flow (local gradients)": max(flows),
        "Effective parameters": effective,
        "Affiliated parameters": sum(p.parameters for p in modules if not p.used),
        "Gradient norms": "; ".join(
            f"{lowered(loss.name)}: " + ", ".join(f"{n} {v:.3g}" for n, v in _norms(loss).items())
            for loss in losses
        ),
        "Kept for backward (MB)": kept / 1e6,
    }
