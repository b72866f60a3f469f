"""Flags made from the fields of `Experiment` and the options of methods, nets and data sets."""

from __future__ import annotations

import argparse
import errno
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

from delog_nb.experiment import PARAMETERS, ExperimentError, closest
from delog_nb.experiment.plugins import import_packages, read
from delog_nb.experiment.registry import use


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one sentence, as everything else here does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        self.register("type", Path, path_of)

    def error(self, message: str) -> NoReturn:
        raise ExperimentError(f"{message}: see '{self.prog} --help'")

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        values, unknown = self.parse_known_args(args, namespace)
        if unknown:
            command = f"{self.prog} {getattr(values, 'command', '')}".strip()
            names = [name.replace("_", "-") for name in PARAMETERS]
            hint = closest(unknown[0].lstrip("-").partition("=")[0], names).replace("'", "")
            hint = hint.replace("did you mean ", "did you mean --")
            raise ExperimentError(
                f"{command} does not take {unknown[0]!r}{hint}: see '{command} --help'"
            )
        return values


def path_of(text: str) -> Path:
    """A path that a system could have, whether or not anything is there.

    Raises:
        ArgumentTypeError: it is too long, or has a zero byte.
    """
    try:
        Path(text).stat()
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            short = text if len(text) <= 60 else f"{text[:57]}..."
            why = getattr(error, "strerror", None) or error
            raise argparse.ArgumentTypeError(f"{short!r} is no path: {why}") from None
    return Path(text)


def use_plugins(words: Sequence[str]) -> None:
    """Run the plug-ins that ``words`` name: what they declare are names and flags of its own.

    Raises:
        ExperimentError: one cannot be read or run.
    """
    finder = Parser(prog="delog-nb", add_help=False)
    add_plugin_flag(finder)
    for path in finder.parse_known_args([word for word in words if word != "--help"])[0].plugin:
        use(read(path))
    import_packages()


def add_plugin_flag(parser: Any) -> None:
    """Code of one's own; `use_plugins` has run it before the flags are made."""
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="FILE",
        help="Python file that defines methods, nets or data sets; repeat for more",
    )


def add_experiment_flags(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """A flag for every choice of a run, with its help, unit and default; and ``--plugin``."""
    add_plugin_flag(parser)
    groups: dict[str, Any] = {}
    for parameter in PARAMETERS.values():
        if parameter.name in without:
            continue
        group = groups.setdefault(parameter.group, parser.add_argument_group(parameter.group))
        unit = f" [{parameter.unit}]" if parameter.unit else ""
        options: dict[str, Any] = {
            "dest": parameter.name,
            "default": None,
            "help": f"{parameter.help}{unit} (default: {parameter.default_text})",
        }
        if parameter.kind == "bool":
            options["action"] = argparse.BooleanOptionalAction
        elif parameter.choices:
            options["metavar"] = "{" + ",".join(parameter.choices) + "}"
        else:
            options["metavar"] = {"int": "N", "float": "X", "path": "PATH"}.get(
                parameter.kind, "TEXT"
            )
        group.add_argument("--" + parameter.name.replace("_", "-"), **options)


def plugin_words(values: argparse.Namespace) -> list[str]:
    """The plug-ins as they are written on a command line."""
    return [word for path in values.plugin for word in ("--plugin", path)]


def experiment_values(values: argparse.Namespace) -> dict[str, Any]:
    """What was given on the command line, by field of `Experiment`."""
    given = {name: getattr(values, name, None) for name in PARAMETERS}
    return {name: value for name, value in given.items() if value is not None}


def add_checkpoint_flag(parser: argparse.ArgumentParser) -> None:
    """How often a run's state is written, to go on from after an interruption."""
    parser.add_argument(
        "--checkpoint-every",
        default="60",
        metavar="S",
        help="seconds between two checkpoints at the end of an epoch; 0: every epoch (default: 60)",
    )


def checkpoint_seconds(values: argparse.Namespace) -> float:
    """The value of that flag. Raises `ExperimentError` unless it is a number of at least 0."""
    try:
        seconds = float(values.checkpoint_every)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ExperimentError(
            f"checkpoint-every = {values.checkpoint_every!r} is not allowed: a number of at least 0"
        )
    return seconds
