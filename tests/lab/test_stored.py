"""What cells keep for pages without a kernel, beside what Jupyter shows."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
import torch

from delog_nb import lab
from delog_nb.lab.asks import explore as exploring
from delog_nb.lab.asks import predict as predictions
from delog_nb.lab.asks import stored

SITE = "application/vnd.delog-nb.site+json"


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is displayed where outputs are made to be stored."""
    found: list[Any] = []
    monkeypatch.setenv("DELOG_NB_STORING", "1")
    monkeypatch.setattr(stored, "display", lambda data, **_: found.append(data))
    monkeypatch.setattr(exploring, "display", lambda _: None)
    return found


def draw(base: int, **others: Any) -> lab.Exhibit:
    torch.rand(1)  # as a training would draw
    says = f"{base} {sorted(others.items())}"
    return lab.lines({"": [base / 3, base]}, says, "n", "y")


def menus(found: list[dict[str, Any]]) -> dict[str, Any]:
    (data,) = found
    bundle: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(data[SITE]["gzip"])))
    return bundle


def test_every_combination_is_kept(kept: list[Any]) -> None:
    lab.explore(draw, base=lab.Choice([1, 2, 4], 2), batch_norm=[False, True])
    bundle = menus(kept)
    assert bundle["choices"] == [
        ["base", ["1", "2", "4"], 1, True],
        ["batch norm", ["no", "yes"], 0, False],
    ]
    assert bundle["together"]
    places = [place for place, _ in bundle["figures"]]
    assert places == [[i, j] for i in range(3) for j in range(2)]
    for (i, j), drawn in bundle["figures"]:
        base = (1, 2, 4)[i]
        (trace,) = drawn["figure"]["data"]
        assert trace["y"] == pytest.approx([base / 3, base], rel=1e-5)
        assert f"{base} [('batch_norm', {j == 1})]" in drawn["says"]
        assert "<details>" in drawn["table"]
        assert "template" not in drawn["figure"]["layout"]


def test_of_too_many_combinations_each_choice_is_varied_alone(kept: list[Any]) -> None:
    lab.explore(draw, base=range(1, 12), depth=lab.Choice(range(10), 4))
    bundle = menus(kept)
    assert not bundle["together"]
    places = [tuple(place) for place, _ in bundle["figures"]]
    assert sorted(places) == sorted({(i, 4) for i in range(11)} | {(0, j) for j in range(10)})


def test_random_numbers_below_are_those_of_a_lesson_without_it(kept: list[Any]) -> None:
    torch.manual_seed(0)
    lab.explore(draw, base=[1, 2, 4])
    after = torch.rand(1)
    torch.manual_seed(0)
    draw(1)  # the one that is shown
    assert torch.equal(after, torch.rand(1))
    assert len(kept) == 1


def test_nothing_is_kept_where_a_person_runs_the_lesson(
    kept: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DELOG_NB_STORING")
    lab.explore(draw, base=[1, 2, 4])
    assert kept == []


def test_questions_and_outcomes_say_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    monkeypatch.setattr(predictions, "display", found.append)
    lab.predict("Which (of two)?", ["BP", "AL"])
    lab.outcome("Which (of two)?", "AL")
    asked, came = (one._repr_mimebundle_() for one in found)
    assert asked["text/plain"] == "Which (of two)? (BP / AL)"
    question = {"kind": "predict", "question": "Which (of two)?", "options": ["BP", "AL"]}
    assert asked[SITE] == question
    assert came[SITE] == {"kind": "outcome", "question": "Which (of two)?", "answer": "AL"}
    assert came["text/html"].startswith("<details>")
