"""The lab's buttons while a cell runs, in each front end that can be run here.

Where widgets have a thread of their own, a subshell, a click may be handled at once. ipykernel 7.4
still lets it wait for the cell where the kernel has spoken last from the cells' thread.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect
from support.browser import chromium
from support.jupyter_server import jupyterlab

CELLS = (
    "import time\n"
    "from pathlib import Path\n"
    "from delog_nb import lab\n"
    "bench = lab.Lab(preset='quick', epochs=300, precision='float32')\n"
    "bench",
    "while not Path('go').exists():\n    time.sleep(0.05)",
    "from delog_nb.instruments.front_end import front_end\n"
    "print(front_end().name, len(bench.records), bench.bench.running)",
)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("program", "subshells"),
    [
        ("jupyterlab", "perCommTarget"),
        ("jupyterlab", "disabled"),
        ("notebook", "perCommTarget"),
    ],
)
def test_two_clicks_while_a_cell_runs_are_one_run_that_can_be_stopped(
    program: str, subshells: str, tmp_path: Path
) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "lab.ipynb")
    with (
        jupyterlab(folder, tmp_path / "home", program, subshells) as address,
        chromium(height=1400) as tab,
    ):
        opened = {"jupyterlab": "/lab/tree/", "notebook": "/notebooks/"}[program]
        tab.goto(address.rpartition("/")[0] + opened + "lab.ipynb")
        tab.wait_for_function("window.jupyterapp")
        tab.wait_for_function(
            """() => [...window.jupyterapp.shell.widgets("main")].some(
                widget => widget.sessionContext?.session?.kernel?.status === "idle")""",
            timeout=120_000,
        )
        tab.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        output = tab.locator(".jp-OutputArea-output")
        prompts = tab.locator(".jp-CodeCell .jp-InputPrompt")
        start = output.locator("button.jupyter-button", has_text="Start")
        stop = output.locator("button.jupyter-button", has_text="Stop")
        expect(start).to_be_enabled(timeout=60_000)
        expect(prompts.nth(1)).to_have_text(re.compile(r"\[\*\]"))
        start.dblclick()
        (folder / "go").touch()
        line = output.locator(".js-plotly-plot .scatterlayer .trace .js-line").first
        line.wait_for(state="attached", timeout=60_000)
        stop.click()
        output.get_by_text(re.compile("Stopped after [1-9][0-9]* whole epochs")).wait_for()
        expect(prompts.nth(2)).to_have_text(re.compile(r"\[3\]"))
        tab.locator(".jp-CodeCell").nth(2).click()
        tab.keyboard.press("Shift+Enter")
        expect(prompts.nth(2)).to_have_text(re.compile(r"\[4\]"))
        name = {"jupyterlab": "JupyterLab", "notebook": "Jupyter Notebook"}[program]
        expect(output.last).to_have_text(re.compile(f"{name} 1 False"))
