"""How many components a method can have."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import Field

_TERM = r"(H|\d{1,6}|[a-z][a-z0-9_]*)"
_Count: TypeAlias = (
    Annotated[int, Field(ge=1, le=2**31)]
    | Annotated[str, Field(pattern=rf"^{_TERM}( [+-] {_TERM})?$", max_length=100)]
)


class Counts(NamedTuple):
    """From how many components to how many a method can have, and by default.

    Each is a number or a sum of two terms: a number, ``H`` for the hidden blocks (or layers), or an
    option of the method. ``why`` says why there are no others.

    >>> Counts(1, "H - skipped", "H - skipped").at(8, {"skipped": 2})
    (1, 6, 6)
    """

    low: _Count = 1
    high: _Count = "H + 1"
    default: _Count = "H + 1"
    why: str = ""

    def options(self) -> set[str]:
        """The options that are terms of it."""
        words = {word for count in self[:3] for word in str(count).split()}
        return {word for word in words if word[0].islower()}

    def at(self, hidden: int, options: Mapping[str, Any]) -> tuple[int, int, int]:
        """(low, high, default) for ``hidden`` blocks and the run's ``options``; each at least 1."""
        values = {"H": hidden, **options}

        def number(count: int | str) -> int:
            words = str(count).split()
            first, second = (int(values.get(w, w)) for w in (words[0], (words[2:] or ["0"])[0]))
            return max(1, first - second if "-" in words else first + second)

        return number(self.low), number(self.high), number(self.default)
