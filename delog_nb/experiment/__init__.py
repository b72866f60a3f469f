"""`Experiment`: every choice of a run, and the names that it can choose from."""

from delog_nb.experiment.fields import Option, closest
from delog_nb.experiment.flags import flags_of
from delog_nb.experiment.registry import PARAMETERS
from delog_nb.experiment.schema import Experiment, experiments_of
from delog_nb.instruments.errors import (
    DelogError,
    ExperimentError,
    ReadError,
    RecordError,
    WriteError,
)

__all__ = [
    "PARAMETERS",
    "DelogError",
    "Experiment",
    "ExperimentError",
    "Option",
    "ReadError",
    "RecordError",
    "WriteError",
    "closest",
    "experiments_of",
    "flags_of",
]
