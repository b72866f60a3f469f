"""The fields of `Experiment` as a form."""

from __future__ import annotations

import html
from collections.abc import Callable
from itertools import groupby
from typing import Any

import ipywidgets as widgets

from delog_nb.experiment import PARAMETERS, Experiment, ExperimentError, Option
from delog_nb.experiment.plugins import import_packages
from delog_nb.experiment.rules import readable
from delog_nb.lab.asks.session import wrong

_SLIDER_SPAN = 1024  # wider ranges are typed


class Form:
    """A widget for every field; ``experiment`` is what they say, or None while a value is bad.

    A field that the learner has not touched shows the preset's choice, and follows it.

    Args:
        choices: fields that are set at the start
        on_change: called after each change
    """

    def __init__(self, choices: dict[str, Any], on_change: Callable[[], None]) -> None:
        self.given = dict(choices)
        self.experiment: Experiment | None = Experiment(**choices)
        self._on_change = on_change
        self._filling = False
        import_packages()
        self.fields = {p.name: _widget(p) for p in PARAMETERS.values()}
        self.problems = {name: widgets.HTML() for name in PARAMETERS}
        self.rows: dict[str, Any] = {}
        for name, field in self.fields.items():
            field.observe(lambda change, name=name: self._changed(name, change["new"]), "value")
        reset = widgets.Button(
            description="Back to the preset", icon="undo", layout={"width": "max-content"}
        )
        reset.on_click(lambda _: self.reset())
        groups = [
            (group, list(parameters))
            for group, parameters in groupby(PARAMETERS.values(), lambda p: p.group)
        ]
        tabs = widgets.Tab(children=[self._page(parameters) for _, parameters in groups])
        for place, (group, _) in enumerate(groups):
            tabs.set_title(place, group.capitalize())
        self.widget = widgets.VBox([tabs, reset])
        self._fill()

    def _page(self, parameters: list[Option]) -> widgets.Widget:
        rows = []
        for p in parameters:
            unit = widgets.Label(p.unit)
            row = widgets.VBox([widgets.HBox([self.fields[p.name], unit]), self.problems[p.name]])
            self.rows[p.name] = row
            rows.append(row)
        layout = widgets.Layout(grid_template_columns="repeat(auto-fill, minmax(400px, 1fr))")
        return widgets.GridBox(rows, layout=layout)

    def reset(self) -> None:
        """Forget everything but what run, method, net and data set are."""
        kept = ("preset", "method", "net", "dataset", "data_dir", "seed")
        self.given = {name: value for name, value in self.given.items() if name in kept}
        self._check()

    def _changed(self, name: str, value: Any) -> None:
        if self._filling:
            return
        if value in ("", None):
            self.given.pop(name, None)
        else:
            self.given[name] = value
            # what another method read is not asked of this one
            self.given = readable(self.given, self.given.keys() - {name})
        self._check()

    def _check(self) -> None:
        """Read the fields; mark the one that is wrong."""
        for name, problem in self.problems.items():
            problem.value = ""
            self.fields[name].layout.border = None
        try:
            self.experiment = Experiment(**self.given)
        except ExperimentError as error:
            self.experiment = None
            self._mark(str(error))
        else:
            self._fill()
        self._on_change()

    def _mark(self, sentence: str) -> None:
        first = sentence.split(" ", 1)[0]
        # a rule about two fields names first the one to change
        name = first if first in PARAMETERS else "data_dir" if "data_dir" in sentence else "method"
        self.fields[name].layout.border = "2px solid #c62828"
        self.problems[name].value = wrong(html.escape(sentence))

    def _fill(self) -> None:
        """Show the values of what the experiment reads, and no other field."""
        if self.experiment is None:
            return
        self._filling = True
        try:
            for name, field in self.fields.items():
                read = self.experiment.reads(name)
                self.rows[name].layout.display = None if read else "none"
                if not read:
                    continue
                value = getattr(self.experiment, name)
                if isinstance(field, widgets.Text):
                    given = self.given.get(name)
                    field.value = "" if given is None else str(given)
                    field.placeholder = "none" if value in (None, "") else f"{value}"
                else:
                    field.value = value
        finally:
            self._filling = False


def _widget(parameter: Option) -> Any:
    shared: dict[str, Any] = {
        "description": parameter.name,
        "tooltip": parameter.help + (f" [{parameter.unit}]" if parameter.unit else ""),
        "style": {"description_width": "110px"},
        "layout": {"width": "300px"},
    }
    low, high = parameter.low, parameter.high
    if parameter.choices:
        return widgets.Dropdown(options=parameter.choices, **shared)
    if parameter.kind == "bool":
        return widgets.Checkbox(**shared)
    bounded = low is not None and high is not None and not parameter.optional
    if bounded and parameter.kind == "int" and high - low < _SLIDER_SPAN:  # type: ignore[operator]
        return widgets.IntSlider(
            value=low, min=int(low or 0), max=int(high or 0), continuous_update=False, **shared
        )
    if bounded and parameter.kind == "float" and (high or 0) <= 1:
        return widgets.FloatSlider(
            value=low, min=low, max=high, step=0.05, continuous_update=False, **shared
        )
    return widgets.Text(continuous_update=False, **shared)
