"""The start page: what it says of the recorded runs is so."""

from __future__ import annotations

from statistics import mean

from delog_nb import lab


def test_what_the_cuts_cost_is_what_the_text_says() -> None:
    """At first BP is far ahead, after 150 epochs still by about two points; three seeds each."""
    curves: dict[str, list[list[float]]] = {"bp": [], "delog-scl": []}
    for run in lab.evidence()["long"]:
        if run.experiment.method in curves and run.experiment.norm == "none":
            measured = [row["test_acc"] for row in run.history if row["test_acc"] is not None]
            assert run.history[-1]["epoch"] == 150
            curves[run.experiment.method].append(measured)
    assert {len(seeds) for seeds in curves.values()} == {3}
    bp, cut = ([100 * mean(at) for at in zip(*seeds, strict=True)] for seeds in curves.values())
    assert bp[0] - cut[0] > 8
    assert 1.5 < bp[-1] - cut[-1] < 2.5
