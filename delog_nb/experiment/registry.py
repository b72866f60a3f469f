"""The names that a run can choose from, and what each of them declares.

Methods, nets and data sets declare themselves in their files, by the decorators `delog_nb.method`,
`delog_nb.net` and `delog_nb.dataset`. ``declared.json`` repeats what the package's own files say,
so that the command line can show its help without importing them;
``python -m delog_nb.methods.table`` writes it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from delog_nb.experiment import plugins
from delog_nb.experiment.counts import Counts
from delog_nb.experiment.entries import DatasetEntry, Entry, MethodEntry, NetEntry, checked
from delog_nb.experiment.fields import Option
from delog_nb.experiment.plugins import Plugin
from delog_nb.instruments.errors import ExperimentError

TABLE = Path(__file__).with_name("declared.json")


Kind = TypeVar("Kind", bound=Entry)


class Registry(Mapping[str, Kind], Generic[Kind]):
    """Entries by name: the package's own in the order of the table, then those of plug-ins."""

    def __init__(self, noun: str, group: str, kind: type[Kind]) -> None:
        self.noun, self.group, self.kind = noun, group, kind
        self._entries: dict[str, Kind] = {}

    def __getitem__(self, name: str) -> Kind:
        if name not in self:
            raise KeyError(name)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        if isinstance(name, str) and name not in self._entries:
            plugins.import_packages()
        return isinstance(name, str) and name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def own(self) -> tuple[str, ...]:
        """The names of the package's own."""
        return tuple(name for name, entry in self._entries.items() if entry.plugin is None)

    def place(self, name: str) -> int:
        """Where ``name`` comes in tables; what nobody declares here comes last."""
        return [*self._entries, name].index(name)

    def label(self, name: str) -> str:
        """The label of ``name``, or the name itself where nobody declares it here."""
        return self._entries[name].label if name in self._entries else name

    def loaded(self, name: str) -> Kind:
        """The entry of ``name`` with what makes it."""
        entry = self[name]
        if entry.make is None:
            import_module(entry.module)
            entry = self[name]
        return entry

    def add(self, entry: Kind) -> None:
        """Register ``entry``; a plug-in's replaces an earlier one of its name.

        Raises:
            ExperimentError: what is declared is of another type, the name cannot be one, or is one
                of the package's own, or an option is declared otherwise elsewhere.
        """
        entry = checked(entry, self.noun)
        options = tuple(replace(option, group=self.group) for option in entry.options)
        entry = replace(entry, options=options)
        if plugins.collect(entry):
            return
        self.check(entry)
        self._entries[entry.name] = entry

    def check(self, entry: Kind) -> None:
        """Refuse what cannot be registered, as `add` does."""
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry.name):
            raise ExperimentError(
                f"{self.noun} name {entry.name!r} is not allowed: small letters, digits and -"
            )
        if entry.plugin and entry.name in self.own:
            raise ExperimentError(
                f"{self.noun} {entry.name!r} is one of the package's own: take another name"
            )
        for option in entry.options:
            for owner, other in declared_options():
                if owner == entry.name or other.name != option.name:
                    continue
                if other != option:
                    raise ExperimentError(
                        f"option {option.name!r} of {self.noun} {entry.name} is declared otherwise "
                        f"by {owner or 'every run'}: take another name, or the same Option"
                    )


METHODS: Registry[MethodEntry] = Registry("method", "method", MethodEntry)
NETS: Registry[NetEntry] = Registry("net", "network", NetEntry)
DATASETS: Registry[DatasetEntry] = Registry("dataset", "data", DatasetEntry)
REGISTRIES: dict[str, Registry[Any]] = {"method": METHODS, "net": NETS, "dataset": DATASETS}


def end_to_end() -> str:
    """The method that others are compared with: one component, and no choice beside the run's."""
    return next(n for n, m in METHODS.items() if m.components.high == 1 and not m.options)


FIELDS: dict[str, Option] = {}  # of every run; `delog_nb.experiment.schema` fills it


def declared_options() -> Iterator[tuple[str, Option]]:
    """(who declares it, option); those of every run have an empty name."""
    for option in FIELDS.values():
        yield "", option
    for registry in REGISTRIES.values():
        for name, entry in registry.items():
            for option in entry.options:
                yield name, option


class _Parameters(Mapping[str, Option]):
    """Every choice that a run here can have: its fields and all options, group by group."""

    def _all(self) -> dict[str, Option]:
        groups: dict[str, dict[str, Option]] = {}
        for _, option in declared_options():
            groups.setdefault(option.group, {})[option.name] = option
        merged = {name: o for group in groups.values() for name, o in group.items()}
        for name, registry in REGISTRIES.items():
            merged[name] = replace(merged[name], choices=tuple(registry))
        depth = merged["depth"]
        depths = {name: net.depth for name, net in NETS.items() if net.depth != depth.default}
        merged["depth"] = replace(depth, by_net=depths)
        return merged

    def __getitem__(self, name: str) -> Option:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def items(self) -> Any:
        return self._all().items()

    def values(self) -> Any:
        return self._all().values()


PARAMETERS = _Parameters()


def use(plugin: Plugin) -> None:
    """Register what ``plugin`` declares.

    Raises:
        ExperimentError: it does not run, declares nothing, or what cannot be registered.
    """
    if plugin.package:
        plugins.import_packages()
        import_module(plugin.name)
        return
    kinds = {registry.kind: registry for registry in REGISTRIES.values()}
    for entry in plugins.entries_of(plugin):
        kinds[type(entry)].add(entry)


def _read_table() -> None:
    def tuples(value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    declared = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    for noun, entries in declared.items():
        registry = REGISTRIES[noun]
        for data in entries:
            values = {name: tuples(value) for name, value in data.items()}
            values["options"] = tuple(Option(**option) for option in data.get("options", ()))
            if "components" in values:
                values["components"] = Counts(*values["components"])
            registry._entries[values["name"]] = registry.kind(**values)


_read_table()
