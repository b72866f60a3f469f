"""``delog-nb lab``: the lessons in a folder of one's own, open in JupyterLab."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from delog_nb.cli.shared.flags import path_of


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        nargs="?",
        type=path_of,
        default=Path("lessons"),
        help="folder to work in (default: lessons); what is there is never written over",
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="bring the lessons of this version: beside those that you have changed",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print JupyterLab's address, open no browser"
    )
    parser.add_argument("--no-open", action="store_true", help="copy, do not start JupyterLab")


def run(values: argparse.Namespace) -> int:
    """Copy what is missing, then be JupyterLab until it ends."""
    if not values.no_open:
        from jupyterlab.labapp import LabApp

    from delog_nb.course.copying import copy_course

    folder: Path = values.folder
    done = copy_course(folder, values.update)
    if done.new:
        print(f"{_files(done.new)} copied to {folder}")
    if done.renewed:
        print(f"{_files(done.renewed)}, unchanged since copied, replaced by this version's")
    for name, beside in done.beside.items():
        print(f"{folder / name} stays as you changed it; this version's is {beside}")
    if done.older:
        print(
            f"{_files(done.older)} in {folder} left, not as in this version: --update brings this "
            f"version's, beside what you changed"
        )
    if values.no_open:
        return 0
    words = ["--LabApp.default_url=/lab/tree/00_start.ipynb"]  # in the printed address, too
    if values.no_browser:
        words.append("--no-browser")
    # JupyterLab refuses root, which is who one is in a container
    if getattr(os, "geteuid", lambda: None)() == 0:
        words.append("--allow-root")
    os.chdir(folder)
    sys.stdout.flush()
    LabApp.launch_instance(words)
    return 0


def _files(names: list[str]) -> str:
    return "1 file" if len(names) == 1 else f"{len(names)} files"
