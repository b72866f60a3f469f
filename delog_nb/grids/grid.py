"""Grids: one file that describes many experiments, and the table or figure they are for."""

import itertools
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from delog_nb.experiment import PARAMETERS, Experiment, ExperimentError, closest, experiments_of
from delog_nb.experiment.registry import REGISTRIES
from delog_nb.records import Record, matching

GRIDS = "grids"  # folder below the runs: the grid files that they were made from

Value = str | int | float | bool | None
# results of a record that a table can show
Result = Literal[
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

    Every experiment takes the ``fixed`` values and one value from each list of ``cross``; those
    that match all fields of an entry of ``exclude`` are left out (a list there matches any of its
    values). ``None`` (``null`` in a file) stands for the preset's choice. An option goes to the
    experiments that read it. ``revisions`` says by which revision of training, method, net or data
    set the records were made that the grid shows, where not by the current one.

    >>> grid = Grid(cross={"net": ["vgg", "resnet"], "seed": [0, 1]}, exclude=[{"net": "vgg",
    ...     "seed": 1}])
    >>> [(e.net, e.seed) for e in grid.experiments()]
    [('vgg', 0), ('resnet', 0), ('resnet', 1)]
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    note: str = ""
    fixed: dict[str, Value] = Field(default_factory=dict)
    cross: dict[str, list[Value]] = Field(default_factory=dict)
    exclude: list[dict[str, Value | list[Value]]] = Field(default_factory=list)
    layout: Layout = Layout()
    revisions: dict[str, int] = Field(default_factory=dict)

    def experiments(self) -> list[Experiment]:
        """All experiments, the last list of ``cross`` running fastest; each once.

        Raises:
            ExperimentError: a field that does not exist or stands in two places, a value that is
                not allowed, an option that no experiment reads, a list without values, an
                exclusion that matches nothing, or no experiment at all.
        """
        self._check_names()
        used = [False] * len(self.exclude)
        chosen: list[dict[str, Value]] = []
        for values in itertools.product(*self.cross.values()):
            choices = self.fixed | dict(zip(self.cross, values, strict=True))
            matches = [_matches(entry, choices) for entry in self.exclude]
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
                raise ExperimentError(f"revisions: {name!r} is none of {', '.join(parts)}")
        places: list[tuple[str, Iterable[str]]] = [("fixed", self.fixed), ("cross", self.cross)]
        places += [("exclude", entry) for entry in self.exclude]
        places.append(("layout", (self.layout.rows, self.layout.columns)))
        for place, names in places:
            for name in names:
                if name not in PARAMETERS:
                    hint = closest(name, PARAMETERS) or f": the fields are {', '.join(PARAMETERS)}"
                    raise ExperimentError(f"{place}: there is no field {name!r}{hint}")
        for name, values in self.cross.items():
            if name in self.fixed:
                raise ExperimentError(f"{name} stands in fixed and in cross: leave it in one")
            if not values:
                raise ExperimentError(f"cross: {name} has no values: give at least one")
            if len(set(map(repr, values))) < len(values):
                raise ExperimentError(f"cross: {name} has a value twice: {values}")
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


def _matches(entry: dict[str, Any], chosen: dict[str, Any]) -> bool:
    def allowed(value: Any) -> list[Any]:
        return value if isinstance(value, list) else [value]

    return all(name in chosen and chosen[name] in allowed(v) for name, v in entry.items())


def _text(entry: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in entry.items())


def read(path: Path) -> Grid:
    """Read a grid file (YAML) and check all of its experiments.

    Raises:
        ExperimentError: it cannot be read, or describes something that is not allowed; one sentence
            that names the file and the culprit.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        if not isinstance(content, dict):
            raise ExperimentError(
                f"it holds {type(content).__name__} where fixed, cross and exclude are expected"
            )
        grid = Grid(**content)
        grid.experiments()
    except OSError as error:
        raise ExperimentError(f"cannot read grid {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ExperimentError(f"grid {path} is not a text in UTF-8") from error
    except yaml.YAMLError as error:
        raise ExperimentError(f"grid {path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ExperimentError(f"grid {path}: {_sentence(error)}") from None
    except ExperimentError as error:
        raise ExperimentError(f"grid {path}: {error}") from None
    return grid


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][:2])
    if first["type"] == "extra_forbidden":
        names = Grid.model_fields if len(first["loc"]) == 1 else Layout.model_fields
        hint = closest(str(first["loc"][-1]), names) or f": one of {', '.join(names)}"
        return f"there is no entry {place!r}{hint}"
    kinds = {"dict_type": "fields with their values", "list_type": "a list"}
    wanted = kinds.get(first["type"], "a single value: text, number, true, false or null")
    if place.startswith("layout"):
        wanted = first["msg"]
    return f"{place} = {first['input']!r} is not allowed: {wanted}"


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: YAML would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.YAMLError(f"{key.value!r} stands twice{key.start_mark}")
            seen.add(key.value)
        return super().construct_mapping(node, deep)
