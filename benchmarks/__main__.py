"""All benchmarks one after another: ``python -m benchmarks [--write] [--json FILE]``."""

from __future__ import annotations

import argparse
import re
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import Report, facts, save
from delog_nb.instruments.files import write_atomically

NAMES: tuple[str, ...] = (
    "start",
    "loss",
    "views",
    "step",
    "memory",
    "epoch",
    "estimate",
    "pipeline",
    "scale",
)
if torch.cuda.is_available():
    NAMES += ("gpu",)
README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- figures: python -m benchmarks --write -->", "<!-- end of figures -->"


def section(report: Report) -> str:
    """A report as Markdown, with the machine and versions that it was made on."""
    found = facts()
    where: dict[str, Any] = found["machine"]
    taken = (
        f"Taken on {where['processor']}, {where['cores']} cores, {where['threads']} threads, "
        f"{where['memory_gb']} GB, {where['system']}; "
        + ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    )
    return f"## {report.title}\n\n{taken}.\n\n{report.text()}"


def write_readme(title: str, text: str) -> None:
    """Put the section ``title`` between the two marks of the README, in place of the old one."""
    page = README.read_text()
    before, _, rest = page.partition(BEGIN)
    inside, _, after = rest.partition(END)
    parts = [part.strip() for part in re.split(r"(?m)^(?=## )", inside)]
    kept = {part.partition("\n")[0]: part for part in parts if part.startswith("## ")}
    kept[f"## {title}"] = text
    with write_atomically(README) as file:
        file.write("\n\n".join([before + BEGIN, *kept.values(), END + after]).encode())


def main() -> int:
    """Run all, print each as it ends; returns 0 whether goals are met or not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"those to run: {', '.join(NAMES)} (default: all)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument(
        "--write", action="store_true", help=f"replace the figures in benchmarks/{README.name}"
    )
    options = parser.parse_args()
    reports: list[Report] = []
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(NAMES)}")
    for name in options.names or NAMES:
        begin = time.perf_counter()
        report = import_module(f"benchmarks.{name}").measure()
        reports.append(report)
        if options.write:  # at once: what is measured stays if the next one is interrupted
            write_readme(report.title, section(report))
        seconds = time.perf_counter() - begin
        print(f"# {report.title} ({seconds:.0f} s)\n\n{report.text()}\n", flush=True)
    if options.json is not None:
        save(options.json, reports)
    missed = sum(not goal.met for report in reports for goal in report.goals)
    print(f"{missed} goals not met", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
