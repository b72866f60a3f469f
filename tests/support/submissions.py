"""``check-submissions`` with an answer that never ends."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from support.processes import Lines


@contextlib.contextmanager
def endless_grading(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, once it has graded the first of two answers and runs the other one."""
    for name, code in (("1", "f = 1"), ("2", "while True: pass\nf = 1")):
        cells = [nbformat.v4.new_code_cell(c) for c in (code, 'lab.check("spread", f)')]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
    command = [sys.executable, "-m", "delog_nb", "check-submissions", str(folder)]
    command += ["--workers", "1", "--out", str(folder / "all.csv")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = Lines(process.stderr)
        said = lines.until(lambda line: "1.ipynb: spread" in line or "sandbox" in line)
        if "sandbox" in said:
            pytest.skip(said)
        yield process
