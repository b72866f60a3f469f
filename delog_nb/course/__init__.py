"""The course without its drawings: exercises, claims, the lessons as files."""

from delog_nb.experiment.registry import METHODS

# the methods that the paper compares, and with it the lessons
COMPARED = {name: METHODS[name] for name in ("bp", "early-exit", "al", "delog-scl")}
