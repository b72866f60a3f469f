"""All benchmarks one after another: ``python -m benchmarks [--write] [--json FILE]``."""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import Report, facts, save
from delog_nb.files import write_atomically

NAMES: tuple[str, ...] = ("loss", "views", "step", "memory", "epoch", "estimate")
if torch.cuda.is_available():
    NAMES += ("gpu",)
README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- figures: python -m benchmarks --write -->", "<!-- end of figures -->"


def figures(reports: list[Report]) -> str:
    """The last figures as Markdown, with the machine and versions they were taken on."""
    found = facts()
    where: dict[str, Any] = found["machine"]
    lines = [
        f"Taken on {where['processor']}, {where['cores']} cores, {where['threads']} threads, "
        f"{where['memory_gb']} GB, {where['system']}, {where['gpu'] or 'no GPU'}.",
        ", ".join(f"{name} {version}" for name, version in found["versions"].items()) + ".",
    ]
    return "\n\n".join([*lines, *(f"## {r.title}\n\n{r.text()}" for r in reports)])


def write_readme(text: str) -> None:
    """Put ``text`` between the two marks of the README."""
    page = README.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    with write_atomically(README) as file:
        file.write(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}".encode())


def main() -> int:
    """Run all, print each as it ends; returns 0 whether goals are met or not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument(
        "--write", action="store_true", help=f"replace the figures in benchmarks/{README.name}"
    )
    options = parser.parse_args()
    reports: list[Report] = []
    for name in NAMES:
        begin = time.perf_counter()
        report = import_module(f"benchmarks.{name}").measure()
        reports.append(report)
        seconds = time.perf_counter() - begin
        print(f"# {report.title} ({seconds:.0f} s)\n\n{report.text()}\n", flush=True)
    if options.json is not None:
        save(options.json, reports)
    if options.write:
        write_readme(figures(reports))
    missed = sum(not goal.met for report in reports for goal in report.goals)
    print(f"{missed} goals not met", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
