"""What the benchmarks share: interleaved timing, agreement, goals, tables, JSON."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from delog_nb.components import Batch, Method
from delog_nb.data import ImageData, Split
from delog_nb.instruments.files import write_atomically
from delog_nb.instruments.machine import machine, versions
from delog_nb.training import autocast, local_losses, train_step

Row = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """Something to time: what is called, the context it runs in, calls before the timed one."""

    call: Callable[[], object]
    context: Callable[[], AbstractContextManager[Any]] = nullcontext
    warm: int = 0


def interleaved(turns: Mapping[str, Turn], rounds: int) -> dict[str, list[float]]:
    """Seconds of each turn in each of ``rounds`` rounds, all turns one after another in a round.

    What else the machine does then falls on all of them alike. One round before warms up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for round_ in range(-1, rounds):
        for name, turn in turns.items():
            with turn.context():
                for _ in range(turn.warm):
                    turn.call()
                begin = time.perf_counter()
                turn.call()
                if round_ >= 0:
                    seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Median over rounds of slow / fast: both of a round saw the same machine."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def difference(found: Tensor, expected: Tensor) -> float:
    """|found - expected| / |expected|, in float64."""
    expected = expected.double()
    return float((found.double() - expected).norm() / expected.norm())


def agree(what: str, error: float, most: float) -> None:
    """Stop before anything is timed if two ways to compute ``what`` differ by more than ``most``.

    Raises:
        SystemExit: they do.
    """
    if not error <= most:
        raise SystemExit(f"{what}: results differ by {error:.2g}, at most {most:g} is allowed")


@dataclass(frozen=True)
class Goal:
    """A figure beside what it should reach."""

    text: str
    reached: str
    met: bool


@dataclass
class Report:
    """What one benchmark found."""

    name: str
    title: str
    note: str
    rows: list[Row] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    def at_least(self, text: str, values: Sequence[float], least: float) -> None:
        """A goal that the smallest of ``values`` has to reach."""
        value = min(values)
        self.goals.append(Goal(text, f"{value:.2f} (smallest)", value >= least))

    def at_most(self, text: str, values: Sequence[float], most: float) -> None:
        """A goal that the largest of ``values`` has to keep to."""
        value = max(values)
        self.goals.append(Goal(text, f"{value:.3g} (largest)", value <= most))

    def text(self) -> str:
        """As Markdown: what is compared, the table, the goals."""
        goals = [
            f"- {'met' if goal.met else 'NOT MET'}: {goal.text}; reached {goal.reached}"
            for goal in self.goals
        ]
        return "\n\n".join([self.note, table(self.rows), "\n".join(goals)])


def table(rows: Sequence[Row]) -> str:
    """Rows of one kind as a Markdown table, columns aligned."""
    head = list(rows[0])
    cells = [head, *([_cell(row[name]) for name in head] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(head))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return "" if value is None else str(value)


def facts() -> dict[str, Any]:
    """The machine, and the versions of this package, of what it stands on and of its peers."""
    return {"machine": machine(), "versions": versions("pytorch-metric-learning", "kornia")}


def child(code: str, *words: str) -> str:
    """What ``code`` prints in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def save(path: Path, reports: Sequence[Report]) -> None:
    """The reports with machine and versions, as JSON."""
    content = facts() | {"benchmarks": [asdict(report) for report in reports]}
    with write_atomically(path) as file:
        file.write(json.dumps(content, indent=1).encode())


def command(measure: Callable[[], Report], missing: str = "") -> None:
    """The command line of one benchmark; where it cannot run, ``missing`` says so in one line."""
    parser = argparse.ArgumentParser(description=(sys.modules[measure.__module__].__doc__ or ""))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    if missing:
        print(missing)
        return
    report = measure()
    print(f"# {report.title}\n\n{report.text()}\n\n{torch.get_num_threads()} threads")
    if options.json is not None:
        save(options.json, [report])


def made_up(train: int, test: int, classes: int = 10, side: int = 32) -> ImageData:
    """Random images, of CIFAR-10's shape unless said otherwise."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> Split:
        pixels = torch.randint(
            0, 256, (count, side, side, 3), dtype=torch.uint8, generator=generator
        )
        labels = torch.randint(0, classes, (count,), generator=generator)
        return Split(pixels.permute(0, 3, 1, 2), labels)

    names = tuple(str(label) for label in range(classes))
    return ImageData(split(train), split(0), split(test), names, (0.5,) * 3, (0.29,) * 3)


def ours(
    method: Method,
    optimizers: list[torch.optim.Optimizer],
    r: Tensor,
    labels: Tensor,
    precision: str = "float32",
) -> list[Tensor]:
    """A step as the package takes it on views ``r``; the losses of all components."""
    context = autocast(r.device, precision)
    batch = Batch.of(labels, inputs=r if "inputs" in method.needs else None)
    flow = local_losses(method.parts(), r, batch, context)
    del r  # freed after the component that uses it
    return train_step(method.parts(), optimizers, flow)[2]
