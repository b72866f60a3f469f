"""How many components a method can have."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Counts(NamedTuple):
    """From how many components to how many a method can have, and by default.

    Each is a number or a sum of two terms: a number, ``H`` for the hidden blocks (or layers), or an
    option of the method. ``why`` says why there are no others.

    >>> Counts(1, "H - skipped", "H - skipped").at(8, {"skipped": 2})
    (1, 6, 6)
    """

    low: int | str = 1
    high: int | str = "H + 1"
    default: int | str = "H + 1"
    why: str = ""

    def at(self, hidden: int, options: Mapping[str, Any]) -> tuple[int, int, int]:
        """(low, high, default) for ``hidden`` blocks and the run's ``options``; each at least 1."""
        values = {"H": hidden, **options}

        def number(count: int | str) -> int:
            words = str(count).split()
            first, second = (int(values.get(w, w)) for w in (words[0], (words[2:] or ["0"])[0]))
            return max(1, first - second if "-" in words else first + second)

        return number(self.low), number(self.high), number(self.default)
