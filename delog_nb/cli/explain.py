"""``delog-nb explain``: a method's file, its formulas beside the lines that compute them."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import delog_nb
from delog_nb.cli.shared.flags import add_plugin_flag
from delog_nb.experiment import PARAMETERS, ExperimentError
from delog_nb.experiment.entries import MethodEntry
from delog_nb.experiment.registry import METHODS
from delog_nb.instruments.annotated import as_text, definition, imported, passages
from delog_nb.instruments.files import read_text

SHOWN = "delog_nb.losses", "delog_nb.methods"  # what is taken from these is shown, too
EVERY = "component", "declare", "batch"  # but not what every method takes


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", help=f"one of {', '.join(METHODS)}")
    add_plugin_flag(parser)


def run(values: argparse.Namespace) -> int:
    """Print the file, and the losses and objectives that it takes from others."""
    if values.method not in METHODS:
        raise ExperimentError(PARAMETERS["method"].refusal(values.method))
    width = shutil.get_terminal_size().columns
    place, source = source_of(METHODS[values.method])
    texts = [f"# {place}", as_text(passages(source), width)]
    for path, text in taken(source):
        texts += [f"# {_place(path)}", as_text(passages(text), width)]
    print("\n".join(texts), end="")
    return 0


def source_of(entry: MethodEntry) -> tuple[str, str]:
    """Where a method is defined, and the text of that file, or of a plug-in's cell."""
    if entry.plugin:
        return entry.plugin.name, entry.plugin.source
    path = _file(entry.module)
    return _place(path), read_text(path)


def taken(source: str) -> list[tuple[Path, str]]:
    """The losses and objectives that a file takes from the package: (file, definition)."""
    found = []
    for module, name in imported(source):
        if module.startswith(SHOWN) and not module.endswith(EVERY):
            file = _file(module)
            for path in sorted(file.parent.glob("*.py")) if file.stem == "__init__" else [file]:
                text = definition(read_text(path), name)
                found += [(path, text)] if text else []
    return found


def _place(path: Path) -> str:
    return "/".join(path.parts[-3:])


def _file(module: str) -> Path:
    """A module's file; to look it up would import its room, and torch."""
    path = Path(delog_nb.__file__).parents[1].joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
