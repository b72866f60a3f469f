"""Flags made from the fields of `Experiment` and the options of methods, nets and data sets."""

from __future__ import annotations

import argparse
import errno
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from delog_nb.experiment import PARAMETERS, ExperimentError, closest
from delog_nb.experiment.fields import shown
from delog_nb.experiment.plugins import import_packages, read
from delog_nb.experiment.registry import use
from delog_nb.instruments.course_files import RESULTS


class Number(NamedTuple):
    """A number on a command line, between bounds; without ``low`` the command itself has one."""

    kind: type[int] | type[float]
    high: int
    low: int | None = None
    above: bool = False  # low itself is not allowed

    def read(self, name: str, value: Any) -> int | float:
        """``value``, a text or a number. Raises `ExperimentError` where it is not allowed."""
        try:
            if isinstance(value, str) and len(value) > _LONG:
                raise ValueError
            number = self.kind(value)
        except ValueError:
            number = math.nan
        low = -math.inf if self.low is None else self.low
        if low <= number <= self.high and not (self.above and number == low):
            return number
        noun = "a whole number" if self.kind is int else "a number"
        above = "" if self.low is None else f" {'above' if self.above else 'from'} {self.low}"
        up = f" {'and ' * self.above}up to {self.high:,}" if above else f" of at most {self.high:,}"
        said = f"{value:g}" if isinstance(value, float) else shown(value)
        raise ExperimentError(f"{flag(name)} = {said} is not allowed: {noun}{above}{up}")


_LONG = 30  # characters; a longer text is no number
_MESSAGE = 300  # characters of what argparse says
# every number that a command takes beside an experiment's choices, whichever command it is
NUMBERS = {
    "seeds": Number(int, 10_000, 1),
    "workers": Number(int, 1024, 1),
    "hours": Number(float, 100_000, 0, above=True),
    "checkpoint_every": Number(float, 1_000_000, 0),
    "pipeline": Number(int, 1024),
    "data_parallel": Number(int, 1024),
    "images": Number(int, 10_000_000, 1),
    "test_images": Number(int, 10_000_000, 1),
    "timeout": Number(int, 86_400),
    "memory": Number(float, 100_000),
    "spread": Number(float, 1_000_000, 0, above=True),
    "comparisons": Number(int, 1000, 1),
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one sentence, as everything else here does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        self.register("type", Path, path_of)

    def error(self, message: str) -> NoReturn:
        short = message if len(message) <= _MESSAGE else f"{message[:_MESSAGE]}..."
        raise ExperimentError(f"{short}: see '{self.prog} --help'")

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
                f"{command} does not take {shown(unknown[0])}{hint}: see '{command} --help'"
            )
        for name, number in NUMBERS.items():
            given = getattr(values, name, None)
            if isinstance(given, list):
                setattr(values, name, [number.read(name, text) for text in given])
            elif given is not None:
                setattr(values, name, number.read(name, given))
        return values


def flag(name: str) -> str:
    """A name as it is written on a command line."""
    return name.replace("_", "-")


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
            "help": f"{parameter.help}{unit} (default: {parameter.default_text})".replace(
                "%", "%%"
            ),
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
    """The value of that flag."""
    return float(values.checkpoint_every)


def add_workers_flag(parser: argparse.ArgumentParser) -> None:
    """``--workers``: how many runs are made at a time."""
    parser.add_argument(
        "--workers",
        metavar="N",
        help="runs at a time on this machine, each a process with one thread (default: as many "
        "as there are cores, or GPUs)",
    )


def add_results_flag(parser: argparse.ArgumentParser) -> None:
    """``--results``: where the studies of the evidence are."""
    parser.add_argument(
        "--results",
        type=path_of,
        default=RESULTS,
        help="folder of the studies, and of the pilot cpu/ (default: those of the course)",
    )


def results_folder(values: argparse.Namespace) -> Path:
    """That folder. Raises `ExperimentError` where there is none."""
    folder: Path = values.results
    if not folder.is_dir():
        raise ExperimentError(f"{folder} is not a folder: name the one of the studies")
    return folder


def add_track_flag(parser: argparse.ArgumentParser) -> None:
    """``--track``: see `delog_nb.records.tracking`."""
    parser.add_argument(
        "--track",
        metavar="TRACKER",
        help="show each epoch in tensorboard, mlflow or trackio, too, while runs are trained",
    )


def add_force_flag(parser: argparse.ArgumentParser) -> None:
    """Whether `delog_nb.measure.estimate.check_memory` is asked."""
    parser.add_argument(
        "--force", action="store_true", help="go on where the memory that is free is too little"
    )
