"""The command line, ``delog-nb`` or ``python -m delog_nb``."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from delog_nb.cli.shared.flags import Parser, use_plugins
from delog_nb.experiment import DelogError, ExperimentError
from delog_nb.experiment.plugins import failure

# command: one line of help. The module of its name (_ for -) adds its flags and runs it.
COMMANDS = {
    "lab": "copy the lessons to a folder and open them in JupyterLab",
    "compare": "train several methods on the same images and write a table and a page",
    "train": "train one method",
    "sweep": "run a grid of experiments on this machine or a cluster",
    "tables": "turn records into the paper's tables and figures",
    "runs": "list, compare or remove records",
    "probe": "measure what the features of finished runs still hold",
    "params": "print the parameter table",
    "methods": "show every method's loss, its cost beside BP's, and figures with their conditions",
    "claims": "show what was planned to test each claim, what was run, and what it came to",
    "power": "show which differences a number of seeds can decide",
    "explain": "show a method's file, its formulas beside the lines that compute them",
    "lessons": "run the lessons, measure them and store their outputs",
    "check-submissions": "check the exercises of a folder of submitted notebooks",
    "doctor": "check this installation",
}
# those in the room `course`
OF_THE_COURSE = ("lab", "claims", "power", "lessons", "check-submissions")
FAULT = 70  # the exit status of a fault of ours: EX_SOFTWARE of sysexits.h
# those that make runs, and the table of all methods
WITH_PLUGINS = ("compare", "train", "sweep", "probe", "params", "methods", "explain")


def _module(command: str) -> ModuleType:
    room = "delog_nb.cli.course" if command in OF_THE_COURSE else "delog_nb.cli"
    return import_module(f"{room}.{command.replace('-', '_')}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; errors are one sentence on standard error."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = Parser(
        prog="delog-nb",
        description="Train one network with and without end-to-end backpropagation.",
    )
    try:
        if words[:1] and words[0] in WITH_PLUGINS:
            use_plugins(words[1:])
        commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
        for name, line in COMMANDS.items():
            command = commands.add_parser(name, help=line, description=line)
            if name in words[:1]:  # the others' flags are not needed
                _module(name).add_flags(command)
        if not words:
            parser.print_help()
            return 0
        values = parser.parse_args(words)
        status: int = _module(values.command).run(values)
        sys.stdout.flush()
        return status
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "delog_nb":
            raise
        needs = f"{words[0]} needs {error.name}, which is not installed"
        print(f"delog-nb: {needs}: pip install 'delog_nb[lab]'", file=sys.stderr)
        return 2
    except DelogError as error:
        return _refused(error)
    except argparse.ArgumentError as error:  # of flags that are made, not of words that are read
        what = "an option of a plug-in has the name of another flag"
        return _refused(ExperimentError(f"{what}: {error}"))
    except KeyboardInterrupt:
        print("delog-nb: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has gone, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - a plug-in's; whatever is left is a fault of ours
        theirs = failure(error)
        return _refused(ExperimentError(theirs)) if theirs else _fault()


def _fault() -> int:
    """Show what is to be reported. Errors that users cause are of `DelogError`, and no fault."""
    from delog_nb.instruments.machine import versions

    traceback.print_exc()
    known = ", ".join(f"{name} {version}" for name, version in versions().items())
    print(
        f"delog-nb: this is a fault of delog_nb, not yours: please report it with the lines above "
        f"({known})",
        file=sys.stderr,
    )
    return FAULT


def _refused(error: DelogError) -> int:
    print(f"delog-nb: {error}", file=sys.stderr)
    return 2
