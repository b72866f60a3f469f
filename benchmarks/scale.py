"""What a training step costs as one thing grows: images, classes, depth, batch, components.

``python -m benchmarks.scale --out FOLDER`` also writes a page with a figure for each.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import Report, Row, made_up
from delog_nb import Experiment, train
from delog_nb.lab.charts.exhibit import Exhibit

# what grows, and its values
GROWS: dict[str, tuple[int, ...]] = {
    "images": (1000, 5000, 20_000, 50_000),
    "classes": (10, 50, 100, 200),
    "depth": (4, 16, 64, 256),
    "batch": (64, 256, 1024, 4096),
    "components": (1, 2, 5, 9, 17),
}
UNITS = {"images": "an epoch", "batch": "a step"}
SIDE, BATCH, STEPS = 8, 64, 4
# measured against: straight lines, and a loss that compares all pairs of a batch
MOST = {"images": 1.1, "classes": 0.3, "depth": 1.15, "batch": 1.5, "components": 0.6}


def point(what: str, value: int) -> tuple[float, float]:
    """Seconds of a step (of an epoch, where images grow) and its peak MB, by Delog-SCL."""
    images = value if what == "images" else STEPS * (value if what == "batch" else BATCH)
    choices: dict[str, Any] = {"width": 0.125, "batch_size": BATCH, "epochs": 2}
    choices |= {"image_size": SIDE, "val_fraction": 0.0, "precision": "float32"}
    choices |= {"images": {}, "classes": {}, "batch": {"batch_size": value}}.get(
        what, {"depth": 16, "width": 0.0625} | {what: value}
    )
    run = Experiment(preset="lesson", dataset="cifar10", **choices)
    data = made_up(images, 10, value if what == "classes" else 10, SIDE)
    done = train(run, data=data)
    seconds = float(done.history[-1]["seconds"] or math.nan)
    return seconds / (1 if what == "images" else STEPS), float(done.peak_train_mb or math.nan)


def exponent(values: Mapping[int, float]) -> float:
    """b of y = a x^b by least squares in logarithms."""
    x, y = np.log(list(values)), np.log(list(values.values()))
    return float(np.polyfit(x, y, 1)[0])


def measured() -> dict[str, dict[int, tuple[float, float]]]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {what: {v: point(what, v) for v in values} for what, values in GROWS.items()}
    finally:
        torch.set_num_threads(before)


def figures(found: Mapping[str, Mapping[int, tuple[float, float]]]) -> dict[str, Exhibit]:
    """Seconds against each of what grows, with the fitted exponent in the title."""
    from delog_nb.lab import lines

    drawn = {}
    for what, points in found.items():
        seconds = {value: s for value, (s, _) in points.items()}
        title = f"Seconds of {UNITS.get(what, 'a step')}: grow as {what} ^ {exponent(seconds):.2f}"
        drawn[what] = lines({"Delog-SCL": seconds}, title, what.capitalize(), "Seconds", log="xy")
    return drawn


def report_of(found: Mapping[str, Mapping[int, tuple[float, float]]]) -> Report:
    report = Report(
        "scale",
        "Scale",
        f"Delog-SCL on ConvNet, random images of {SIDE} x {SIDE}, one thread, float32: seconds of "
        "a step (of an epoch, where images grow) and its peak of live tensor bytes, parameters "
        "and optimizer included. exponent: b of a x^b by least squares. Depth and components on a "
        "narrower net; components are those of 16 blocks and a classifier. "
        "`python -m benchmarks.scale --out FOLDER` draws a figure for each.",
    )
    for what, points in found.items():
        seconds = {value: s for value, (s, _) in points.items()}
        memory = {value: mb for value, (_, mb) in points.items()}
        row: Row = {
            "grows": what,
            "from": min(points),
            "to": max(points),
            "ms": " | ".join(f"{1e3 * s:.3g}" for s in seconds.values()),
            "exponent of time": exponent(seconds),
            "MB": " | ".join(f"{mb:.3g}" for mb in memory.values()),
            "exponent of memory": exponent(memory),
        }
        report.rows.append(row)
        report.at_most(
            f"time grows with {what} by an exponent of at most {MOST[what]:g}",
            [row["exponent of time"]],
            MOST[what],
        )
    return report


def measure() -> Report:
    return report_of(measured())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write a page for each figure")
    folder: Path | None = parser.parse_args().out
    found = measured()
    report = report_of(found)
    print(f"# {report.title}\n\n{report.text()}")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for what, figure in figures(found).items():
            figure.save(folder / f"{what}.html")


if __name__ == "__main__":
    main()
