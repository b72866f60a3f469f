"""``delog-nb runs``: list, compare or remove records."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from delog_nb.experiment import PARAMETERS, ExperimentError, closest

if TYPE_CHECKING:
    from delog_nb.records import Record


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        default="list",
        metavar="{list,compare,rm}",
        help="list: a line a run; compare: mean and deviation over seeds; "
        "rm: remove the runs' own files, after asking",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), help="folder of the runs (default: runs)"
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="only runs with this value of a field of Experiment; repeat for more",
    )
    parser.add_argument("--yes", action="store_true", help="rm: do not ask")
    parser.add_argument("--dry-run", action="store_true", help="rm: say what would go, and stay")


def run(values: argparse.Namespace) -> int:
    """Show or remove the records that were asked for."""
    actions = {"list": _list, "compare": _compare, "rm": _remove}
    if values.action not in actions:
        raise ExperimentError(
            f"runs {values.action!r} is not allowed: one of {', '.join(actions)}"
            f"{closest(values.action, actions)}"
        )
    if not values.out.is_dir():
        raise ExperimentError(f"{values.out} is not a folder: name one with --out")
    texts = [_condition(text) for text in values.where]

    from delog_nb import records

    found = []
    for item in records.find(values.out):
        if isinstance(item, ValueError):
            print(f"Skipped: {item}", file=sys.stderr)
        else:
            found.append(item)
    wanted = {name: _value(name, text, found) for name, text in texts}
    chosen = [r for r in found if all(r.experiment.get(n) == v for n, v in wanted.items())]
    if not chosen:
        print(f"No record in {values.out} matches", file=sys.stderr)
        return 1
    return actions[values.action](chosen, values)


def _condition(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise ExperimentError(f"where = {text!r} is not allowed: NAME=VALUE, as in method=al")
    return name, value


def _value(name: str, text: str, found: list[Record]) -> object:
    """What ``text`` says, as the records have it: nothing is asked of code that is not here."""
    if text == "None":
        return None
    known = {str(r.experiment.get(name)): r.experiment.get(name) for r in found}
    if text in known:
        return known[text]
    if name not in PARAMETERS:
        raise ExperimentError(
            f"where: there is no field {name!r}"
            f"{closest(name, PARAMETERS) or ': the fields are ' + ', '.join(PARAMETERS)}"
        )
    try:
        return PARAMETERS[name].check(text)
    except ValueError as error:
        raise ExperimentError(str(error)) from None


def _list(chosen: list[Record], _: argparse.Namespace) -> int:
    from delog_nb.records.summary import outcome, precisions

    for record in chosen:
        result = outcome(record, "{percent:.2f} % after {epochs} epochs")
        print(f"{record.folder}  {result}, {precisions([record])}, {record.finished}")
    return 0


def _compare(chosen: list[Record], _: argparse.Namespace) -> int:
    from delog_nb.records.summary import side_by_side, summary, summary_for_people

    print(side_by_side(summary_for_people(summary(chosen))))
    return 0


def _remove(chosen: list[Record], values: argparse.Namespace) -> int:
    from delog_nb.records.removal import removal, remove

    # the deepest first: a record inside of another one's folder is no foreign file by then
    folders = sorted((r.folder for r in chosen if r.folder), key=lambda f: -len(f.parts))
    print(*(removal(folder, values.out) for folder in reversed(folders)), sep="\n")
    if values.dry_run:
        return 0
    if not values.yes:
        print(f"Remove these {len(folders)} runs for good? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("Nothing was removed")
            return 1
    for folder in folders:
        try:
            remove(removal(folder, values.out))
        except OSError as error:
            raise ExperimentError(f"cannot remove {folder}: {error.strerror or error}") from error
    print(f"Removed {len(folders)} runs")
    return 0
