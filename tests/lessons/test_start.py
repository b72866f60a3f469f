"""The start page: what it says of the recorded runs is so."""

from __future__ import annotations

from statistics import mean

import pytest

from delog_nb import data, lab
from delog_nb.measure.paths import Paths, every_cut


def test_what_the_cuts_cost_is_what_the_text_says() -> None:
    """After 150 epochs BP is about two points ahead; three seeds each."""
    last: dict[str, list[float]] = {"bp": [], "delog-scl": []}
    for run in lab.evidence()["long"]:
        if run.experiment.method in last and run.experiment.norm == "none":
            assert run.history[-1]["epoch"] == 150
            last[run.experiment.method].append(100 * run.results["test_acc"])
    assert {len(seeds) for seeds in last.values()} == {3}
    bp, cut = (mean(seeds) for seeds in last.values())
    assert 1.5 < bp - cut < 2.5


def kept(cut: Paths) -> list[int]:
    """Bytes that each component keeps; components learn one after another."""
    found = []
    for own in cut.components:
        names = [cut.layers[number - 1].name for number in own]
        losses = [loss for loss in cut.losses if loss.layer in own]
        names += [loss.name for loss in losses] + [m.name for x in losses for m in x.modules]
        found.append(sum(cut.kept.get(name, 0) for name in names))
    return found


def test_the_bar_is_shortest_where_the_answer_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DELOG_NB_PRESET", raising=False)  # the page's own size
    run = lab.experiment(method="delog-scl")
    bars = {cut: max(kept(found)) for cut, found in every_cut(run, data.load(run)).items()}
    assert min(bars.values()) == bars["1100"] == bars["1111"] < bars["0111"]
    one = {cut: bar for cut, bar in bars.items() if cut.count("1") == 1}
    assert min(one, key=lambda cut: one[cut]) == "0100"
    assert min(bars.values()) < 0.7 * one["0100"]
    assert 0.98 * bars["0000"] < bars["0001"] < bars["0000"]
