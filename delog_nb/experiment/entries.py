"""What methods, nets and data sets declare of themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from delog_nb.experiment.counts import Counts
from delog_nb.experiment.fields import Option, shown
from delog_nb.experiment.plugins import Plugin
from delog_nb.instruments.errors import ExperimentError

_Whole: TypeAlias = Annotated[int, Field(ge=0, le=2**31)]
_Positive: TypeAlias = Annotated[int, Field(ge=1, le=2**31)]


@dataclass(frozen=True)
class Entry:
    """What every method, net and data set declares.

    Args:
        name: on the command line and in files
        label: in tables and figures
        options: what it reads of a run's choices, beyond those that every run has
        revision: is raised when its numbers change; a part of a run's identity
        published: the paper or code that it follows
        module: of the package's own: where it is defined
        make: what was decorated; None until ``module`` is imported
        plugin: where it was defined, unless in this package
    """

    name: str
    label: str
    options: tuple[Option, ...] = ()
    revision: _Positive = 1
    published: str = ""
    module: str = ""
    make: Any = field(default=None, compare=False)
    plugin: Plugin | None = None


@dataclass(frozen=True)
class MethodEntry(Entry):
    """A training method. ``make(net, options)`` builds it.

    ``cut`` says where its components end, ``block`` or ``layer``, in runs that do not. ``presets``
    has, by preset, values of its own for fields that every run has; ``quick`` is as ``lesson``
    where it has none. ``refuses`` gives the reason why it cannot go on a net, by the net's name.
    ``style`` is its place among the colours, dashes and marks of figures; plug-ins take the next
    free ones.
    ``loss`` is its local loss as a formula, ``constant`` what gets no gradient in it, beyond the
    features of the component below, and ``note`` what a reader of its figures has to know.
    """

    cut: str = "block"
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    components: Counts = Counts()  # noqa: RUF009 - a tuple
    refuses: Mapping[str, str] = field(default_factory=dict)
    style: int | None = None
    loss: str = ""
    constant: str = ""
    note: str = ""

    def preset(self, name: str) -> dict[str, Any]:
        """Its own values in a preset, by field."""
        found = dict(self.presets.get("lesson", {})) if name == "quick" else {}
        return found | dict(self.presets.get(name, {}))


@dataclass(frozen=True)
class NetEntry(Entry):
    """A network. ``make(in_shape, classes, width, depth, **options)`` gives its `Parts`.

    ``min_size`` is the smallest image side, in pixels, that its blocks allow, ``depth`` how many
    blocks it has by default. Where its name counts layers, ``at_depth`` is (text, a, b): its label
    with H blocks is the text and a H + b.
    """

    min_size: _Positive = 1
    depth: _Positive = 4
    at_depth: tuple[str, int, int] | None = None

    def label_at(self, depth: int) -> str:
        """Its label with ``depth`` blocks.

        >>> from delog_nb.experiment.registry import NETS
        >>> NETS["resnet-cifar"].label_at(9)
        'ResNet-20'
        """
        if self.at_depth is None:
            return self.label
        text, by_block, more = self.at_depth
        return f"{text}{by_block * depth + more}"


@dataclass(frozen=True)
class DatasetEntry(Entry):
    """What is known of a data set before it is read. ``make(folder)`` gives its source.

    ``mean`` and ``std`` are per channel, of pixels scaled to [0, 1]; where they are None they are
    computed from the training images. ``classes`` is 0 and ``images`` (for training, for testing)
    None where only the files can tell. ``by_content``: the name does not say which images these
    are, so that a run is known by a hash of their bytes. ``needs_dir``: they lie in ``data_dir``,
    and ``needs_dir`` says in words what is looked for there.
    """

    channels: _Positive = 3
    size: _Positive = 32
    classes: _Whole = 0
    images: tuple[_Whole, _Whole] | None = None
    flip: bool = True
    crop_padding: _Whole = 4
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    by_content: bool = False
    needs_dir: str = ""


Kind = TypeVar("Kind", bound=Entry)
Declared = TypeVar("Declared", bound=Entry | Option)


def checked(entry: Kind, noun: str) -> Kind:
    """``entry``, with all that it declares of the types that its kind has.

    Raises:
        ExperimentError: something is of another, or an option cannot have its own default.
    """
    entry = _typed(entry, f"{noun} {shown(entry.name)}")
    if isinstance(entry, MethodEntry):
        whole = {option.name for option in entry.options if option.kind == "int"}
        for name in sorted(entry.components.options() - whole):
            raise ExperimentError(
                f"{noun} {shown(entry.name)} declares components of {shown(name)}, which is no "
                f"option of it that is a whole number"
            )
    return replace(entry, options=tuple(map(_checked, entry.options)))


def _typed(declared: Declared, what: str) -> Declared:
    made = {}
    for name, kind in get_type_hints(type(declared), include_extras=True).items():
        value = getattr(declared, name)
        try:
            made[name] = _adapter(kind).validate_python(value)
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise ExperimentError(f"{what} declares {name} = {shown(value)}: {why}") from error
    return replace(declared, **made)


def _checked(option: Option) -> Option:
    option = _typed(option, f"option {option.name!r}")
    for value in (option.default, *option.presets.values(), *option.by_net.values()):
        try:
            option.check(value)
        except ValueError as error:
            raise ExperimentError(f"option {error}") from error
    return option


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
