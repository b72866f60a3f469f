"""What Binder needs: scripts that run, capped threads, a start that hands over."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

BINDER = Path(__file__).resolve().parents[2] / "binder"


def test_scripts_can_be_run_and_stop_at_the_first_error() -> None:
    for name in ("postBuild", "start"):
        assert os.access(BINDER / name, os.X_OK)
        subprocess.run(["bash", "-n", BINDER / name], check=True)
    assert "set -e" in (BINDER / "postBuild").read_text()


def test_start_caps_threads_and_becomes_what_it_is_given() -> None:
    shown = subprocess.run(
        [BINDER / "start", "bash", "-c", "echo $OMP_NUM_THREADS two  words"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert shown.stdout == "1 two words\n"
