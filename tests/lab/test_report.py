"""The comparison page in a real browser without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import chromium
from support.runs import tiny

from delog_nb import train
from delog_nb.experiment.registry import METHODS
from delog_nb.lab.runs.report import page
from delog_nb.records import Record, record_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [
        record_of(train(tiny(method=method, seed=seed, epochs=1)))
        for method in METHODS
        for seed in (0, 1)
    ]


@pytest.fixture
def shown(records: list[Record], tmp_path: Path) -> Iterator[tuple[Any, list[str], list[str]]]:
    path = tmp_path / "report.html"
    path.write_text(page(records, "delog-nb compare <all>"), encoding="utf-8")
    requests: list[str] = []
    problems: list[str] = []
    with chromium(offline=True) as tab:
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("console", lambda message: problems.append(message.text))
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.goto(path.as_uri())
        tab.wait_for_selector(".js-plotly-plot .main-svg")
        yield tab, requests, problems


def test_the_page_opens_alone(shown: tuple[Any, list[str], list[str]]) -> None:
    tab, requests, problems = shown
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert problems == []
    assert tab.locator(".js-plotly-plot").count() == 2
    assert tab.locator("h1").inner_text() == f"One network, trained {len(METHODS)} ways"
    assert "<all>" in tab.locator("code").inner_text()  # escaped


def test_the_page_shows_every_methods_figures(
    shown: tuple[Any, list[str], list[str]], records: list[Record]
) -> None:
    tab, _, _ = shown
    rows = tab.locator("table").first.locator("tbody tr").all_inner_texts()
    assert len(rows) == len(METHODS)
    for row, (name, entry) in zip(rows, METHODS.items(), strict=True):
        results = next(r.results for r in records if r.experiment.method == name)
        assert entry.label in row
        assert f"{results['train_params']:,}" in row
    labels = [entry.label for entry in METHODS.values()]
    assert tab.locator(".legendtext").all_text_contents() == 2 * labels  # curves, costs
    tab.locator("summary").first.click()
    tab.get_by_role("cell", name="1", exact=True).first.wait_for(state="visible")
