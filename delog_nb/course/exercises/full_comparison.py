"""Exercises of lesson 10, The full comparison."""

from __future__ import annotations

from random import Random

from delog_nb.course.assessing import UNTESTED, VERDICTS, verdict_of
from delog_nb.course.exercises import Question, exercise, many
from delog_nb.course.paired import interval
from delog_nb.course.replies import ANYTHING, NUMBER_OR_NONE, NUMBERS, shown


def _gaps(rng: Random) -> list[Question]:
    return [
        ([5.0], 0.0),
        ([9.0, 9.1, 8.9], 10.0),
        ([-3.0, 3.1, 0.2], 0.0),
        ([4.0, 4.1, 4.2], 0.0),
        ([0.1, 0.2, 0.3], 0.0),
        ([2.1, 2.0, 2.3, 2.2], 2.0),
        *(
            ([rng.gauss(mean, spread) for _ in range(rng.randint(2, 6))], above)
            for mean in (-9, -1, 0, 1, 9)
            for above, spread in ((0.0, 1.0), (2.0, 1.0), (mean, 0.2))
        ),
    ]


@exercise("claim-verdict", _gaps, wants=ANYTHING)
def claim_verdict(found: str, gaps: list[float], above: float) -> str | None:
    """The verdict from gaps by seed, in points, what the claim says, and a margin of one point."""
    allowed = [verdict for verdict in VERDICTS if verdict != UNTESTED]
    low, high = interval(gaps)
    text = f"[{', '.join(f'{gap:.1f}' for gap in gaps)}]"
    if found not in allowed:
        return f"return one of {', '.join(map(repr, allowed))}: it returned {shown(found)}"
    shifts = (-0.005, 0.0, 0.005)  # where rounding may decide, either is right
    if found in {verdict_of(low + a, high + b, above, 1.0) for a in shifts for b in shifts}:
        return None
    if len(gaps) < 2:
        return f"one seed has no spread, so nothing is decided: it says {found!r} for {text}"
    return (
        f"for the gaps {text}, said to be above {above:g}, it says {found!r} where the interval "
        f"is {low:.2f} to {high:.2f}"
    )


def _p_values(rng: Random) -> Question:
    return ([rng.random() ** 3 for _ in range(rng.randint(1, 7))],)


@exercise(
    "holm-correction",
    many(20, _p_values, after=[([0.03, 0.01, 0.04],), ([0.5, 0.6],), ([0.02],)]),
    wants=NUMBERS,
)
def holm_correction(found: list[float], given: list[float]) -> str | None:
    """Holm's correction of p-values, in their own order."""
    text = f"[{', '.join(f'{p:.3f}' for p in given)}]"
    if len(found) != len(given):
        return f"{len(given)} p-values went in and {len(found)} came out"
    if any(p > 1 for p in found):
        return f"for {text} it returns {max(found):.2f}: a p-value is at most 1"
    # the definition: of all hypotheses not above this one in p, the largest raised p
    for p, raised in zip(given, found, strict=True):
        below = sorted(q for q in given if q <= p)
        wanted = min(1.0, max(q * (len(given) - k) for k, q in enumerate(below)))
        if not abs(raised - wanted) <= 1e-9:
            return (
                f"of {text}, {p:.3f} becomes {wanted:.3f}, not {raised:.3f}: multiply the "
                f"smallest by {len(given)}, the next by one less, and never go down again"
            )
    return None


def _curves(rng: Random) -> Question:
    epochs = rng.randint(1, 8)
    return tuple([float(rng.randint(0, 4)) for _ in range(epochs)] for _ in range(2))


_TOLD_APART = [
    ([1.0, 2.0, 3.0], [2.0, 2.5, 2.0]),
    ([3.0, 1.0, 1.0], [2.0, 2.0, 2.0]),
    ([3.0, 1.0, 3.0], [2.0, 2.0, 2.0]),
    ([3.0, 3.0], [2.0, 2.0]),
]


@exercise("overtaking", many(20, _curves, after=_TOLD_APART), wants=NUMBER_OR_NONE)
def overtaking(found: float | None, chaser: list[float], leader: list[float]) -> str | None:
    """The first epoch from which one curve stays above the other."""
    above = [a > b for a, b in zip(chaser, leader, strict=True)]
    wanted = next((k + 1 for k in range(len(above)) if all(above[k:])), None)
    if found == wanted:
        return None
    return f"for chaser {chaser} and leader {leader} it says {found!r}: " + (
        f"from epoch {wanted} on the chaser stays above"
        if wanted
        else "at the end the chaser is not above, so it is None"
    )
