"""``delog-nb explain``: a method's file, its formulas beside the lines that compute them."""

from __future__ import annotations

import argparse
import shutil

from delog_nb.cli.shared.flags import add_plugin_flag
from delog_nb.experiment import PARAMETERS, ExperimentError
from delog_nb.experiment.entries import MethodEntry
from delog_nb.experiment.registry import METHODS
from delog_nb.instruments.annotated import as_text, file_of, passages, place_of, taken
from delog_nb.instruments.files import read_text


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
        texts += [f"# {place_of(path)}", as_text(passages(text), width)]
    print("\n".join(texts), end="")
    return 0


def source_of(entry: MethodEntry) -> tuple[str, str]:
    """Where a method is defined, and the text of that file, or of a plug-in's cell."""
    if entry.plugin:
        return entry.plugin.name, entry.plugin.source
    path = file_of(entry.module)
    return place_of(path), read_text(path)
