"""``make setup``: uv where it is, pip elsewhere, and the build of torch that is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.runs import ROOT

SYSTEM = "/usr/bin:/bin"
pytestmark = [
    pytest.mark.skipif(not shutil.which("make", path=SYSTEM), reason="make is not here"),
    pytest.mark.skipif(bool(shutil.which("uv", path=SYSTEM)), reason="the system itself has uv"),
]


def commands(path: str, *words: str) -> list[list[str]]:
    """What ``make setup`` would run, with its programs from ``path``."""
    done = subprocess.run(
        ["make", "-n", "-W", "pyproject.toml", "setup", *words],
        cwd=ROOT,
        env={"PATH": path, "HOME": os.environ["HOME"]},
        check=True,
        capture_output=True,
        text=True,
    )
    return [line.split() for line in done.stdout.replace("\\\n", " ").splitlines()]


@pytest.fixture
def with_uv(tmp_path: Path) -> str:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return f"{tmp_path}:{SYSTEM}"


def test_pip_takes_the_build_from_pytorchs_own_index() -> None:
    *_, make, install, _ = commands(SYSTEM, "TORCH=cpu")
    assert make == ["python3", "-m", "venv", ".venv"]
    assert install[:4] == [".venv/bin/python", "-m", "pip", "install"]
    place = install.index("--extra-index-url")
    assert install[place + 1] == "https://download.pytorch.org/whl/cpu"
    assert install[-4:] == ["-c", "constraints.txt", "-e", "'.[test]'"]
    assert "--extra-index-url" not in commands(SYSTEM)[-2]


def test_uv_takes_it_where_uv_is(with_uv: str) -> None:
    *_, make, install, _ = commands(with_uv, "TORCH=cpu")
    assert make[:2] == ["uv", "venv"]
    assert "--seed" in make  # with pip, by which the wheel's test installs
    assert install[:3] == ["uv", "pip", "install"]
    assert install[install.index("--torch-backend") + 1] == "cpu"
    assert install[-4:] == ["-c", "constraints.txt", "-e", "'.[test]'"]
    assert "--torch-backend" not in commands(with_uv)[-2]
