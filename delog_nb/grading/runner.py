"""Where answers run: `sandbox` starts this process, which has everything loaded and forks.

Each answer gets a child, an empty folder and a line to the process that judges. The child runs the
cells, says that it has an answer, gets the questions and sends the replies. It decides nothing:
whoever forges what it sends can forge a reply, but none that is judged right without being right.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from delog_nb.course.exercises import EXERCISES
from delog_nb.grading import calls, wire
from delog_nb.grading.answers import Cell, plan

_TASKS = 64  # processes and threads of the sandbox's user
_FILES = 128  # open at once
_LINE = 3  # file descriptor of a child's line


def serve(place: Path, limits: Mapping[str, int], guarded: bool) -> NoReturn:
    """Fork a child for each line that comes over standard input, until that ends.

    Before each it says the exit status of the one before, of which nothing is left then.

    Args:
        place: the folder for answers
        limits: of each child, the fields of `sandbox.Limits`
        guarded: whether this is the first process of a sandbox
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # else an answer could interrupt this process
    if guarded:
        calls.hide()
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    if not os.fork():
        _limit(limits, guarded)
        os._exit(0)
    if os.wait()[1]:
        sys.exit(1)
    control, status = socket.socket(fileno=os.dup(0)), 0
    while True:
        work = _emptied(place)
        control.send(b"%4d" % status)
        message, lines, *_ = socket.recv_fds(control, 1, 1)
        if not message:
            os._exit(0)
        child = os.fork()
        if not child:
            try:
                _child(lines[0], work, limits, guarded, shell)
            finally:
                os._exit(1)
        os.close(lines[0])
        control.recv(1)
        status = _ended(child)


def _ended(child: int) -> int:
    """Exit status of a child, or minus its signal, once nothing is left of what it started."""
    os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(ProcessLookupError, PermissionError):
        # the first process of a sandbox ends all others of it
        os.kill(-1 if os.getpid() == 1 else -child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return status


def _emptied(place: Path) -> Path:
    """A new folder in ``place``, where nothing else is; it raises where something cannot go."""
    for item in place.iterdir():
        item.unlink() if item.is_symlink() or not item.is_dir() else shutil.rmtree(item)
    if hasattr(os, "listxattr") and os.listxattr(place):
        raise OSError("the folder has attributes")
    return Path(tempfile.mkdtemp(dir=place))


def _child(
    line: int, work: Path, limits: Mapping[str, int], guarded: bool, shell: InteractiveShell
) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for source, target in ((line, _LINE), (nothing, 0), (nothing, 1), (nothing, 2)):
        os.dup2(source, target)
    os.closerange(_LINE + 1, os.sysconf("SC_OPEN_MAX"))
    os.chdir(work)
    sys.path.insert(0, str(work))
    os.environ |= {"HOME": str(work), "TMPDIR": str(work)}
    tempfile.tempdir = None
    _limit(limits, guarded)
    _converse(socket.socket(fileno=_LINE), shell)


def _limit(limits: Mapping[str, int], guarded: bool) -> None:
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: limits["seconds"] + 1,
        resource.RLIMIT_FSIZE: limits["disk"],
        resource.RLIMIT_NOFILE: _FILES,
    }
    statm = Path("/proc/self/statm")
    if statm.exists():
        held = int(statm.read_text().split()[0]) * resource.getpagesize()
        wanted[resource.RLIMIT_AS] = held + limits["memory"]
    if guarded:
        wanted[resource.RLIMIT_NPROC] = _TASKS
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    if guarded:
        calls.refuse()


def _converse(line: socket.socket, shell: InteractiveShell) -> None:
    heard = line.makefile("rb")
    cells, name = wire.receive(heard)
    result, raised, answer = _answer(shell, [Cell(*cell) for cell in cells], name)
    wire.send(line, [result, raised])
    questions = wire.receive(heard)
    wire.send(line, [EXERCISES[name].ask(answer, question) for question in questions])


def _answer(shell: InteractiveShell, cells: Sequence[Cell], exercise: str) -> tuple[str, str, Any]:
    """What came of the cells, the first that they raised, and the answer.

    Whatever submitted code raises is a result.
    """
    raised: BaseException | None = None
    answer: Any = None
    try:
        todo = plan(cells, exercise)
        if todo is None:
            return "missing", "", None
        for code in todo.code:  # as in a notebook that is run in spite of errors
            ran = shell.run_cell(code)
            raised = raised or ran.error_before_exec or ran.error_in_exec
        answer = eval(todo.expression, shell.user_ns)
    except BaseException as error:  # noqa: BLE001 - sys.exit() in an answer, too much recursion
        return "error", _named(raised or error), None
    return "to do" if answer is ... else "answered", _named(raised) if raised else "", answer


def _named(error: BaseException) -> str:
    return " ".join("".join(traceback.format_exception_only(error)).split())
