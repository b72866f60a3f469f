"""Debian's chromium for the tests that open a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def path_of_chromium() -> str:
    """Skips the test where there is no chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not installed")
    return path


@contextmanager
def chromium(offline: bool = False, width: int = 1300, height: int = 900) -> Iterator[Page]:
    """A tab of a fresh browser; the test is skipped where there is no chromium."""
    path = path_of_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_QUIET)
        tab = browser.new_context(
            offline=offline, viewport={"width": width, "height": height}
        ).new_page()
        try:
            yield tab
        finally:
            browser.close()
