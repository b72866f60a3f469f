"""The other side of `delog_nb.grading.submissions`: a process that forks a kernel per exercise.

It imports everything once (seconds) and then waits for jobs, a line of JSON each. Every job gets a
child of its own, which is a Jupyter kernel with a folder, a home and limits of its own. The kernel
knows one message more than others, ``submission_request``: run this notebook up to the check of an
exercise, and check the answer with the package's own code.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ipykernel.kernelapp import IPKernelApp
from IPython.core.interactiveshell import InteractiveShell

import delog_nb
from delog_nb.grading.answers import Cell, plan
from delog_nb.grading.guard import Guard, Originals, limit

REQUEST, REPLY = "submission_request", "submission_reply"
CONNECTION, WORK, HOME, TEMPORARY = "kernel.json", "work", "home", "tmp"
_LONGEST = 400  # characters of a message
# What checks may use, besides this package: as it was before the answer ran.
_TRUSTED = ["builtins", "copy", "inspect", "json", "math", "numpy", "random", "statistics"]
_TRUSTED += ["torch", "torch.nn", "torch.nn.functional"]


def serve() -> None:
    """Answer jobs from standard input until it ends; say what there is to check first."""
    jobs, answers = _own_pipes()
    _import_everything()
    from delog_nb.course.exercises import EXERCISES

    names = [n for n in sys.modules if n.split(".")[0] == "delog_nb"]
    originals = Originals([*names, *_TRUSTED])
    answers.write(json.dumps({name: asked.lesson for name, asked in EXERCISES.items()}) + "\n")
    answers.flush()
    for line in jobs:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                jobs.close()
                answers.close()
                _be_a_kernel(json.loads(line), originals)
                status = 0
            finally:
                os._exit(status)
        answers.write(f"{pid}\n")
        answers.flush()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        answers.write(f"{status}\n")
        answers.flush()


def _own_pipes() -> tuple[Any, Any]:
    """Standard input and output, out of reach of whatever reads or prints later."""
    pipes = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    return pipes


def _import_everything() -> None:
    for module in pkgutil.walk_packages(delog_nb.__path__, "delog_nb."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("sklearn.datasets", "ipykernel.ipkernel"):
        importlib.import_module(name)


def _be_a_kernel(job: Mapping[str, Any], originals: Originals) -> None:
    """Serve one request in the folder ``job["place"]``; ends when it is killed."""
    place = Path(job["place"])
    os.setsid()
    os.dup2(1, 2)
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(place / WORK)
    sys.path.insert(0, str(place / WORK))
    sys.dont_write_bytecode = True
    tempfile.tempdir = None
    random.seed()
    import torch

    torch.seed()
    torch.set_num_threads(1)
    limit(job["seconds"], job["memory"])
    app = IPKernelApp.instance(connection_file=str(place / CONNECTION), log_level="CRITICAL")
    app.initialize([])
    (place / CONNECTION).unlink(missing_ok=True)
    own = [place / folder for folder in (WORK, HOME, TEMPORARY)]
    guard = Guard(own, [Path(folder) for folder in job["hidden"]])
    _take_requests(app, guard, originals)
    guard.install()
    app.start()


def _take_requests(app: IPKernelApp, guard: Guard, originals: Originals) -> None:
    kernel, session, shell = app.kernel, app.kernel.session, InteractiveShell.instance()
    for name in ("showtraceback", "showsyntaxerror"):  # nobody sees them
        setattr(shell, name, lambda *_, **__: None)

    async def take(stream: Any, ident: Any, parent: Any) -> None:
        content = parent["content"]
        cells = [Cell(source, tuple(tags)) for source, tags in content["cells"]]
        result, message = await _judge(shell, cells, content["exercise"], originals)
        if guard.refused:
            result, message = "refused", "; ".join(dict.fromkeys(guard.refused))
        reply = {"result": result, "message": _clean(message)}
        session.send(stream, REPLY, reply, parent, ident=ident)

    kernel.shell_handlers[REQUEST] = take


async def _judge(
    shell: InteractiveShell, cells: Sequence[Cell], exercise: str, originals: Originals
) -> tuple[str, str]:
    """Result and message of an exercise; whatever submitted code raises is one."""
    from delog_nb.course.exercises import Result, check

    try:
        todo = plan(cells, exercise)
        if todo is None:
            return "missing", "no cell checks this exercise"
        raised: BaseException | None = None
        for code in todo.code:  # as in a notebook that is run in spite of errors
            ran = await shell.run_cell_async(
                code, transformed_cell=shell.transform_cell(code), store_history=False
            )
            raised = raised or ran.error_before_exec or ran.error_in_exec
        originals.put_back()
        try:
            answer = eval(todo.expression, shell.user_ns)
        except BaseException as error:  # noqa: BLE001 - a learner's name may be anything
            return "error", _told(raised or error)
        result: Result = check(exercise, answer)
    except BaseException as error:  # noqa: BLE001 - sys.exit() in an answer, too much recursion
        return "error", _told(error)
    if result.wrong is None:
        return "right", f"a cell raised {_told(raised)}" if raised else ""
    if raised is not None:
        return "error", _told(raised)
    return ("not yet" if result.answered else "to do"), result.wrong


def _told(error: BaseException) -> str:
    text = ""
    with contextlib.suppress(Exception):  # a learner's exception may raise when printed
        text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}".removesuffix(": ")


def _clean(message: str) -> str:
    """One line of printable characters, not too long."""
    text = "".join(c if c.isprintable() else "?" for c in message)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
