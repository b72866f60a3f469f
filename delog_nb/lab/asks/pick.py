"""Fields of `Experiment` as widgets."""

from __future__ import annotations

from typing import Any

from IPython.display import display

from delog_nb.experiment import PARAMETERS
from delog_nb.experiment.registry import DATASETS
from delog_nb.lab.asks.session import headless


class Picked:
    """A choice of the learner's; ``value`` follows the widget."""

    def __init__(self, value: Any) -> None:
        self.value = value


def pick(name: str, value: Any = None) -> Picked:
    """A menu of what the field ``name`` of `Experiment` can be; without a front end its default.

    Data sets that need to know where their images are, are left out.
    """
    parameter = PARAMETERS[name]
    value = parameter.default if value is None else value
    picked = Picked(value)
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

    def on_choice(change: Any) -> None:
        picked.value = change["new"]

    menu.observe(on_choice, "value")
    note = "then run the cells below again"
    display(widgets.HBox([menu, widgets.Label(note)]))
    return picked
