"""`Experiment`: every choice of a run, and the names that it can choose from."""

from delog_nb.experiment.errors import DelogError, ExperimentError, RecordError, WriteError
from delog_nb.experiment.fields import Parameter, closest
from delog_nb.experiment.flags import flags_of
from delog_nb.experiment.schema import PARAMETERS, Experiment

__all__ = [
    "PARAMETERS",
    "DelogError",
    "Experiment",
    "ExperimentError",
    "Parameter",
    "RecordError",
    "WriteError",
    "closest",
    "flags_of",
]
