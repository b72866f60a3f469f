"""What a run will take, as said before it: `python -m benchmarks.estimate`."""

from __future__ import annotations

import time

from benchmarks.common import Report, command
from delog_nb import Experiment, train
from delog_nb.experiment.registry import METHODS
from delog_nb.measure.estimate import estimate

WIDTHS = {"convnet": 0.5, "resnet": 0.25}
EPOCHS = 3  # of the preset's 8: time is in proportion


def measure() -> Report:
    """Every method on two nets at lesson size, on the digits."""
    report = Report(
        "estimate",
        "What a run will take, said before it",
        "`delog_nb.measure.estimate` times a few steps and counts memory; then the run is made, at "
        f"lesson size on the digits, {EPOCHS} epochs.",
    )
    for net, width in WIDTHS.items():
        for method in METHODS:
            if net in METHODS[method].refuses:
                continue
            experiment = Experiment(net=net, method=method, width=width, epochs=EPOCHS)
            said = estimate(experiment)
            begin = time.perf_counter()
            made = train(experiment)
            seconds = time.perf_counter() - begin
            report.rows.append(
                {
                    "net": net,
                    "method": method,
                    "said (s)": said.seconds,
                    "taken (s)": seconds,
                    "said / taken, time": (said.seconds or 0) / seconds,
                    "said (MB)": said.megabytes,
                    "taken (MB)": made.peak_train_mb,
                    "said / taken, memory": said.megabytes / (made.peak_train_mb or 1),
                }
            )
    for what in ("time", "memory"):
        ratios = [row[f"said / taken, {what}"] for row in report.rows]
        report.at_most(f"{what} within 30 %", [max(ratio, 1 / ratio) - 1 for ratio in ratios], 0.3)
    return report


if __name__ == "__main__":
    command(measure)
