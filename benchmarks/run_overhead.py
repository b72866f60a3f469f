"""What a run of a grid costs beyond its training: with a notebook, and in the worker itself.

``python benchmarks/run_overhead.py [RUNS]`` prints seconds and peak memory; lower is better. Use an
otherwise idle machine.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import psutil

from delog_nb import Experiment, records
from delog_nb.grids.sweep import sweep
from delog_nb.grids.workers import Workers
from delog_nb.instruments.course_files import EXPERIMENT
from delog_nb.instruments.machine import machine


def measure(count: int, notebook: Path | None) -> str:
    """One worker, so that seconds are a run's own; the first run warms up and is left out."""
    experiments = [Experiment(preset="lesson", width=0.25, seed=seed) for seed in range(count + 1)]
    with tempfile.TemporaryDirectory() as folder, Workers(1) as workers:
        outcomes = sweep(experiments, Path(folder), workers, notebook=notebook).outcomes
        made = [outcomes[e.run_id] for e in experiments[1:]]
        training = [
            sum((row["seconds"] or 0) + (row["eval_seconds"] or 0) for row in history)
            for history in (records.load(Path(folder) / o.run_id).history for o in made)
        ]
    beyond = sum(outcome.seconds for outcome in made) - sum(training)
    driver = psutil.Process().memory_info().rss / 1e6
    return (
        f"{beyond / count:.2f} s a run beyond {sum(training) / count:.2f} s of training "
        f"({100 * beyond / sum(training):.0f} %), peak memory {made[-1].peak_mb:.0f} MB, "
        f"driver {driver:.0f} MB, n = {count}"
    )


if __name__ == "__main__":
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(machine())
    print("in the worker:  ", measure(runs, None))
    print("with a notebook:", measure(runs, EXPERIMENT))
