"""A pipeline of two stages beside one process on the same cores: what is predicted, what is found.

Both cases are trained by Delog-SCL. `delog_nb.pipeline.race` makes the runs: one process, then a
pipeline, one thread each, on the same batches, with the same weights at the end to the last bit.
"""

from __future__ import annotations

from benchmarks.common import Report, agree, command
from delog_nb import Experiment
from delog_nb.pipeline.race import race

BATCH, BATCHES, EPOCHS = 32, 16, 3  # one epoch warms up
CASES = {
    "ConvNet": {},
    "deep stack, 16 blocks": {"depth": 16, "width": 0.5, "norm": "batch", "pool": 4},
}


def experiment_of(case: str) -> Experiment:
    """The paper's recipe on digits of CIFAR's size."""
    return Experiment(
        preset="paper",
        dataset="digits",
        image_size=32,
        method="delog-scl",
        batch_size=BATCH,
        epochs=EPOCHS,
        val_fraction=0.0,
        **CASES[case],
    )


def measure() -> Report:
    report = Report(
        "pipeline",
        "Pipeline",
        f"Images a second, ConvNet of the paper and a stack of 16 narrow blocks, Delog-SCL, "
        f"{BATCHES} batches of {BATCH} images of 32 x 32 an epoch, float32. one: one process, one "
        f"thread; two threads: one process; stages: two processes, one thread each. predicted: "
        f"Table 1 simulated from the time that a batch takes in each stage while both compute, and "
        f"from the link's. bubble: share of the stages' time without work; "
        f"(K - 1) / (K - 1 + B) if stages were equal: {100 / (1 + BATCHES):.1f} %. K (1 - bubble): "
        f"what the pipeline can be at most, times one process. Weights at the end are those of one "
        f"process to the last bit, with four stages on these cores, too.",
    )
    for case in CASES:
        experiment = experiment_of(case)
        four = race(experiment, stages=4, batches=2, epochs=2)
        found = race(experiment, stages=2, batches=BATCHES, epochs=EPOCHS)
        agree(f"{case}: weights", float(not (found.same_weights and four.same_weights)), 0)
        one, stages, two_threads = found.rates
        predicted = found.predicted
        report.rows.append(
            {
                "net": case,
                "one": one,
                "two threads": two_threads,
                "stages": stages,
                "stages x": stages / one,
                "predicted": BATCH * BATCHES / predicted.makespan,
                "K (1 - bubble)": 2 * (1 - found.measured.bubble),
                "bubble": f"{found.measured.bubble:.1%}",
                "bubble predicted": f"{predicted.bubble:.1%}",
                "stages ms": " | ".join(f"{1e3 * seconds:.0f}" for seconds in found.together),
                "link ms": 1e3 * found.link,
            }
        )
    rows = report.rows
    off = [100 * abs(row["stages"] / row["predicted"] - 1) for row in rows]
    report.at_most("prediction off by at most 10 %", off, 10)
    report.at_least(
        "two stages at least 1.65 x one thread", [row["stages x"] for row in rows], 1.65
    )
    over = [row["stages x"] / row["K (1 - bubble)"] for row in rows]
    report.at_most("two stages at most K (1 - bubble) x one thread (share of it)", over, 1)
    return report


if __name__ == "__main__":
    command(measure)
