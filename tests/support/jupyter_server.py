"""A JupyterLab or Notebook of its own for the browser tests: private folders, on 127.0.0.1."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"

# what cells write to stderr, and their errors, which stop the cells after them
_ERRORS = '[data-mime-type="application/vnd.jupyter.stderr"]'


@contextmanager
def jupyterlab(
    notebooks: Path, home: Path, program: str = "jupyterlab", subshells: str = "perCommTarget"
) -> Iterator[str]:
    """Serve the folder ``notebooks`` by ``program``, a module; yields the address of its page.

    ``subshells``: where the messages of widgets are handled, by JupyterLab's own default on a
    thread beside the cells.
    """
    for name, values in {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "apputils-extension/kernels-settings": {"commsOverSubshells": subshells},
        # all cells stand in the page, not only those in view
        "notebook-extension/tracker": {"windowingMode": "none"},
    }.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PLOTLY_RENDERER": "",
    }
    del environment["PLOTLY_RENDERER"]
    command = [sys.executable, "-m", program, "--no-browser", "--ip=127.0.0.1"]
    command += ["--port=0", "--IdentityProvider.token=", "--ServerApp.password="]
    command += [f"--ServerApp.root_dir={notebooks}", "--allow-root"]
    app = {"jupyterlab": "LabApp", "notebook": "JupyterNotebookApp"}[program]
    command += [f"--{app}.expose_app_in_browser=True"]
    log = home / "server.log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, env=environment, cwd=notebooks, stderr=subprocess.PIPE, text=True
        ) as server,
    ):
        try:
            for line in server.stderr:
                output.write(line)
                found = re.search(r"http://127\.0\.0\.1:\d+/(lab|tree)", line)
                if found:
                    break
            else:
                raise RuntimeError(f"{program} did not start: see {log}")
            threading.Thread(target=lambda: output.write(server.stderr.read())).start()
            yield found[0]
        finally:
            server.terminate()
            server.wait(30)


def change_theme(tab: Page, theme: str) -> None:
    """Change the theme, and wait until the lab stands in it."""
    command = "apputils:change-theme"
    tab.wait_for_function(f"window.jupyterapp.commands.hasCommand('{command}')")
    tab.evaluate(f"theme => window.jupyterapp.commands.execute('{command}', {{theme}})", theme)
    tab.locator(f'body[data-jp-theme-name="{theme}"]').wait_for(state="attached")


def open_notebook(tab: Page, name: str) -> None:
    """Open a notebook in a tab that shows the lab, and wait until its kernel can work.

    The one that was open is closed without a question, its kernel ended.
    """
    tab.evaluate(
        """async name => {
          const lab = window.jupyterapp;
          await lab.restored;
          for (const widget of [...lab.shell.widgets('main')]) {
            if (widget.context) widget.context.model.dirty = false;
            widget.close();
          }
          await lab.serviceManager.sessions.shutdownAll();
          await lab.commands.execute('docmanager:open', {path: name});
        }""",
        name,
    )
    tab.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=120_000)


def run_all(tab: Page, timeout_s: float) -> None:
    """Run all cells and wait for the last one; fails if a cell writes to stderr or has an error."""
    tab.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    tab.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    # a cell that waits or runs shows [*]
    tab.wait_for_function(
        """() => {
          const cells = [...document.querySelectorAll('.jp-CodeCell')];
          const done = cell => /^\\[\\d+\\]:?$/.test(
            cell.querySelector('.jp-InputPrompt').textContent.trim());
          const errors = document.querySelectorAll(ERRORS);
          return errors.length || (cells.length && cells.every(done));
        }""".replace("ERRORS", repr(_ERRORS)),
        timeout=1000 * timeout_s,
    )
    if errors := tab.locator(_ERRORS).all_inner_texts():
        raise AssertionError("\n".join(errors))
