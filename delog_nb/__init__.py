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
    "DelogError",
    "Experiment",
    "ExperimentError",
    "Run",
    "data",
    "lab",
    "load_run",
    "losses",
    "methods",
    "nets",
    "train",
]

if TYPE_CHECKING:
    from delog_nb import data, lab, losses, methods, nets
    from delog_nb.experiment import DelogError, Experiment, ExperimentError
    from delog_nb.records import load_run
    from delog_nb.training import Run, train

__getattr__ = lazy(
    __name__,
    {
        "Experiment": "delog_nb.experiment",
        "ExperimentError": "delog_nb.experiment",
        "DelogError": "delog_nb.experiment",
        "Run": "delog_nb.training",
        "load_run": "delog_nb.records",
        "train": "delog_nb.training",
        **{name: f"{__name__}.{name}" for name in ("data", "lab", "losses", "methods", "nets")},
    },
)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
