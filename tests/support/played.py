"""Figures that one plays with, on a page of their own: no kernel, no network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page

from delog_nb.lab.charts.exhibit import Exhibit

DARK = "body { background: #111; color: #e6e6e6; }"


@contextmanager
def watched(page: Page) -> Iterator[Page]:
    """Fails if the page has an error, or asks anything of the network."""
    problems: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda made: asked.append(made.url))
    yield page
    assert problems == []
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []


def opened(page: Page, shown: Exhibit, folder: Path, theme: str = "light") -> Page:
    """Open the exhibit's page in ``page``."""
    page.goto(shown.save(folder / "figure.html").as_uri())
    page.get_by_role("status").wait_for()
    if theme == "dark":
        page.add_style_tag(content=DARK)
    return page


def at(page: Page, key: str) -> Locator:
    return page.locator(f'[data-key="{key}"]')


def status(page: Page) -> str:
    return page.get_by_role("status").inner_text()


def focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.dataset.key ?? ''")
    return found
