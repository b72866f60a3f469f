"""Every page of the site in a real browser: whole, in both themes, narrow, and accessible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from delog_site.links import Links
from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.long]

LINKS = Links(Path(__file__).resolve().parents[2])
PAGES = ["index", "search", "reference", "exercises", *sorted(set(LINKS.pages.values()))]
LESSONS = [path.stem for path in LINKS.lessons()]
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# What can be clicked and has no way for the keyboard. Escape does what the overlays do.
UNREACHABLE = """() => [...document.querySelectorAll("body *:not(.overlay)")].filter((element) =>
  getComputedStyle(element).cursor === "pointer" && element.checkVisibility()
  && !element.closest("a[href], button, input, select, summary, label:has(input), [tabindex]")
).map((element) => element.outerHTML.slice(0, 120))"""


def opened(tab: Page, address: str, name: str) -> None:
    """The page with its formulas typeset, what came out unfolded, and every figure drawn."""
    tab.goto(f"{address}/{name}.html")
    tab.evaluate("document.querySelectorAll('.answered').forEach((box) => { box.open = true; })")
    tab.evaluate("async () => { await window.MathJax?.startup?.promise; }")
    for box in tab.locator(".figure, .played").all():
        box.scroll_into_view_if_needed()
        tab.wait_for_function("box => box.dataset.drawn", arg=box.element_handle())


def violations(tab: Page) -> list[tuple[str, str]]:
    """What axe-core finds against WCAG A and AA: rules and elements. Drawings are told in words."""
    reason = "axe-playwright-python brings axe-core, without which nobody looks"
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=reason).Axe()
    where = {"exclude": [[".drawing"]]}
    found: dict[str, Any] = axe.run(tab, context=where, options={"runOnly": LEVELS}).response
    return [(v["id"], node["html"][:200]) for v in found["violations"] for node in v["nodes"][:3]]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_accessible(tab: Page, address: str, name: str) -> None:
    opened(tab, address, name)
    figures = tab.locator(".figure, .played").count()
    assert tab.locator("[data-drawn]").count() == figures
    assert tab.locator(".figure").count() == tab.locator(".figure svg.main-svg:first-child").count()
    assert tab.locator("mjx-container").count() == tab.locator(".math").count()
    assert tab.locator("mjx-merror").count() == 0
    shown = tab.locator("article").inner_text()
    assert "\\frac" not in shown
    assert "$$" not in shown
    assert tab.evaluate(UNREACHABLE) == []
    assert violations(tab) == []
    tab.evaluate(
        "document.querySelectorAll('details').forEach((folded) => { folded.open = true; })"
    )
    tab.emulate_media(color_scheme="dark")
    tab.set_viewport_size({"width": 390, "height": 800})
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not tab.evaluate(wide)
    assert tab.evaluate(UNREACHABLE) == []
    assert violations(tab) == []


@pytest.mark.parametrize("name", LESSONS)
def test_every_figure_has_its_sentence_and_table(tab: Page, address: str, name: str) -> None:
    tab.goto(f"{address}/{name}.html")
    boxes = tab.locator(".figure, .played")
    for box in boxes.all():
        assert len(box.get_attribute("aria-label")) > 10
        # the next element, within menus the next but one, has the sentence and the folded table
        table = "box => box.nextElementSibling.querySelector('table, details table') !== null"
        assert box.evaluate(table), box.get_attribute("aria-label")


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_light_until_figures_are_seen(tab: Page, address: str, name: str) -> None:
    sizes: dict[str, int] = {}
    tab.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}))
    tab.goto(f"{address}/{name}.html?fresh", wait_until="networkidle")
    before = {u: n for u, n in sizes.items() if "plotly" not in u and "/figures/" not in u}
    assert f"{address}/{name}.html?fresh" in before
    assert sum(before.values()) < 2e6
