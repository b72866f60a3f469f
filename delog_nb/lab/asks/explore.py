"""Menus and sliders that draw a figure again; without a front end, the figure of the defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from IPython.display import display

from delog_nb.lab.asks.session import display_data
from delog_nb.lab.asks.stored import in_order, keep_every_figure, text_of
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.played import headless

Draw = Callable[..., Exhibit]


class Choice(NamedTuple):
    """Values to choose from, of which the first is not the default.

    >>> from delog_nb import lab
    >>> lab.Choice([2, 4, 8], 4).default
    4
    """

    values: Sequence[Any]
    default: Any


def explore(draw: Draw, **choices: Sequence[Any] | Choice) -> None:
    """Show what ``draw`` returns, and draw again whenever a choice is changed.

    Numbers are chosen with a slider, other values in a menu. Without a front end the figure of
    the defaults is shown once, below a line that says what they are and what else there is.

    Args:
        draw: called with a value for each choice; returns an `Exhibit`
        choices: the values of each choice, the first being the default, or a `Choice`

    Raises:
        ValueError: a choice has no values, or a default that is not among them.

    >>> from delog_nb import lab
    >>> def powers(base):
    ...     return lab.lines({"": [base**n for n in range(1, 4)]}, "Powers", "n", "base to the n")
    >>> lab.explore(powers, base=[2, 3])  # doctest: +ELLIPSIS
    base = 2 (or 3)
    ...
    """
    offered = {
        name: given if isinstance(given, Choice) else Choice(given, next(iter(given), None))
        for name, given in choices.items()
    }
    for name, choice in offered.items():
        if choice.default not in choice.values:
            raise ValueError(
                f"{name} = {choice.default!r} is not among its values: "
                f"{', '.join(map(text_of, choice.values)) or 'there are none'}"
            )
    defaults = {name: choice.default for name, choice in offered.items()}
    if headless():
        for name, choice in offered.items():
            others = ", ".join(text_of(v) for v in choice.values if v != choice.default)
            line = f"{_label(name)} = {text_of(choice.default)}"
            print(f"{line} (or {others})" if others else line)  # noqa: T201
        display(draw(**defaults))
        keep_every_figure(draw, {name: (_label(name), *offered[name]) for name in offered})
    else:
        display(_panel(draw, offered, draw(**defaults)))


def _panel(draw: Draw, offered: dict[str, Choice], first: Exhibit) -> Any:
    """The choices above an output area that holds the exhibit."""
    import ipywidgets as widgets

    area = widgets.Output()
    area.outputs = display_data(*first.outputs())
    note = widgets.Label(layout={"display": "none"})  # empty, it would take its place
    menus = {name: _menu(name, choice) for name, choice in offered.items()}

    def redraw(_: Any) -> None:
        note.value, note.layout.display = "computing …", None
        try:
            now = draw(**{name: menu.value for name, menu in menus.items()})
            area.outputs = display_data(*now.outputs())
        except Exception as error:
            # Jupyter would put it into a log that nobody sees
            area.outputs = (_error(error),)
            raise
        finally:
            note.layout.display = "none"

    for menu in menus.values():
        menu.observe(redraw, "value")
    return widgets.VBox([*menus.values(), note, area])


def _menu(name: str, choice: Choice) -> Any:
    import ipywidgets as widgets

    shared = {
        "options": [(text_of(value), value) for value in choice.values],
        "value": choice.default,
        "description": _label(name),
        "style": {"description_width": "initial"},
    }
    if in_order(choice.values):
        return widgets.SelectionSlider(continuous_update=False, layout={"width": "32em"}, **shared)
    return widgets.Dropdown(layout={"width": "max-content"}, **shared)


def _error(error: Exception) -> dict[str, Any]:
    sentence = f"{type(error).__name__}: {error}"
    return {
        "output_type": "error",
        "ename": type(error).__name__,
        "evalue": str(error),
        "traceback": [sentence],
    }


def _label(name: str) -> str:
    return name.replace("_", " ")
