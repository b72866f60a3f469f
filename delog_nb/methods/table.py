"""The table of what the package's own methods, nets and data sets declare.

``python -m delog_nb.methods.table`` writes it from their files; it is read where nothing is
trained, since those files import torch.
"""

import json
import pkgutil
from importlib import import_module

from delog_nb.experiment.registry import REGISTRIES, TABLE, table

ROOMS = ("delog_nb.methods", "delog_nb.nets", "delog_nb.data.sources")


def import_own() -> None:
    """Import every file of the package that declares something."""
    for room in ROOMS:
        for module in pkgutil.iter_modules(import_module(room).__path__):
            import_module(f"{room}.{module.name}")


def write_table() -> None:
    """Write the table anew; names keep their order, new ones come last."""
    import_own()
    text = json.dumps(table(), indent=1, ensure_ascii=False)
    TABLE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_table()
    print(", ".join(name for kind in REGISTRIES.values() for name in kind.own))  # noqa: T201
