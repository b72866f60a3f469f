"""The whole site, built once from a copy of the course with one figure more to play with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page
from support.browser import chromium
from support.served import served

ROOT = Path(__file__).resolve().parents[2]
COUNTER = """
function render({ model, el }) {
  const button = document.createElement("button");
  const show = () => { button.textContent = `clicked ${model.get("data").count}`; };
  const once = () => {
    el.dataset.heard = (el.dataset.heard ?? "") + "x";
    model.off("change:data", once);
  };
  model.on("change:data", show);
  model.on("change:data", once);
  button.onclick = () => {
    model.set("data", { count: model.get("data").count + 1 });
    model.save_changes();
  };
  el.append(button);
  show();
}
export default { render };
"""


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what pages are made from; lesson 1 ends in a figure of the module ``counter``."""
    root = tmp_path_factory.mktemp("course")
    for name in ("notebooks", "docs", "delog_nb"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "pyproject.toml", root / "pyproject.toml")
    modules = root / "delog_nb/lab/modules"
    modules.mkdir(exist_ok=True)
    (modules / "counter.js").write_text(COUNTER)
    path = root / "notebooks/solutions/01_one_network_four_ways.ipynb"
    solved = nbformat.read(path, as_version=4)
    cell = next(c for c in solved.cells if c.cell_type == "code")
    bundle = {
        "application/vnd.delog-nb.figure+json": {"module": "counter", "data": {"count": 3}},
        "text/plain": "A button that counts.",
        "text/html": "<details><summary>Clicks</summary><table><td>3</td></table></details>",
    }
    cell.outputs.append(nbformat.v4.new_output("display_data", bundle))
    path.write_text(json.dumps(solved))
    return root


@pytest.fixture(scope="session")
def site(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "delog_site", "--root", str(course), "--out", str(out)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "site")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with served(site) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as tab:
        yield tab


@pytest.fixture
def tab(browser: Page, address: str) -> Iterator[Page]:
    """A page of the site; nothing may be asked for elsewhere, and no script may fail."""
    problems: list[str] = []
    requests: list[str] = []
    context = browser.context.browser.new_context(viewport={"width": 1300, "height": 900})
    context.on("request", lambda request: requests.append(request.url))
    context.on("requestfailed", lambda r: problems.append(f"{r.failure} {r.url}"))
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on("response", lambda a: problems.append(a.url) if a.status >= 400 else None)
    yield context.new_page()
    context.close()
    assert [u for u in requests if not u.startswith((address, "data:", "blob:"))] == []
    assert [p for p in problems if not p.startswith("net::ERR_ABORTED")] == []  # the page was left
