"""`Experiment` as papermill's parameters: the cell of ``notebooks/experiment.ipynb``.

``python -m delog_nb.grids.notebook NOTEBOOK`` writes the cell anew after a change of the schema.
"""

import ast
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delog_nb.experiment import (
    PARAMETERS,
    DelogError,
    Experiment,
    ExperimentError,
    Option,
    closest,
)
from delog_nb.experiment.fields import shown
from delog_nb.experiment.plugins import read
from delog_nb.experiment.registry import use
from delog_nb.instruments.files import write_atomically
from delog_nb.training import planned

_MARK = "# Parameters"  # papermill's own cell of what was passed begins with it, too
_TYPES = {"choice": "str", "text": "str", "path": "str"}
_FIRST = ("preset", "method", "seed", "dataset", "net")  # the choices that every run names
# the notebook's parameters beyond the experiment: name, type, default, help
_OWN: tuple[tuple[str, str, Any, str], ...] = (
    ("plugins", "list", [], "files that define methods, nets or data sets of one's own"),
    ("out", "str", "runs", "folder for the record, the history and the checkpoint"),
    ("keep_checkpoint", "bool", True, "keep the trained weights when the notebook has ended"),
)

PLUGIN = Option("plugins", "", "a file of a plug-in", kind="path")


class ParameterError(ExperimentError):
    """A parameter that the notebook cannot have; shown without a traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [f"{type(self).__name__}: {self}"]


def cell() -> str:
    """The source of the parameters cell.

    >>> print(next(line for line in cell().splitlines() if line.startswith("seed")))
    seed: int = 0  # seed of every random choice; a whole number from 0 to 2147483647
    """
    lines = [_MARK + " (None: the preset's choice, or the default that the comment names)"]
    group = ""
    for parameter in PARAMETERS.values():
        if parameter.group != group:
            group = parameter.group
            lines += ["", f"# {group.capitalize()}"]
        kind = _TYPES.get(parameter.kind, parameter.kind)
        # papermill cannot read a comment that holds "="
        text = f"{parameter.help}; {parameter.allowed}".replace(" = ", ": ")
        if parameter.name in _FIRST:
            lines.append(f"{parameter.name}: {kind} = {parameter.default!r}  # {text}")
        else:
            lines.append(
                f"{parameter.name}: {kind} = None  # {text}; default: {parameter.default_text}"
            )
    lines += ["", "# This notebook"]
    lines += [f"{name}: {kind} = {value!r}  # {text}" for name, kind, value, text in _OWN]
    return "\n".join(lines)


def experiment_from(namespace: Mapping[str, Any]) -> Experiment:
    """The experiment that the notebook's parameters describe, planned.

    Args:
        namespace: the notebook's ``globals()``

    Raises:
        ParameterError: a value that is not allowed, or a name that is no parameter: papermill
            itself sets unknown names and says nothing.
    """
    for name, kind, *_ in _OWN:
        if type(namespace[name]).__name__ != kind:
            what = {"str": "a text", "bool": "True or False", "list": "a list of paths"}[kind]
            raise ParameterError(f"{name} = {shown(namespace[name])} is not allowed: {what}")
    try:
        for path in namespace["plugins"]:
            use(read(PLUGIN.check(path)))
        known = [*PARAMETERS, *(name for name, *_ in _OWN)]
        for name in _assigned(namespace.get("In", [])):
            if name not in known:
                hint = closest(name, known) or f": the parameters are {', '.join(known)}"
                raise ParameterError(f"there is no parameter {shown(name)}{hint}")
        return planned(Experiment(**{name: namespace.get(name) for name in PARAMETERS}))
    except (DelogError, ValueError) as error:  # ValueError: `Option.check`
        raise ParameterError(str(error)) from None


def _assigned(cells: list[str]) -> list[str]:
    """The names that parameter cells assign to."""
    return [
        node.id
        for source in cells
        if source.lstrip().startswith(_MARK)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def write(notebook: Path) -> None:
    """Put `cell` into the notebook's cell that is tagged ``parameters``."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    for notebook_cell in content["cells"]:
        if "parameters" in notebook_cell["metadata"].get("tags", []):
            notebook_cell["source"] = cell().splitlines(keepends=True)
    with write_atomically(notebook) as file:
        text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True)
        file.write((text + "\n").encode())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
