"""Front ends are told apart by what they set, and those with limits get a figure that stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import plotly.graph_objects as go
import pytest
from support.runs import ROOT

from delog_nb import lab
from delog_nb.cli import main
from delog_nb.instruments import front_end as front_ends
from delog_nb.instruments.front_end import COLAB, JUPYTER, PLAIN, VS_CODE, FrontEnd, front_end
from delog_nb.lab.asks import workbench

SET = ("VSCODE_PID", "VSCODE_CWD", "COLAB_RELEASE_TAG", "JPY_SESSION_NAME", "JPY_PARENT_PID")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever these tests themselves are started from."""
    for name in SET:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)


def in_kernel(patch: pytest.MonkeyPatch, **names: object) -> None:
    shell = SimpleNamespace(kernel=object(), user_ns=names)
    patch.setattr(front_ends, "_shell", lambda: shell)


def test_outside_of_a_kernel_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSCODE_PID", "1")  # its terminal
    assert front_end() == PLAIN


@pytest.mark.parametrize(
    ("environment", "names", "expected"),
    [
        ({}, {}, JUPYTER),
        ({"VSCODE_PID": "1", "VSCODE_CWD": "/"}, {}, VS_CODE),
        ({"JPY_SESSION_NAME": "a.ipynb"}, {"__vsc_ipynb_file__": "/a.ipynb"}, VS_CODE),
        # a JupyterLab that was started in VS Code's terminal
        ({"VSCODE_PID": "1", "JPY_SESSION_NAME": "a.ipynb"}, {}, JUPYTER),
        ({"COLAB_RELEASE_TAG": "release-colab"}, {}, COLAB),
    ],
)
def test_what_editors_set_tells_them_apart(
    environment: dict[str, str],
    names: dict[str, object],
    expected: FrontEnd,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_kernel(monkeypatch, **names)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert front_end() == expected


def test_colabs_module_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    assert front_end() == COLAB


@pytest.mark.skipif(os.name == "nt", reason="scripts without an ending")
@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("jupyter-lab", "JupyterLab"),
        ("delog-nb", "JupyterLab"),
        ("jupyter-notebook", "Jupyter Notebook"),
        ("jupyterhub-singleuser", "Jupyter"),
        ("another", "Jupyter"),  # what it is called with does not count
    ],
)
def test_servers_are_told_by_their_command(program: str, expected: str, tmp_path: Path) -> None:
    """A program of that name starts a process that asks, as a server starts a kernel."""
    asks = tmp_path / "asks.py"
    asks.write_text(
        "from types import SimpleNamespace\n"
        "from delog_nb.instruments import front_end as f\n"
        "f._shell = lambda: SimpleNamespace(kernel=1, user_ns={})\n"
        "print(f.front_end().name)\n"
    )
    server = tmp_path / program
    server.write_text(f"import subprocess, sys; subprocess.run([sys.executable, {str(asks)!r}])")
    done = subprocess.run(
        [sys.executable, str(server), "delog_nb"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == expected


@pytest.mark.parametrize("where", [VS_CODE, COLAB])
def test_where_figures_do_not_follow_a_run_it_is_one_that_stands(
    where: FrontEnd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workbench, "headless", lambda: False)
    monkeypatch.setattr(workbench, "front_end", lambda: where)
    shown: list[object] = []
    monkeypatch.setattr(workbench, "display", shown.append)
    asked = lab.Lab(preset="quick", method="bp", limit=60, epochs=1)
    asked._ipython_display_()
    assert capsys.readouterr().out.splitlines()[0] == where.limit
    assert asked.bench is None
    assert len(asked.records) == 1
    assert type(shown[0].figure) is go.Figure  # and no widget


def test_the_doctor_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_kernel(monkeypatch)
    monkeypatch.setenv("VSCODE_PID", "1")
    main(["doctor"])
    (line,) = [text for text in capsys.readouterr().out.splitlines() if "front end" in text]
    assert line == f"[OK]   front end: VS Code - {VS_CODE.limit}"
