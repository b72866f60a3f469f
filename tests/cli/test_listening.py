"""Nothing listens beyond this machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from jupyter_client import BlockingKernelClient
from support.processes import Lines, ended, living
from support.runs import ROOT
from support.submissions import endless_grading

LONG = ["--preset", "quick", "--limit", "100", "--width", "0.125", "--precision", "float32"]
LONG += ["--epochs", "100000", "--checkpoint-every", "0"]
GRID = """
fixed: {preset: quick, limit: 100, width: 0.125, precision: float32, epochs: 100000}
cross: {method: [bp, al]}
"""
LOOPBACK = {"127.0.0.1", "::1"}


def listening(*processes: psutil.Process) -> set[str]:
    """Addresses at which the processes listen."""
    return {
        connection.laddr.ip
        for one in processes
        for connection in one.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def serving_kernels(pid: int) -> list[psutil.Process]:
    """Jupyter kernels below ``pid`` that can be talked to."""
    found = []
    for process in living(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "ipykernel_launcher" in process.cmdline() and listening(process):
                found.append(process)
    return found


@pytest.mark.parametrize(
    "words",
    [
        ["train", *LONG],
        ["train", *LONG, "--pipeline", "2"],
        ["train", *LONG, "--data-parallel", "2"],
        ["sweep", "GRID", "--no-notebook", "--workers", "2", "--checkpoint-every", "0"],
        ["sweep", "GRID", "--workers", "2"],
    ],
    ids=lambda words: " ".join(w for w in words if w not in LONG),
)
@pytest.mark.long
def test_a_commands_processes_listen_on_the_loopback_alone(
    words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    words = [str(tmp_path / "grid.yaml") if word == "GRID" else word for word in words]
    out = tmp_path / "runs"
    command = [sys.executable, "-m", "delog_nb", *words, "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, text=True) as process:
        # all its processes are at work; a run in a notebook writes its first checkpoint after 60 s
        while not list(out.glob("*/checkpoint.pt")) and len(serving_kernels(process.pid)) < 2:
            with pytest.raises(subprocess.TimeoutExpired):  # it is still there
                process.wait(0.1)
        found = listening(psutil.Process(process.pid), *living(process.pid))
        process.send_signal(signal.SIGTERM)
        process.wait(120)
    assert found <= LOOPBACK
    assert process.returncode == 143


def test_a_sandbox_and_who_started_it_do_not_listen(tmp_path: Path) -> None:
    """While an answer runs that never ends."""
    with endless_grading(tmp_path) as process:
        inside = living(process.pid)
        found = listening(psutil.Process(process.pid), *inside)
        process.terminate()
        process.wait(60)
        assert ended(inside)
    assert len(inside) >= 2
    assert found == set()


def wait_until_listening(process: subprocess.Popen[str], *those: psutil.Process) -> None:
    while not listening(*those):
        with pytest.raises(subprocess.TimeoutExpired):  # it is still there
            process.wait(0.05)


@contextlib.contextmanager
def opened(
    command: list[str], folder: Path, home: Path, **browser: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that is JupyterLab, in ``folder``; yields it, and the address that it prints."""
    unset = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "TERM")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    for name in ("config", "data", "runtime"):
        environment[f"JUPYTER_{name.upper()}_DIR"] = str(home / name)
    for name in ("settings", "workspaces"):
        environment[f"JUPYTERLAB_{name.upper()}_DIR"] = str(home / name)
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment | browser,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = Lines(process.stdout)
            address = re.compile(r"http://(localhost|127\.0\.0\.1):\d+/lab\S*token=[0-9a-f]{32,}")
            found = address.search(lines.until(address.search))
            assert found is not None
            wait_until_listening(process, psutil.Process(process.pid), *living(process.pid))
            yield process, found[0]
        finally:  # kernels end with it
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


BIN = os.path.relpath(Path(sys.executable).parent, ROOT)
MAKE_LAB = ["make", "--old-file", ".venv/.ready", f"BIN={BIN}", "lab"]  # as in the Makefile


def asked(address: str, path: str, sent: object = None) -> int:
    """The status of the lab's answer; ``sent`` is posted as JSON."""
    base, _, token = address.partition("?token=")
    url = base.partition("/lab")[0] + path
    headers = {"Authorization": f"token {token}"} if token else {}
    content = None if sent is None else json.dumps(sent).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, content, headers)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("make"), reason="make is not here")
@pytest.mark.parametrize(
    ("browser", "end"),
    [({"BROWSER": "true"}, os.kill), ({}, os.killpg)],  # make alone; all that it started
    ids=["a browser", "none"],
)
def test_the_lab_listens_on_the_loopback_alone_and_ends_with_its_kernels(
    browser: dict[str, str], end: Callable[[int, int], None], tmp_path: Path
) -> None:
    """As root in a container, too, which is who runs this where tests run in one."""
    with opened(MAKE_LAB, ROOT, tmp_path, **browser) as (process, address):
        assert asked(address, "/lab") == 200
        assert asked(address, "/api/contents") == 200
        assert asked(address.partition("?")[0], "/api/contents") == 403  # not without the token
        before = living(process.pid)
        assert asked(address, "/api/kernels", {"name": "python3"}) == 201
        (kernel,) = living(process.pid) - before
        wait_until_listening(process, kernel)
        inside = living(process.pid)
        assert listening(*inside) <= LOOPBACK
        end(process.pid, signal.SIGTERM)
        assert ended([kernel, *inside])


def said_by_the_kernel(home: Path, expression: str) -> str:
    """What the one kernel of a server says of ``expression``."""
    (connection,) = (home / "runtime").glob("kernel-*.json")
    client = BlockingKernelClient(connection_file=str(connection))
    client.load_connection_file()
    client.start_channels()
    said: list[str] = []
    try:
        client.wait_for_ready(60)
        client.execute_interactive(
            f"from delog_nb.instruments.front_end import front_end; print({expression})",
            output_hook=lambda message: said.append(message["content"].get("text", "")),
            timeout=60,
        )
    finally:
        client.stop_channels()
    return "".join(said).strip()


@pytest.mark.long
def test_the_command_opens_its_copies_on_the_loopback_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "delog_nb", "lab", "mine", "--no-browser"]
    with opened(command, tmp_path, tmp_path / "home", PYTHONPATH=str(ROOT)) as (process, address):
        assert address.partition("?")[0].endswith("/lab/tree/00_start.ipynb")
        assert asked(address, "/api/contents/01_one_network_four_ways.ipynb?content=0") == 200
        assert asked(address, "/api/contents/mine") == 404  # it is the root
        assert asked(address, "/api/kernels", {"name": "python3"}) == 201
        assert said_by_the_kernel(tmp_path / "home", "front_end().name") == "JupyterLab"
        inside = {psutil.Process(process.pid), *living(process.pid)}
        assert listening(*inside) <= LOOPBACK
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert ended(inside)
