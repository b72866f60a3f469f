"""Grids: one file that describes many experiments, and the table or figure they are for."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)

from delog_nb.experiment import (
    PARAMETERS,
    Experiment,
    ExperimentError,
    ReadError,
    closest,
    experiments_of,
)
from delog_nb.experiment.fields import shown
from delog_nb.experiment.registry import REGISTRIES
from delog_nb.experiment.rules import check_count
from delog_nb.grids.loader import load
from delog_nb.instruments.files import MEGABYTE, read_text
from delog_nb.records import Record, matching

_WORDS = 300  # characters of a reader's own words
GRIDS = "grids"  # folder below the runs: the grid files that they were made from

Value = StrictStr | StrictInt | StrictFloat | StrictBool | None
Revision = Annotated[StrictInt, Field(ge=1, le=1_000_000)]
# results of a record that a table can show
Result = Literal[
    "val_acc",
    "test_acc",
    "test_acc_at_best_val",
    "test_acc_best_over_epochs",
    "train_params",
    "inference_params",
    "sec_per_epoch",
    "eval_sec_per_epoch",
    "peak_train_mb",
]


class Layout(BaseModel):
    """How records become a table, or a figure of curves.

    A table has a row for each value of ``rows``, a column for each value of ``columns`` (and of
    ``values``, where there are several). A figure has a line for each value of ``rows``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["table", "figure"] = "table"
    rows: str = "method"
    columns: str = "net"
    values: tuple[Result, ...] = Field(("test_acc",), min_length=1)


class Grid(BaseModel):
    """Experiments as the product of lists, in `Experiment`'s field names.

    Every experiment takes the ``fixed`` values, one value from each list of ``cross`` and one entry
    of ``settings``, whose values go together; those that match all fields of an entry of
    ``exclude`` are left out (a list there matches any of its values). ``None`` (``null`` in a file)
    stands for the preset's choice. An option goes to the experiments that read it. ``revisions``
    says by which revision of training, method, net or data set the records were made that the grid
    shows, where not by the current one.

    >>> grid = Grid(cross={"net": ["vgg", "resnet"], "seed": [0, 1]}, exclude=[{"net": "vgg",
    ...     "seed": 1}])
    >>> [(e.net, e.seed) for e in grid.experiments()]
    [('vgg', 0), ('resnet', 0), ('resnet', 1)]
    >>> grid = Grid(settings=[{"method": "bp", "lr": 0.001}, {"method": "al", "lr": 0.002}])
    >>> [(e.method, e.lr) for e in grid.experiments()]
    [('bp', 0.001), ('al', 0.002)]
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    note: str = ""
    fixed: dict[str, Value] = Field(default_factory=dict)
    cross: dict[str, list[Value]] = Field(default_factory=dict)
    settings: list[dict[str, Value]] = Field(default_factory=list, max_length=1000)
    exclude: list[dict[str, Value | list[Value]]] = Field(default_factory=list, max_length=1000)
    layout: Layout = Layout()
    revisions: dict[str, Revision] = Field(default_factory=dict)

    @property
    def combinations(self) -> int:
        """How many runs there are before ``exclude``; none of them is made for that."""
        return math.prod(self._lengths().values())

    def _lengths(self) -> dict[str, int]:
        lists = {name: len(values) for name, values in self.cross.items()}
        return lists | ({"settings": len(self.settings)} if self.settings else {})

    def experiments(self) -> list[Experiment]:
        """All experiments; ``settings``, or the last list of ``cross``, run fastest; each once.

        Raises:
            ExperimentError: a field that does not exist or stands in two places, a value that is
                not allowed, an option that no experiment reads, a list without values, an
                exclusion that matches nothing, no experiment at all, or more of them than are
                allowed at once.
        """
        self._check_names()
        check_count(self._lengths())
        entries = [_sets(entry) for entry in self.exclude]
        used = [False] * len(entries)
        chosen: list[dict[str, Value]] = []
        crossed = [
            dict(zip(self.cross, values, strict=True))
            for values in itertools.product(*self.cross.values())
        ]
        for values, setting in itertools.product(crossed, self.settings or [{}]):
            choices = self.fixed | values | setting
            matches = [_matches(entry, choices) for entry in entries]
            used = [a or b for a, b in zip(used, matches, strict=True)]
            if not any(matches):
                chosen.append(choices)
        for entry, did in zip(self.exclude, used, strict=True):
            if not did:
                raise ExperimentError(f"exclude: no run has {_text(entry)}")
        if not chosen:
            raise ExperimentError("exclude leaves no run: take out one of its entries")
        return list({repr(e): e for e in experiments_of(chosen)}.values())

    def _check_names(self) -> None:
        parts = ("training", *REGISTRIES)
        for name in self.revisions:
            if name not in parts:
                raise ExperimentError(f"revisions: {shown(name)} is none of {', '.join(parts)}")
        places: list[tuple[str, Iterable[str]]] = [("fixed", self.fixed), ("cross", self.cross)]
        places += [("settings", entry) for entry in self.settings]
        places += [("exclude", entry) for entry in self.exclude]
        places.append(("layout", (self.layout.rows, self.layout.columns)))
        for place, names in places:
            for name in names:
                if name not in PARAMETERS:
                    hint = closest(name, PARAMETERS) or f": the fields are {', '.join(PARAMETERS)}"
                    raise ExperimentError(f"{place}: there is no field {shown(name)}{hint}")
        for name, values in self.cross.items():
            if name in self.fixed:
                raise ExperimentError(f"{name} stands in fixed and in cross: leave it in one")
            if not values:
                raise ExperimentError(f"cross: {name} has no values: give at least one")
            if len({(type(value), value) for value in values}) < len(values):
                raise ExperimentError(f"cross: {name} has a value twice: {shown(values)}")
        for setting in self.settings:
            for name in setting:
                if name in self.fixed or name in self.cross:
                    place = "fixed" if name in self.fixed else "cross"
                    raise ExperimentError(
                        f"{name} stands in {place} and in settings: leave it in one"
                    )
        for entry in self.exclude:
            if not entry:
                raise ExperimentError("exclude: an entry without fields would leave no run")


def records_of(grid: Grid, records: Iterable[Record]) -> list[Record]:
    """Those of ``records`` that are of the grid's runs and revisions, in its order.

    Raises:
        RecordError: several records fit one run.
    """
    return matching(grid.experiments(), records, grid.revisions)


def planned(grid: Grid, experiments: Sequence[Experiment]) -> Grid:
    """The grid with what its planned ``experiments`` have in common: precision and ``data_id``.

    Its records can then be found on another machine.
    """
    fixed = dict(grid.fixed)
    for name in ("precision", "data_id"):
        values = {getattr(e, name) for e in experiments}
        if len(values) == 1 and None not in values and name not in grid.cross:
            fixed[name] = values.pop()
    return grid.model_copy(update={"fixed": fixed})


def text_of(grid: Grid) -> str:
    """The grid as a file."""
    content = grid.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _sets(entry: Mapping[str, Any]) -> dict[str, frozenset[Any]]:
    """The values that each field of an exclusion matches."""
    return {n: frozenset(v if isinstance(v, list) else [v]) for n, v in entry.items()}


def _matches(entry: Mapping[str, frozenset[Any]], chosen: Mapping[str, Any]) -> bool:
    return all(name in chosen and chosen[name] in values for name, values in entry.items())


def _text(entry: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {shown(value)}" for name, value in entry.items())


def read(path: Path) -> Grid:
    """Read a grid file (YAML, or JSON) and check all of its experiments.

    Raises:
        ExperimentError: it cannot be read, or describes something that is not allowed; one sentence
            that names the file and the culprit.
    """
    return read_all([path])[0][0]


def read_all(paths: Sequence[Path]) -> list[tuple[Grid, list[Experiment]]]:
    """`read` for each of them, with its experiments; they are counted before any is made.

    Raises:
        ExperimentError: as `read`, or together they have more runs than are allowed at once.
    """
    grids = [_parsed(path) for path in paths]
    check_count({str(p): g.combinations for p, g in zip(paths, grids, strict=True)}, " + ")
    made = []
    for path, described in zip(paths, grids, strict=True):
        with _named(path):
            made.append((described, described.experiments()))
    return made


def _parsed(path: Path) -> Grid:
    try:
        text = read_text(path, MEGABYTE)
    except ReadError as error:
        raise ExperimentError(f"grid: {error}") from error
    with _named(path):
        try:
            content = load(text)
        except yaml.YAMLError as error:
            why = " ".join(str(error).replace('"<unicode string>", ', "").split())
            raise ExperimentError(f"it is not YAML as grids have it: {why[:_WORDS]}") from error
        if not isinstance(content, dict):
            raise ExperimentError(
                f"it holds {type(content).__name__} where fixed, cross and exclude are expected"
            )
        try:
            grid = Grid.model_validate(content)
        except ValidationError as error:
            raise ExperimentError(_sentence(error)) from None
        grid._check_names()
        check_count(grid._lengths())
    return grid


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors in the block say which grid they are of."""
    try:
        yield
    except ExperimentError as error:
        raise ExperimentError(f"grid {path}: {error}") from error.__cause__


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][:2])
    if first["type"] == "extra_forbidden":
        names = Grid.model_fields if len(first["loc"]) == 1 else Layout.model_fields
        hint = closest(str(first["loc"][-1]), names) or f": one of {', '.join(names)}"
        return f"there is no entry {shown(place)}{hint}"
    kinds = {"dict_type": "fields with their values", "list_type": "a list"}
    wanted = kinds.get(first["type"], "a single value: text, number, true, false or null")
    if place.startswith(("layout", "revisions")) or first["type"] == "too_long":
        wanted = first["msg"]
    return f"{place[:_WORDS]} = {shown(first['input'])} is not allowed: {wanted}"
