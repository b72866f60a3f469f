"""`Experiment`: every choice of a run, and the names that it can choose from."""

from delog_nb.experiment.schema import PARAMETERS, Experiment, ExperimentError, Parameter, closest

__all__ = ["PARAMETERS", "Experiment", "ExperimentError", "Parameter", "closest"]
