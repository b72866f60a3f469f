"""The table of what the package's own methods, nets and data sets declare.

``python -m delog_nb.methods.table`` writes it from their files; it is read where nothing is
trained, since those files import torch.
"""

import json
import pkgutil
from importlib import import_module
from typing import Any

from delog_nb.experiment.entries import Entry
from delog_nb.experiment.registry import REGISTRIES, TABLE

ROOMS = ("delog_nb.methods", "delog_nb.nets", "delog_nb.data.sources")


def import_own() -> None:
    """Import every file of the package that declares something."""
    for room in ROOMS:
        for module in pkgutil.iter_modules(import_module(room).__path__):
            import_module(f"{room}.{module.name}")


def _data(entry: Entry) -> dict[str, Any]:
    """What ``entry`` declares, as plain data: only what is not as usual."""
    usual = type(entry)("", "")
    found: dict[str, Any] = {}
    for name in vars(entry):
        value = getattr(entry, name)
        if name == "options":
            value = [option.data() for option in value]
        if name not in ("make", "plugin") and value not in (getattr(usual, name), [], {}):
            found[name] = value
    return found


def table() -> dict[str, list[dict[str, Any]]]:
    """What the package's own declare, as ``declared.json`` has it."""
    declared = {
        noun: [_data(registry[name]) for name in registry.own]
        for noun, registry in REGISTRIES.items()
    }
    plain: dict[str, list[dict[str, Any]]] = json.loads(json.dumps(declared))
    return plain


def write_table() -> None:
    """Write the table anew; names keep their order, new ones come last."""
    for registry in REGISTRIES.values():
        for name in registry.own:  # an option that several share may be another than in the table
            registry.add(registry.kind(name, ""))
    import_own()
    text = json.dumps(table(), indent=1, ensure_ascii=False)
    TABLE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_table()
    print(", ".join(name for kind in REGISTRIES.values() for name in kind.own))  # noqa: T201
