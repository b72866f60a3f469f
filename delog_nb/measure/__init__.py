"""What a run costs: live memory, parameters, the machine it ran on."""

from delog_nb.measure.machine import machine, versions
from delog_nb.measure.memory import LiveBytes

__all__ = ["LiveBytes", "machine", "versions"]
