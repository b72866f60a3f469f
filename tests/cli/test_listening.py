"""Nothing listens beyond this machine."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

LONG = ["--preset", "quick", "--limit", "100", "--width", "0.125", "--precision", "float32"]
LONG += ["--epochs", "100000", "--checkpoint-every", "0"]
GRID = """
fixed: {preset: quick, limit: 100, width: 0.125, precision: float32, epochs: 100000}
cross: {method: [bp, al]}
"""


def listening(process: subprocess.Popen[str]) -> set[str]:
    """Addresses at which the process and all its children listen."""
    parent = psutil.Process(process.pid)
    return {
        connection.laddr.ip
        for one in [parent, *parent.children(recursive=True)]
        for connection in one.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


@pytest.mark.parametrize(
    "words",
    [
        ["train", *LONG],
        ["train", *LONG, "--pipeline", "2"],
        ["train", *LONG, "--data-parallel", "2"],
        ["sweep", "GRID", "--no-notebook", "--workers", "2", "--checkpoint-every", "0"],
        pytest.param(["sweep", "GRID", "--workers", "2"], marks=pytest.mark.long),
    ],
    ids=lambda words: " ".join(w for w in words if w not in LONG),
)
def test_a_commands_processes_listen_on_the_loopback_alone(
    words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    words = [str(tmp_path / "grid.yaml") if word == "GRID" else word for word in words]
    out = tmp_path / "runs"
    command = [sys.executable, "-m", "delog_nb", *words, "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, text=True) as process:
        while not list(out.glob("*/checkpoint.pt")):  # all its processes are at work
            with pytest.raises(subprocess.TimeoutExpired):  # it is still there
                process.wait(0.1)
        found = listening(process)
        process.send_signal(signal.SIGTERM)
        process.wait(120)
    assert found <= {"127.0.0.1", "::1"}
    assert process.returncode == 143
