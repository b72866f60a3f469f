"""Commands in forks of one process that has loaded the package: none of them pays for imports."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from delog_nb.cli import main
from support.crashes import arm, counted
from support.runs import ROOT


class Forks:
    """The process that forks, and what it is asked."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process

    def call(self, folder: Path, words: list[str], doom: str = "") -> tuple[int, list[str]]:
        """The exit status of a command that ends itself at ``doom``, and where it could have."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps([str(folder), words, doom]) + "\n")
        stdin.flush()
        status, calls = json.loads(stdout.readline())
        return status, calls


@contextlib.contextmanager
def forks_of(*commands: str) -> Iterator[Forks]:
    """Start the process, with the modules of ``commands`` loaded; it ends with the block."""
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "support.forks", *commands],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Forks(process)
        assert process.stdin is not None
        process.stdin.close()  # asked no more, it ends


def _in_a_fork(folder: str, words: list[str], doom: str) -> tuple[int, list[str]]:
    said, says = os.pipe()
    child = os.fork()
    if child:
        os.close(says)
        with os.fdopen(said) as pipe:
            lines = pipe.read().splitlines()  # until no process that it started is left
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), (lines or [""])[-1].split()
    nothing = os.open(os.devnull, os.O_RDWR)
    for place, end in enumerate((nothing, says, nothing)):
        os.dup2(end, place)
    os.close(says)
    os.close(said)
    os.chdir(folder)
    counts = counted()
    arm(doom)
    status = main(words)
    print(*counts.elements(), flush=True)
    os._exit(status)


if __name__ == "__main__":
    for command in sys.argv[1:]:
        import_module(f"delog_nb.cli.{command}")
    import_module("torch._dynamo")  # which the first step of an optimizer loads
    for line in sys.stdin:
        print(json.dumps(_in_a_fork(*json.loads(line))), flush=True)
