"""`Experiment`: every choice of a run, and the names that it can choose from."""

from delog_nb.experiment.errors import DelogError, ExperimentError
from delog_nb.experiment.fields import Parameter, closest
from delog_nb.experiment.schema import PARAMETERS, Experiment, flags_of

__all__ = [
    "PARAMETERS",
    "DelogError",
    "Experiment",
    "ExperimentError",
    "Parameter",
    "closest",
    "flags_of",
]
