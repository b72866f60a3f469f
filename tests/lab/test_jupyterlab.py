"""Lessons and the lab in a real JupyterLab, in a real browser, light and dark."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, Request, expect
from support.browser import chromium
from support.jupyter_server import DARK, LIGHT, change_theme, jupyterlab, open_notebook, run_all

from delog_nb.lab.charts.played import FIGURE

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LESSONS = sorted(path.name for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))

pytestmark = pytest.mark.browser


LAB = (
    "from delog_nb import lab\n"
    "bench = lab.Lab(preset='quick', epochs=300, precision='float32')\n"
    "bench",
    "print(len(bench.records), bench.bench.running, bench.bench.form.experiment.method)",
)


EXHIBIT = (
    "from delog_nb import lab\n"
    "lab.lines({'BP': [0.5, 0.75], 'AL': [0.4, 0.5]}, 'Learning', 'Epoch', 'Test accuracy (%)')"
)

PLAYED = (
    "from delog_nb import data, lab\n"
    "from delog_nb.measure.paths import every_cut\n"
    "run = lab.experiment(preset='quick', limit=200, batch_size=32)\n"
    "lab.cut_network({'Delog-SCL': every_cut(run, data.load(run))}, 'Cut it')"
)


TAKE_AWAY = "from delog_nb import lab\nlab.take_away()"


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
    nbformat.write(notebook(EXHIBIT), folder / "notebooks" / "exhibit.ipynb")
    nbformat.write(notebook(PLAYED), folder / "notebooks" / "played.ipynb")
    nbformat.write(notebook(TAKE_AWAY), folder / "notebooks" / "take_away.ipynb")
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
    # what came out waits for a prediction, or for who does not want to make one
    waiting = tab.get_by_role("button", name="Show it without")
    solved = NOTEBOOKS / "solutions" / name
    path = solved if solved.exists() else NOTEBOOKS / name
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert waiting.count() == sum(c.source.count("lab.outcome(") for c in cells)
    while waiting.count():
        button = waiting.first.element_handle()
        button.click()
        button.wait_for_element_state("hidden")
    # stored images are replaced by live figures, every one of them drawn
    stored = [o.data for c in cells for o in c.outputs if "image/png" in o.get("data", {})]
    played = sum(FIGURE in data for data in stored)
    tab.wait_for_function(
        """([drawn, played]) => {
            const count = (kind) => document.querySelectorAll(kind).length;
            return count(".js-plotly-plot:has(.main-svg)") === drawn
                && count(".jp-OutputArea-output [role=status]") === played;
        }""",
        arg=[len(stored) - played, played],
    )
    assert tab.locator("text=Error displaying widget").count() == 0


def test_work_is_downloaded_and_restored(tab: Page, tmp_path: Path) -> None:
    open_notebook(tab, "take_away.ipynb")
    run_all(tab, timeout_s=60)
    tab.get_by_role("button", name="Download my work").click()
    with tab.expect_download() as caught:
        tab.get_by_role("link", name="Save delog_nb_work.zip").click()
    work = tmp_path / "work.zip"
    caught.value.save_as(work)
    assert "predictions.json" in zipfile.ZipFile(work).namelist()
    said = tab.locator(".jp-OutputArea-output").last
    for content, answer in ((work.read_bytes(), "Restored:"), (b"x", "is not a file that")):
        work.write_bytes(content)
        with tab.expect_file_chooser() as chosen:
            tab.get_by_role("button", name="Restore").click()
        chosen.value.set_files(work)
        expect(said).to_contain_text(answer)


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


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_an_exhibit_is_read_and_unfolded_in_either_theme(theme: str, tab: Page) -> None:
    change_theme(tab, theme)
    open_notebook(tab, "exhibit.ipynb")
    run_all(tab, timeout_s=60)
    tab.locator(".js-plotly-plot .main-svg").first.wait_for()
    output = tab.locator(".jp-OutputArea-output")
    table = output.locator("details table")
    assert not table.is_visible()
    output.locator("summary", has_text="BP: 50 to 75").click()
    table.wait_for(state="visible")
    for text in (output.locator("summary"), table.locator("td").first):
        assert contrast(text) >= 4.5
    for text in (".gtitle", ".xtitle", ".xtick text", ".legendtext"):
        assert contrast(output.locator(text).first, "fill") >= 4.5


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_a_figure_is_played_with_in_either_theme(theme: str, tab: Page) -> None:
    change_theme(tab, theme)
    open_notebook(tab, "played.ipynb")
    run_all(tab, timeout_s=60)
    output = tab.locator(".jp-OutputArea-output")
    status = output.get_by_role("status")
    output.locator('[data-key="gap-0"]').click()
    status.get_by_text("Cut between f₁ and f₂: 2 components.").wait_for()
    output.locator('[data-key="on"]').focus()
    for _ in range(2):
        tab.keyboard.press("Enter")  # and the cell is not run or left
    status.get_by_text(re.compile("^Step 2 of 14. Loss: SCL₁ is computed with head₁")).wait_for()
    output.locator('[data-key="gap-1"]').focus()
    tab.keyboard.press("Space")
    status.get_by_text("Cut between f₂ and f₃: 3 components.").wait_for()
    for text in (status, output.locator("summary")):
        assert contrast(text) >= 4.5
    ink = output.locator(".dn-cut svg text").first.evaluate("node => getComputedStyle(node).fill")
    assert ink == status.evaluate("node => getComputedStyle(node).color")


def contrast(text: Any, ink: str = "color") -> float:
    """By WCAG, of a text and the first background behind it that is not transparent."""
    color, ground = text.evaluate(
        """(node, ink) => {
            const color = getComputedStyle(node)[ink];
            while (node && getComputedStyle(node).backgroundColor === "rgba(0, 0, 0, 0)")
                node = node.parentElement;
            return [color, node ? getComputedStyle(node).backgroundColor : "rgb(255, 255, 255)"];
        }""",
        ink,
    )

    def luminance(color: str) -> float:
        parts = [int(float(v)) / 255 for v in re.findall(r"[\d.]+", color)[:3]]
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(color), luminance(ground)), reverse=True)
    return (high + 0.05) / (low + 0.05)
