"""delog_nb: training without end-to-end backpropagation, to learn and to do.

>>> import delog_nb
>>> run = delog_nb.train(delog_nb.Experiment(preset="quick", method="delog-scl"))
>>> len(run.history)
2
"""

from typing import TYPE_CHECKING

from delog_nb.instruments.lazy import lazy

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Component",
    "DelogError",
    "Experiment",
    "ExperimentError",
    "Method",
    "Objective",
    "Option",
    "Parts",
    "Run",
    "check_method",
    "data",
    "dataset",
    "lab",
    "load_run",
    "losses",
    "method",
    "methods",
    "net",
    "nets",
    "train",
]

if TYPE_CHECKING:
    from delog_nb import data, lab, losses, methods, nets
    from delog_nb.components import Batch, Component, Method, Objective, method
    from delog_nb.data import dataset
    from delog_nb.experiment import DelogError, Experiment, ExperimentError, Option
    from delog_nb.measure.checking import check_method
    from delog_nb.nets import Parts, net
    from delog_nb.records import load_run
    from delog_nb.training import Run, train

_WHERE = {
    "delog_nb.data": ("dataset",),
    "delog_nb.experiment": ("DelogError", "Experiment", "ExperimentError", "Option"),
    "delog_nb.measure.checking": ("check_method",),
    "delog_nb.components": ("Batch", "Component", "Method", "Objective", "method"),
    "delog_nb.nets": ("Parts", "net"),
    "delog_nb.records": ("load_run",),
    "delog_nb.training": ("Run", "train"),
}
__getattr__ = lazy(
    __name__,
    {name: module for module, names in _WHERE.items() for name in names}
    | {name: f"{__name__}.{name}" for name in ("data", "lab", "losses", "methods", "nets")},
)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
