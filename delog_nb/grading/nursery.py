"""Fresh kernels for `delog_nb.grading.submissions`, each in a process and a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from delog_nb.experiment import ExperimentError

RESULTS = ("right", "not yet", "to do", "error", "timeout", "crashed", "missing", "refused")
# the same names as in `submission_kernel`, which this side does not import: it takes seconds
_REQUEST, _REPLY = "submission_request", "submission_reply"
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from delog_nb.grading.kernel import serve; serve()"
)


@dataclass(frozen=True)
class Limits:
    """What the code of one exercise may use: seconds, and bytes of memory beyond the imports'."""

    seconds: int = 60
    memory: int = 2 * 10**9


class Nursery:
    """A process that has everything imported and forks kernels, one at a time."""

    def __init__(self, limits: Limits, hidden: Path) -> None:
        self._limits, self._hidden = limits, hidden
        self._folder = tempfile.TemporaryDirectory(prefix="delog-nb-", ignore_cleanup_errors=True)
        self._places = 0
        self._start()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        self._folder.cleanup()

    def _start(self) -> None:
        home = Path(self._folder.name)
        paths = [str(Path(path).resolve()) for path in sys.path if path]
        self._errors: IO[str] = (home / "errors.txt").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _START, json.dumps(paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=home,
            env=_environment(home),
            start_new_session=True,
        )
        try:
            self.exercises: dict[str, str] = json.loads(self._line())
        except ValueError as error:
            self._stop()
            text = (home / "errors.txt").read_text().strip().splitlines() or [str(error)]
            raise ExperimentError(f"no kernel can be started: {text[-1]}") from error

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                pipe.close()

    def _line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - for mypy: it is a pipe
        return self._process.stdout.readline()

    def check(
        self, cells: Sequence[tuple[str, list[str]]], exercise: str, copied: Callable[[Path], None]
    ) -> tuple[str, str]:
        """Result and message of an exercise of a notebook with these code cells and tags.

        ``copied`` fills the folder that the kernel works in.
        """
        self._places += 1
        place = Path(self._folder.name) / str(self._places)
        for folder in ("work", "home", "tmp"):
            (place / folder).mkdir(parents=True)
        try:
            if self._process.poll() is not None:
                self._stop()
                self._start()
            copied(place / "work")
            return self._kernel(place, cells, exercise)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _kernel(
        self, place: Path, cells: Sequence[tuple[str, list[str]]], exercise: str
    ) -> tuple[str, str]:
        _, facts = write_connection_file(
            str(place / "kernel.json"), transport="ipc", ip=str(place / "k")
        )
        client = BlockingKernelClient()
        client.load_connection_info(facts)
        job = {
            "place": str(place),
            "environment": _environment(place / "home", place / "tmp"),
            "seconds": self._limits.seconds,
            "memory": self._limits.memory,
            "hidden": [str(self._hidden)],
        }
        assert self._process.stdin is not None  # noqa: S101 - for mypy: it is a pipe
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._line()
        if not line:
            return "crashed", "the process that starts kernels ended"
        pid = int(line)
        client.start_channels(shell=True, iopub=False, stdin=False, hb=False, control=False)
        ended = None
        try:
            channel = client.shell_channel
            content = {"cells": list(cells), "exercise": exercise}
            channel.send(client.session.msg(_REQUEST, content))
            poller = zmq.Poller()
            poller.register(channel.socket, zmq.POLLIN)
            poller.register(self._process.stdout.fileno(), zmq.POLLIN)  # type: ignore[union-attr]
            happened = dict(poller.poll(1000 * self._limits.seconds))
            if channel.socket in happened:
                return _reply(channel.get_msg(timeout=5))
            if happened:
                ended = self._line()
                return "crashed", _how_it_ended(ended)
            return "timeout", f"no result after {self._limits.seconds} s"
        finally:
            client.stop_channels()
            if ended is None:
                os.killpg(pid, signal.SIGKILL)
                self._line()


def _reply(message: dict[str, Any]) -> tuple[str, str]:
    content = message["content"]
    result, text = content.get("result"), content.get("message")
    if message["msg_type"] != _REPLY or result not in RESULTS or not isinstance(text, str):
        return "error", "the kernel's reply is not one"
    return result, text


def _how_it_ended(line: str) -> str:
    status = int(line or 0)
    if status >= 0:
        return f"the kernel ended with status {status}"
    return f"the kernel was ended by {signal.Signals(-status).name}"


def _environment(home: Path, temporary: Path | None = None) -> dict[str, str]:
    """Nothing of the caller's environment but where programs are and the language."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "TZ")}
    return kept | {
        "HOME": str(home),
        "TMPDIR": str(temporary or home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "DELOG_NB_CACHE": str(home / "cache"),
        "DELOG_NB_PRESET": "quick",
        "PLOTLY_RENDERER": "plotly_mimetype",
        "OMP_NUM_THREADS": "1",
    }
