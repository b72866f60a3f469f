"""Which program shows the cells of this kernel, and what it cannot do."""

import os
import sys
from typing import Any, NamedTuple

import psutil


class FrontEnd(NamedTuple):
    """Its name, and what the lab does otherwise there, in one sentence; empty where nothing is."""

    name: str
    limit: str = ""


def _limited(name: str, why: str) -> FrontEnd:
    return FrontEnd(
        name,
        f"{name} {why}: lab.Lab trains what its cell says, as in lab.Lab(method='bp'), and draws "
        "the figure at the end.",
    )


PLAIN = FrontEnd("no notebook")
JUPYTER = FrontEnd("Jupyter")  # a server of another kind, such as a hub's
JUPYTERLAB, NOTEBOOK = FrontEnd("JupyterLab"), FrontEnd("Jupyter Notebook")
VS_CODE = _limited("VS Code", "may not show a figure that changes while a run goes on")
COLAB = _limited("Colab", "shows nothing that comes after a cell has ended")
# the server that started the kernel
_SERVERS = {
    "jupyter-lab": JUPYTERLAB,
    "jupyterlab": JUPYTERLAB,
    "delog-nb": JUPYTERLAB,
    "delog_nb": JUPYTERLAB,
    "jupyter-notebook": NOTEBOOK,
    "notebook": NOTEBOOK,
}


def front_end() -> FrontEnd:
    """What this process shows its cells in, as far as it can tell."""
    shell = _shell()
    if "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ:
        return COLAB
    if getattr(shell, "kernel", None) is None:
        return PLAIN
    # VS Code starts kernels itself, or has a server start them and marks the notebook
    server = "JPY_SESSION_NAME" in os.environ
    if "__vsc_ipynb_file__" in shell.user_ns or ("VSCODE_PID" in os.environ and not server):
        return VS_CODE
    return _SERVERS.get(_program(), JUPYTER)


def _shell() -> Any:
    """IPython's, where this process is one of its."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _program() -> str:
    """What started the kernel: the script or module, where an interpreter runs one."""
    try:
        parent = psutil.Process(int(os.environ.get("JPY_PARENT_PID") or os.getppid()))
        words = [os.path.splitext(os.path.basename(word))[0] for word in parent.cmdline()]
    except (psutil.Error, ValueError):
        return ""
    own = (word for word in words if not word.startswith(("-", "python", "pypy")))
    return next(own, "")
