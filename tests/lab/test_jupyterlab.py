"""Lessons and the lab in a real JupyterLab, in a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, Request
from support.browser import chromium
from support.jupyter_server import jupyterlab, open_notebook, run_all

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LESSONS = sorted(path.name for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))

pytestmark = pytest.mark.browser


LAB = (
    "from delog_nb import lab\n"
    "bench = lab.Lab(preset='quick', epochs=300, precision='float32')\n"
    "bench",
    "print(len(bench.records), bench.bench.running, bench.bench.form.experiment.method)",
)


def notebook(*cells: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, folder / "notebooks")
    nbformat.write(notebook(*LAB), folder / "notebooks" / "lab.ipynb")
    nbformat.write(notebook("1", "1 / 0", "2"), folder / "notebooks" / "wrong.ipynb")
    with jupyterlab(folder / "notebooks", folder / "home") as found:
        yield found


@pytest.fixture(scope="module")
def lab_tab(address: str) -> Iterator[Page]:
    with chromium(height=1400) as page:
        page.goto(f"{address}?reset")
        page.wait_for_function("window.jupyterapp")
        yield page


@pytest.fixture
def tab(lab_tab: Page, address: str) -> Iterator[Page]:
    outside: list[str] = []
    home = address.removesuffix("/lab")

    def note(request: Request) -> None:
        if not request.url.startswith((home, home.replace("http", "ws"), "data:", "blob:")):
            outside.append(request.url)

    lab_tab.on("request", note)
    yield lab_tab
    lab_tab.remove_listener("request", note)
    assert outside == []  # nothing leaves the machine


def test_an_error_is_noticed(tab: Page) -> None:
    """The check that all others rest on."""
    open_notebook(tab, "wrong.ipynb")
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_all(tab, timeout_s=60)


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_runs_and_draws_in_jupyterlab(name: str, tab: Page) -> None:
    open_notebook(tab, name)
    run_all(tab, timeout_s=240)
    # stored images are replaced by live figures, every one of them drawn
    figures = tab.locator(".jp-OutputArea-output .js-plotly-plot")
    assert figures.filter(has=tab.locator(".main-svg")).count() == figures.count()
    assert tab.locator("text=Error displaying widget").count() == 0


def test_the_lab_starts_draws_and_stops(tab: Page) -> None:
    open_notebook(tab, "lab.ipynb")
    run_all(tab, timeout_s=120)
    output = tab.locator(".jp-OutputArea-output")
    methods = output.locator('.widget-dropdown:has(label:text-is("method")) select')
    methods.select_option("early-exit")
    start = output.locator("button.jupyter-button", has_text="Start")
    stop = output.locator("button.jupyter-button", has_text="Stop")
    output.get_by_text(re.compile("This run takes about .* MB, .* parameters")).wait_for()
    tab.wait_for_function("button => !button.disabled", arg=start.element_handle())
    start.click()
    line = output.locator(".js-plotly-plot .scatterlayer .trace .js-line").first
    line.wait_for(state="attached", timeout=60_000)
    before = line.get_attribute("d")
    tab.wait_for_function(
        "([line, before]) => line.isConnected && line.getAttribute('d') !== before",
        arg=[line.element_handle(), before],
    )
    output.get_by_text(re.compile(" left$")).wait_for()
    stop.click()
    output.get_by_text(re.compile("Stopped after [1-9][0-9]* whole epochs")).wait_for()
    # what is left needs no kernel: a figure and its table
    output.locator("table", has_text="Test accuracy, last epoch (%)").wait_for()
    tab.locator(".jp-CodeCell").nth(1).click()
    tab.keyboard.press("Shift+Enter")
    output.get_by_text(re.compile(r"^1 False early-exit")).wait_for()


def test_a_bad_value_is_marked_at_its_field(tab: Page) -> None:
    open_notebook(tab, "lab.ipynb")
    run_all(tab, timeout_s=120)
    output: Any = tab.locator(".jp-OutputArea-output")
    output.get_by_role("tab", name="Training").click()
    field = output.locator('.widget-text:has(label:text-is("epochs")) input')
    field.fill("many")
    field.press("Enter")
    output.get_by_text(re.compile("epochs = 'many' is not allowed: a whole number")).wait_for()
    tab.wait_for_function(
        "button => button.disabled",
        arg=output.locator("button.jupyter-button", has_text="Start").element_handle(),
    )
    field.fill("3")
    field.press("Enter")
    output.get_by_text(re.compile("This run takes about")).wait_for()
