"""One choice of a run: what it is called, what it takes, and what it is by default.

Fields of `Experiment` and options that a method, a net or a data set declares are the same thing to
flags, forms, papermill's parameters, records and errors.
"""

import difflib
import os
import types
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from delog_nb.instruments.errors import ExperimentError

_UNSET: Any = object()
_KINDS = {"bool": bool, "int": int, "float": float, "path": Path, "text": str, "choice": str}
_NAMES = {kind: name for name, kind in _KINDS.items() if name != "choice"}
_LONGEST = {"text": 1000, "path": 4096}  # characters; of all else, numbers too, _LONG
_LONG = 30
_NAME_BYTES = 255  # of a file or folder: what common file systems allow
_WHOLE = 2**63  # whole numbers lie below it, either way
_SHOWN = 100  # characters of a value in a sentence
MOST = 1e15  # of a number whose declaration names no maximum, as in a plug-in
_CORE_PRESETS = ("lesson", "quick", "paper")


@dataclass(frozen=True)
class Option:
    """One choice of a run.

    Args:
        name: in code, in files and, with - for _, on the command line; the same everywhere
        default: what it is where neither the run nor its preset says otherwise; None: nothing
        help: one line
        unit: of the number
        choices: the texts that it can be
        ge, gt, le, lt: bounds of the number, as in pydantic; without ``le`` and ``lt``, `MOST`
        kind: ``bool``, ``int``, ``float``, ``choice``, ``text`` or ``path``; by default that of
            ``default``
        presets: its values by preset; ``quick`` is as ``lesson`` where it has none of its own
        by_net: its default by net
        when: choices that must be made for it to be read, each with the values it can then have
        base: the value that is left out of a run's identity. It never changes: where ``default``
            does, ``base`` keeps the first one
        group: the heading that it stands below
    """

    name: str
    default: Any
    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    kind: str = ""
    presets: Mapping[str, Any] = field(default_factory=dict)
    by_net: Mapping[str, Any] = field(default_factory=dict)
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    base: Any = _UNSET
    group: str = ""

    def __post_init__(self) -> None:
        kind = "choice" if self.choices else self.kind or _NAMES.get(type(self.default), "")
        if kind not in _KINDS or not self.name.isidentifier():
            raise ExperimentError(
                f"option {self.name!r} of kind {kind or type(self.default).__name__!r} is not "
                f"allowed: a name as of a variable, and one of the kinds {', '.join(_KINDS)}"
            )
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "choices", tuple(self.choices))
        if kind in ("int", "float") and self.high is None:
            object.__setattr__(self, "le", MOST)
        when = {name: tuple(values) for name, values in self.when.items()}
        object.__setattr__(self, "when", when)
        if self.base is _UNSET:
            object.__setattr__(self, "base", self.default)

    def __hash__(self) -> int:
        return hash((self.name, self.kind, self.choices, self.ge, self.gt, self.le, self.lt))

    @property
    def optional(self) -> bool:
        """Whether it can be nothing."""
        return self.default is None

    @property
    def low(self) -> float | None:
        return self.gt if self.ge is None else self.ge

    @property
    def high(self) -> float | None:
        return self.lt if self.le is None else self.le

    def preset(self, preset: str, net: str = "") -> Any:
        """Its value in ``preset``, on ``net``."""
        value = self.by_net.get(net, self.default)
        if preset == "quick":
            value = self.presets.get("lesson", value)
        return self.presets.get(preset, value)

    @property
    def default_text(self) -> str:
        """The default, in words; by preset where presets differ."""
        if self.name in ("image_size", "crop_padding", "flip"):
            return "the data set's own"
        if self.name == "cut":
            return "the method's own"
        by_preset = {preset: self.preset(preset) for preset in _CORE_PRESETS}
        if len(set(by_preset.values())) > 1:
            text = ", ".join(f"{value} ({preset})" for preset, value in by_preset.items())
            return text + ", or the method's own" * (self.name == "lr")
        if self.by_net:
            others = ", ".join(f"{value} on {net}" for net, value in self.by_net.items())
            return f"{self.default}; {others}"
        return "none" if self.default in (None, "") else str(self.default)

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind in ("path", "text"):
            names = f", {_NAME_BYTES} to a name" if self.kind == "path" else ""
            return f"a {self.kind} of at most {_LONGEST[self.kind]} characters{names}"
        if self.kind == "bool":
            return "true or false"
        noun = "a whole number" if self.kind == "int" else "a number"
        low = "" if self.low is None else f"{self.low:g}"
        if self.high in (None, MOST):
            bounds = f" of at least {low}" if low else ""
        elif not low:
            bounds = f" of at most {self.high:.10g}"
        elif self.ge is None:
            bounds = f" above {low} and at most {self.high:.10g}"
        elif self.le is None:
            bounds = f" from {low} to below {self.high:.10g}"
        else:
            bounds = f" from {low} to {self.high:.10g}"
        return noun + bounds + (f" {self.unit}" if self.unit else "")

    def refusal(self, value: Any) -> str:
        """The sentence that says that ``value`` is none of those allowed."""
        hint = closest(value, self.choices) if isinstance(value, str) else ""
        return f"{self.name} = {shown(value)} is not allowed: {self.allowed}{hint}"

    def fits(self, value: Any) -> bool:
        """Whether ``value`` is of this kind at all: numbers are no truth values, nor the reverse.

        Texts are read as what they say, so that flags and files may give them. What is too long is
        none, and is not read at all: to read a number of many digits takes long.
        """
        if isinstance(value, (str, Path)) and not self._can_be(str(value)):
            return False
        if isinstance(value, int) and not -_WHOLE < value < _WHOLE:
            return False
        if self.choices and value not in self.choices:
            return False
        return isinstance(value, bool) == (self.kind == "bool") or isinstance(value, str)

    def _can_be(self, text: str) -> bool:
        """Whether ``text`` is short enough, and one that a file could hold or a folder be named."""
        path = self.kind == "path"
        try:
            names = [os.fsencode(name) if path else name.encode() for name in text.split("/")]
        except UnicodeEncodeError:  # half of a surrogate pair
            return False
        short = len(text) <= _LONGEST.get(self.kind, _LONG)
        return short and "\0" not in text and not (path and max(map(len, names)) > _NAME_BYTES)

    def check(self, value: Any) -> Any:
        """``value`` as it is kept. Raises ValueError with a sentence where it is not allowed."""
        if value is None and self.optional:
            return None
        if self.fits(value):
            try:
                return _adapter(self).validate_python(value)
            except ValidationError:
                pass
        raise ValueError(self.refusal(value))

    def data(self) -> dict[str, Any]:
        """What is declared, as plain data: only what is not as usual."""
        plain = Option("plain", self.default, "", kind=self.kind if self.default is None else "")
        shown = ("default", "kind") if self.default is None else ("default",)
        declared = asdict(self).items()
        return {k: v for k, v in declared if k in shown or v != getattr(plain, k)}


@cache
def _adapter(option: Option) -> TypeAdapter[Any]:
    bounds = {key: getattr(option, key) for key in ("ge", "gt", "le", "lt")}
    rules: dict[str, Any] = {key: bound for key, bound in bounds.items() if bound is not None}
    if option.kind == "float":
        rules["allow_inf_nan"] = False
    kind: Any = _KINDS[option.kind]
    return TypeAdapter(Annotated[kind, Field(**rules)] if rules else kind)


def field_of(
    default: Any,
    help: str,
    group: str,
    *,
    unit: str = "",
    choices: Iterable[str] = (),
    presets: Mapping[str, Any] | None = None,
    when: Mapping[str, tuple[Any, ...]] | None = None,
    base: Any = _UNSET,
    **bounds: Any,
) -> Any:
    """A field of `Experiment`, with what `Option` keeps of it."""
    extra: Any = {"group": group, "unit": unit, "choices": tuple(choices), "presets": presets or {}}
    extra |= {"when": when or {}, "base": default if base is _UNSET else base}
    return Field(default, description=help, json_schema_extra=extra, **bounds)


def option_of(name: str, info: FieldInfo) -> Option:
    """The field ``name`` of `Experiment` as an option."""
    extra: dict[str, Any] = info.json_schema_extra  # type: ignore[assignment]
    kind: Any = info.annotation
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(arg for arg in get_args(kind) if arg is not type(None))
    bounds = {
        key: getattr(rule, key)
        for rule in info.metadata
        for key in ("ge", "gt", "le", "lt")
        if hasattr(rule, key)
    }
    return Option(name, info.default, info.description or "", kind=_NAMES[kind], **extra, **bounds)


def shown(value: Any) -> str:
    """``value`` as a sentence says it, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # more digits, or deeper, than Python writes
        return f"{type(value).__name__} that is too long to be written"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 20]}... ({len(text):,} characters)"


def closest(word: str, choices: Iterable[str]) -> str:
    """``" (did you mean 'x'?)"`` where a choice is near ``word``, else nothing."""
    choices = list(choices) if len(word) <= _SHOWN else []
    near = difflib.get_close_matches(word.replace("-", "_"), choices, n=1, cutoff=0.6)
    near = near or difflib.get_close_matches(word.replace("_", "-"), choices, n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""
