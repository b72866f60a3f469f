"""One field of `Experiment` as flags, forms, papermill's parameters and errors show it."""

import difflib
import types
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import Field
from pydantic.fields import FieldInfo

from delog_nb.experiment.presets import preset_values


def field(
    default: Any,
    help: str,
    group: str,
    *,
    unit: str = "",
    choices: Iterable[str] | None = None,
    **bounds: Any,
) -> Any:
    extra: dict[str, Any] = {"group": group, "unit": unit}
    if choices is not None:
        extra["enum"] = list(choices)
    return Field(default, description=help, json_schema_extra=extra, **bounds)


@dataclass(frozen=True)
class Parameter:
    """One field of `Experiment` as its faces need it."""

    name: str
    kind: str  # bool, int, float, choice, path or text
    help: str
    group: str
    unit: str
    default: Any
    optional: bool
    choices: tuple[str, ...]
    low: float | None
    high: float | None
    above_low: bool  # the lower bound itself is not allowed
    below_high: bool  # nor the upper one

    @property
    def default_text(self) -> str:
        """The default, in words; by preset where presets differ."""
        method = "al" if self.name.startswith("al_") else "delog-scl"
        by_preset = {
            preset: preset_values(preset, "digits", "convnet", method).get(self.name, self.default)
            for preset in ("lesson", "quick", "paper")
        }
        if self.name in ("image_size", "crop_padding", "flip"):
            return "the data set's own"
        if len(set(by_preset.values())) > 1:
            return ", ".join(f"{value} ({preset})" for preset, value in by_preset.items())
        return "none" if self.default in (None, "") else str(self.default)

    @property
    def allowed(self) -> str:
        """What the field takes, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind in ("path", "text"):
            return "a path" if self.kind == "path" else "a text"
        if self.kind == "bool":
            return "true or false"
        noun = "a whole number" if self.kind == "int" else "a number"
        if self.high is None:
            bounds = f" of at least {self.low:g}"
        elif self.above_low:
            bounds = f" above {self.low:g} and at most {self.high:.10g}"
        elif self.below_high:
            bounds = f" from {self.low:g} to below {self.high:.10g}"
        else:
            bounds = f" from {self.low:g} to {self.high:.10g}"
        return noun + bounds + (f" {self.unit}" if self.unit else "")


def parameter_of(name: str, info: FieldInfo) -> Parameter:
    """The field ``name`` of `Experiment` as its faces need it."""
    extra: dict[str, Any] = info.json_schema_extra  # type: ignore[assignment]
    kind: Any = info.annotation
    optional = get_origin(kind) in (Union, types.UnionType)
    if optional:
        kind = next(arg for arg in get_args(kind) if arg is not type(None))
    choices = tuple(extra.get("enum", ()))
    bounds = {
        key: getattr(rule, key)
        for rule in info.metadata
        for key in ("ge", "gt", "le", "lt")
        if hasattr(rule, key)
    }
    names = {bool: "bool", int: "int", float: "float", Path: "path", str: "text"}
    return Parameter(
        name=name,
        kind="choice" if choices else names[kind],
        help=info.description or "",
        group=extra["group"],
        unit=extra["unit"],
        default=info.default,
        optional=optional,
        choices=choices,
        low=bounds.get("ge", bounds.get("gt")),
        high=bounds.get("le", bounds.get("lt")),
        above_low="gt" in bounds,
        below_high="lt" in bounds,
    )


def closest(word: str, choices: Iterable[str]) -> str:
    """``" (did you mean 'x'?)"`` where a choice is near ``word``, else nothing."""
    near = difflib.get_close_matches(word.replace("-", "_"), list(choices), n=1, cutoff=0.6)
    near = near or difflib.get_close_matches(word.replace("_", "-"), list(choices), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""
