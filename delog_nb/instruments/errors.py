"""The errors that this package raises on purpose: each is one sentence for whoever caused it."""


class DelogError(Exception):
    """Base of all of them. Whatever else comes out of the package is a fault of the package."""


class ExperimentError(DelogError, ValueError):
    """A choice that an `Experiment` cannot have, or that does not work on this machine."""


class RecordError(DelogError, ValueError):
    """A file of a run that cannot be read, or that does not hold what was asked for."""


class ReadError(DelogError, OSError):
    """A file that is not there, cannot be read, or is not what it should be."""


class WriteError(DelogError, OSError):
    """A file or folder that cannot be written."""
