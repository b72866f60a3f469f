"""How a method declares itself: `delog_nb.method`."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, TypeVar

from torch import nn

from delog_nb.components.component import Method, NetMaker, Objective, cut_with_objectives
from delog_nb.experiment import ExperimentError, Option
from delog_nb.experiment.counts import Counts
from delog_nb.experiment.entries import MethodEntry
from delog_nb.experiment.fields import shown
from delog_nb.experiment.plugins import origin
from delog_nb.experiment.registry import FIELDS, METHODS

Made = TypeVar("Made", bound=Callable[..., Any])
_NAMES = ("preset", "method", "net", "dataset", "seed", "cut", "components")  # not by preset
_KINDS = {bool: "bool", int: "int", float: "float", str: "text"}


def method(
    name: str,
    *,
    label: str,
    options: Sequence[Option] = (),
    cut: str = "block",
    components: Counts | int | str = Counts(),  # noqa: B008 - it is a tuple
    presets: Mapping[str, Mapping[str, Any]] | None = None,
    refuses: Mapping[str, str] | None = None,
    style: int | None = None,
    revision: int = 1,
    published: str = "",
    loss: str = "",
    constant: str = "",
    note: str = "",
) -> Callable[[Made], Made]:
    """Make a method of a local objective, or of a function that builds one.

    It stands on a subclass of `Objective` with ``__init__(shape, classes, *, ...)``: the network is
    then cut as for Delog-SCL, with this objective after every component but the last, and
    cross-entropy after that one. Or it stands on a function ``build(net, options)`` that returns a
    `Method`: ``net()`` makes the network, a `Backbone`, ``net(pooled=False)`` one without its final
    pooling, ``net(opening=layer)`` one whose block 1 begins with a layer without parameters;
    ``options`` has the method's options as attributes, and ``components``, the number of components
    that the run asks for.

    Args:
        name: on the command line and in files; small letters, digits and -
        label: in tables and figures
        options: what it reads, beyond what every run has. Keyword-only parameters of ``__init__``
            that are not among them become options by themselves, of the type of their default
        cut: where components end unless the run says so: ``block``, or ``layer``, a convolution
            with its activation or a residual block
        components: the default number where it is not one for each block (or layer) and the
            classifier (``"H"`` is one a block), or all of `Counts`
        presets: values of its own for fields that every run has, by preset, such as
            ``{"lesson": {"lr": 0.005}}``
        style: its place among the colours of figures; by default the next free one
        refuses: nets that it cannot go on, by name, each with the reason
        revision: raise it when the method's numbers change
        published: the paper or code that it follows
        loss: its local loss as a formula
        constant: what gets no gradient in it, beyond the features of the component below
        note: what a reader of its figures has to know

    Raises:
        ExperimentError: the name is taken, an option is declared otherwise elsewhere, ``cut`` is no
            place to cut, or a preset has what no field takes.
    """
    if cut not in FIELDS["cut"].choices:
        raise ExperimentError(FIELDS["cut"].refusal(cut))
    _check_presets(name, presets or {})
    frame = sys._getframe(1)
    plugin, module = origin(frame), frame.f_globals.get("__name__", "")

    def declare(made: Made) -> Made:
        entry = described(
            name,
            made,
            label=label,
            options=tuple(options),
            revision=revision,
            published=published,
            loss=loss,
            constant=constant,
            note=note,
            module="" if plugin else module,
            plugin=plugin,
            cut=cut,
            components=components if isinstance(components, Counts) else Counts(default=components),
            presets=dict(presets or {}),
            refuses=dict(refuses or {}),
            style=style,
        )
        METHODS.add(entry)
        return made

    return declare


def _check_presets(name: str, presets: Mapping[str, Mapping[str, Any]]) -> None:
    for preset, values in presets.items():
        for field, value in {"preset": preset, **values}.items():
            option = FIELDS.get(field)
            if option is None or (field in _NAMES and field != "preset"):
                allowed = ", ".join(known for known in FIELDS if known not in _NAMES)
                raise ExperimentError(
                    f"method {name!r} has a value of its own for {shown(field)}: one of {allowed}"
                )
            try:
                option.check(value)
            except ValueError as error:
                raise ExperimentError(f"method {name!r}, preset {preset}: {error}") from error


def described(name: str, made: Any, **declared: Any) -> MethodEntry:
    """The entry of what `method` stands on: an objective is cut in, its keywords are options.

    Raises:
        ExperimentError: it is no objective, or its parameters are others.
    """
    entry = MethodEntry(name, make=made, **declared)
    if not isinstance(made, type):
        return entry
    if not issubclass(made, Objective):
        raise ExperimentError(
            f"@delog_nb.method stands on {made.__name__}, which is no delog_nb.Objective"
        )
    try:
        inspect.signature(made.forward).bind("self", "r", "batch")
        there = made.forward is not Objective.forward
    except TypeError:
        there = False
    if not there:
        raise ExperimentError(f"{made.__name__} needs a method forward(self, r, batch)")
    own = _from_keywords(made, entry.label, {option.name for option in entry.options})
    return replace(entry, options=(*entry.options, *own), make=_cut_with(made))


def _keywords(objective: type[Objective]) -> list[inspect.Parameter]:
    """The keyword-only parameters of an objective. Raises `ExperimentError` for other ones."""
    if objective.__init__ is nn.Module.__init__:
        return []
    _, *parameters = inspect.signature(objective.__init__).parameters.values()
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    if len(parameters) - len(keywords) != 2:
        raise ExperimentError(
            f"{objective.__name__}.__init__ takes (shape, classes), then options by keyword alone: "
            f"def __init__(self, shape, classes, *, ...)"
        )
    return keywords


def _from_keywords(objective: type[Objective], label: str, known: set[str]) -> list[Option]:
    found = []
    for parameter in _keywords(objective):
        if parameter.name in known:
            continue
        kind = _KINDS.get(type(parameter.default))
        if kind is None:
            raise ExperimentError(
                f"option {parameter.name!r} of {objective.__name__} needs a default that is a "
                f"number, a text, True or False; or give an Option"
            )
        found.append(Option(parameter.name, parameter.default, f"{label}: {parameter.name}"))
    return found


def _cut_with(objective: type[Objective]) -> Callable[[NetMaker, SimpleNamespace], Method]:
    names = [parameter.name for parameter in _keywords(objective)]
    plain = objective.__init__ is nn.Module.__init__

    def build(net: NetMaker, options: SimpleNamespace) -> Method:
        backbone = net()
        chosen = {name: getattr(options, name) for name in names}

        def after(end: int) -> Objective:
            if plain:
                return objective()
            return objective(backbone.shapes[end - 1], backbone.classes, **chosen)

        return cut_with_objectives(backbone, options.components, after)

    return build
