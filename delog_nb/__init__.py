"""delog_nb: training without end-to-end backpropagation, to learn and to do.

>>> import delog_nb
>>> run = delog_nb.train(delog_nb.Experiment(preset="quick", method="delog-scl"))
>>> len(run.history)
2
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["Experiment", "ExperimentError", "Run", "data", "losses", "methods", "nets", "train"]

if TYPE_CHECKING:
    from delog_nb import data, losses, methods, nets
    from delog_nb.config import Experiment, ExperimentError
    from delog_nb.training import Run, train

_WHERE = {
    "Experiment": "delog_nb.config",
    "ExperimentError": "delog_nb.config",
    "Run": "delog_nb.training",
    "train": "delog_nb.training",
}


def __getattr__(name: str) -> Any:
    """Import on first use: the command line answers before torch is loaded."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    if name in __all__:
        return import_module(f"delog_nb.{name}")
    raise AttributeError(f"module 'delog_nb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
