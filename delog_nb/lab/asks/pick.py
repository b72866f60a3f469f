"""Fields of `Experiment` as widgets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from IPython.display import display

from delog_nb.experiment import PARAMETERS
from delog_nb.experiment.registry import DATASETS
from delog_nb.lab.charts.played import headless


def pick(name: str, value: Any = None) -> SimpleNamespace:
    """A menu of what the field ``name`` of `Experiment` can be; without a front end its default.

    ``value`` of what is returned follows the menu.

    Data sets that need to know where their images are, are left out.

    >>> from delog_nb import lab
    >>> lab.pick("net").value
    net = convnet
    'convnet'
    """
    parameter = PARAMETERS[name]
    value = parameter.default if value is None else value
    picked = SimpleNamespace(value=value)
    if headless():
        print(f"{name} = {value}")  # noqa: T201
        return picked
    import ipywidgets as widgets

    menu = widgets.Dropdown(
        options=[c for c in parameter.choices if name != "dataset" or not DATASETS[c].needs_dir],
        value=value,
        description=name,
        tooltip=parameter.help,
    )

    menu.observe(lambda change: setattr(picked, "value", change["new"]), "value")
    note = "then run the cells below again"
    display(widgets.HBox([menu, widgets.Label(note)], layout={"flex_flow": "row wrap"}))
    return picked
