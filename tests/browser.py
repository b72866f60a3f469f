"""Debian's chromium for the tests that open a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def path_of_chromium() -> str:
    """Skips the test where there is no chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not installed")
    return path


@contextmanager
def started_chromium() -> Iterator[Browser]:
    """A fresh browser; the test is skipped where there is no chromium."""
    path = path_of_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_QUIET)
        try:
            yield browser
        finally:
            browser.close()


def new_tab(browser: Browser, offline: bool = False, width: int = 1300, height: int = 900) -> Page:
    """A tab with cookies, storage and cache of its own."""
    size: Any = {"width": width, "height": height}
    return browser.new_context(offline=offline, viewport=size).new_page()


@contextmanager
def chromium(offline: bool = False, width: int = 1300, height: int = 900) -> Iterator[Page]:
    """A tab of a fresh browser."""
    with started_chromium() as browser:
        yield new_tab(browser, offline, width, height)
