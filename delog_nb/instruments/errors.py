"""The errors that this package raises on purpose: each is one sentence for whoever caused it."""

_BEGIN, _END = 1000, 400  # characters of a sentence that is too long


def printable(text: str) -> str:
    """``text`` in one line, without what a terminal would obey: names of files may be anything.

    >>> printable("a\\nb\\x1b[31m")
    'a\\\\nb\\\\x1b[31m'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class DelogError(Exception):
    """Base of all of them. Whatever else comes out of the package is a fault of the package.

    It reads as one line of bounded length, whatever stands in the names and values in it.
    """

    def __str__(self) -> str:
        text = super().__str__()
        if len(text) > _BEGIN + _END:
            text = f"{text[:_BEGIN]} ... {text[-_END:]}"
        return printable(text)


class ExperimentError(DelogError, ValueError):
    """A choice that an `Experiment` cannot have, or that does not work on this machine."""


class RecordError(DelogError, ValueError):
    """A file of a run that cannot be read, or that does not hold what was asked for."""


class ReadError(DelogError, OSError):
    """A file that is not there, cannot be read, or is not what it should be."""


class WriteError(DelogError, OSError):
    """A file or folder that cannot be written."""
