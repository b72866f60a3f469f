"""The pipeline beside the ordinary loop on the same cores.

    python benchmarks/pipeline.py --json pipeline.json

For a ConvNet of the paper and for a deep stack of narrow blocks, both trained by Delog-SCL on
random images of CIFAR's size: images per second of the ordinary loop with one and with two threads
and of a pipeline of two stages with one thread each, medians over epochs after one that warms up.
Every way first trains the same few steps, and nothing is reported unless the pipeline's losses are
those of the one-thread loop to the last bit.

Beside the bubble that was measured stand (K-1)/(K-1+B) and what `delog_nb.pipeline.schedule`
predicts from the components' own times. Those are measured on both cores at once before the run,
because in the run the stages share memory and caches, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.distributed as dist

from delog_nb import Experiment, train
from delog_nb.components.component import Method
from delog_nb.data import ImageData, Split
from delog_nb.instruments.machine import machine, versions
from delog_nb.pipeline import Pipeline, joined, launch
from delog_nb.pipeline.schedule import table_1

STAGES = 2
CASES = {
    "ConvNet": {"preset": "paper", "batch_size": 32},
    "deep stack, 16 blocks": {
        "preset": "paper",
        "batch_size": 32,
        "depth": 16,
        "width": 0.5,
        "norm": "batch",
        "pool": 4,
    },
}
WAYS = {"one thread": ("loop", 1), "two threads": ("loop", 2), "two stages": ("pipeline", 1)}


def images(count: int) -> ImageData:
    """``count`` random training images like CIFAR-10's, and a few to test on."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> Split:
        pixels = torch.randint(0, 256, (count, 32, 32, 3), generator=generator, dtype=torch.uint8)
        labels = torch.randint(0, 10, (count,), generator=generator)
        return Split(pixels.permute(0, 3, 1, 2), labels)

    classes = tuple(str(digit) for digit in range(10))
    return ImageData(split(count), split(0), split(10), classes, (0.5,) * 3, (0.25,) * 3)


def experiment(case: str, epochs: int) -> Experiment:
    choices: dict[str, Any] = {"dataset": "cifar10", "method": "delog-scl", "val_fraction": 0.0}
    choices |= {"device": "cpu", "precision": "float32", "epochs": epochs}
    return Experiment(**choices, **CASES[case])


class Noted(Pipeline):
    """Notes, for every epoch, the seconds of this stage and how long it waited for the other."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[tuple[float, float]] = []
        self.peaks: list[float] = []

    def waited(self) -> float:
        return sum(end.waited for end in (self.inlet, self.outlet) if end)

    def begin(self, counts: list[int]) -> None:
        super().begin(counts)
        self.start, self.before = time.perf_counter(), self.waited()

    def collect(self, method: Method) -> None:
        self.epochs.append((time.perf_counter() - self.start, self.waited() - self.before))
        super().collect(method)

    def gather(self, value: Any) -> list[Any]:
        found = super().gather(value)
        if isinstance(value, float):
            self.peaks = found
        return found


def link_seconds(size: int, rank: int) -> float:
    """Seconds that a message of ``size`` bytes takes from rank 0 to rank 1."""
    message, taken = torch.zeros(size, dtype=torch.uint8), []
    for _ in range(6):
        dist.barrier()
        begin = time.perf_counter()
        work = dist.isend(message, 1) if rank == 0 else dist.irecv(message, 0)
        if work:
            work.wait()
        taken.append(time.perf_counter() - begin)
    return median(taken[1:])


def work(way: str, case: str, epochs: int, steps: int, file: Path) -> None:
    """One way of training in this process (or as one of the ranks); its figures go to ``file``."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    batch = experiment(case, 1).batch_size
    few, many = images(3 * batch), images(steps * batch)
    if way == "loop":
        check = train(experiment(case, 1), data=few)
        run = train(experiment(case, epochs), data=many)
        figures: dict[str, Any] = {"peak_mb": [run.peak_train_mb]}
    else:
        with joined():
            check = train(experiment(case, 1), data=few, team=Pipeline())
            team = Noted()
            run = train(experiment(case, epochs), data=many, team=team)
            figures = stage_figures(team, batch)
            if not team.reports:
                return
    losses = [value for name, value in check.history[0].items() if name.startswith("loss_")]
    rates = [row["images_per_s"] for row in run.history[1:]]
    figures |= {"losses": losses, "images_per_s": median(float(rate or 0) for rate in rates)}
    file.write_text(json.dumps(figures))


def stage_figures(team: Noted, batch: int) -> dict[str, Any]:
    """What the stages say of themselves, on every rank; the last one's answer is whole."""
    sent = team.outlet.layout.size(2 * batch) if team.outlet else 0
    link_bytes = team.share_from(0, sent)
    every = team.gather(team.epochs) or [team.epochs]
    seconds = team.seconds
    bubbles = []
    for stages in zip(*(epochs[1:] for epochs in every), strict=True):
        makespan = max(taken for taken, _ in stages)
        busy = sum(taken - waited for taken, waited in stages)
        bubbles.append(1 - busy / (len(stages) * makespan))
    return {
        "components": team.runs,
        "component_s": seconds,
        "stage_s": [sum(seconds[a:b]) for a, b in team.runs],
        "link_bytes": link_bytes,
        "link_s": link_seconds(link_bytes, team.rank),
        "bubble": median(bubbles),
        "peak_mb": team.peaks,
    }


def run_case(case: str, epochs: int, steps: int) -> dict[str, Any]:
    """All ways of training a case, each in processes of its own."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (way, threads) in WAYS.items():
            file = Path(folder) / f"{name}.json"
            words = [__file__, "--worker", way, case, str(file)]
            words += ["--epochs", str(epochs), "--steps", str(steps)]
            os.environ["OMP_NUM_THREADS"] = str(threads)
            if way == "loop":
                subprocess.run([sys.executable, *words], check=True)
            elif launch(words, STAGES):
                raise SystemExit("the pipeline failed")
            found[name] = json.loads(file.read_text())
    if found["two stages"]["losses"] != found["one thread"]["losses"]:
        raise SystemExit(f"{case}: the pipeline and the loop do not agree: nothing is reported")
    return found | judged(found, experiment(case, 1).batch_size, steps)


def judged(found: dict[str, Any], batch: int, steps: int) -> dict[str, Any]:
    """What was measured beside what was predicted and what was to be reached."""
    stages = found["two stages"]
    rate = {name: found[name]["images_per_s"] for name in WAYS}
    # two buffers on each side of a link let three batches wait in it
    foreseen = table_1(stages["stage_s"], steps, stages["link_s"], queue=3)
    allowed = steps * batch / foreseen.makespan
    reached = rate["two stages"] / allowed
    ratios = {
        "over one thread": (rate["two stages"] / rate["one thread"], "at least 1.6"),
        "over two threads": (rate["two stages"] / rate["two threads"], "at least 1"),
        "of what the stage times allow": (reached, "at least 0.85"),
        "prediction off by": (abs(reached - 1), "at most 0.15"),
    }
    met = [
        value <= float(goal.split()[-1])
        if goal.startswith("at most")
        else value >= float(goal.split()[-1])
        for value, goal in ratios.values()
    ]
    return {
        "predicted": {"images_per_s": allowed, "bubble": foreseen.bubble},
        "formula_bubble": (STAGES - 1) / (STAGES - 1 + steps),
        "goals": {
            name: {"value": value, "goal": goal, "met": done}
            for (name, (value, goal)), done in zip(ratios.items(), met, strict=True)
        },
    }


def show(case: str, found: dict[str, Any], steps: int) -> None:
    stages, one = found["two stages"], found["one thread"]
    print(f"\n{case}: the pipeline's losses are the one-thread loop's to the last bit")
    for name in WAYS:
        print(f"  {name}: {found[name]['images_per_s']:.1f} images/s")
    print(f"  predicted: {found['predicted']['images_per_s']:.1f} images/s")
    spread = " | ".join(f"{first + 1}-{end}" for first, end in stages["components"])
    times = " | ".join(f"{1000 * second:.0f} ms" for second in stages["stage_s"])
    print(f"  components {spread}, a batch in {times}")
    print(
        f"  bubble: measured {100 * stages['bubble']:.1f} %, predicted "
        f"{100 * found['predicted']['bubble']:.1f} %, (K-1)/(K-1+B) "
        f"{100 * found['formula_bubble']:.1f} % with K = {STAGES}, B = {steps}"
    )
    print(
        f"  sent per batch: {stages['link_bytes'] / 1e6:.2f} MB in {1000 * stages['link_s']:.1f} ms"
    )
    peaks = " | ".join(f"{peak:.0f} MB" for peak in stages["peak_mb"])
    print(f"  peak of live tensors in a step: stages {peaks}; one process {one['peak_mb'][0]:.0f}")
    for name, goal in found["goals"].items():
        verdict = "met" if goal["met"] else "not met"
        print(f"  {name}: {goal['value']:.2f} ({goal['goal']}: {verdict})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    parser.add_argument("--epochs", type=int, default=4, help="one warms up (default: 4)")
    parser.add_argument("--steps", type=int, default=16, help="batches an epoch (default: 16)")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    values = parser.parse_args()
    if values.worker:
        way, case, file = values.worker
        work(way, case, values.epochs, values.steps, Path(file))
        return
    cases = {}
    for case in CASES:
        cases[case] = run_case(case, values.epochs, values.steps)
        show(case, cases[case], values.steps)
    if values.json:
        facts = {"machine": machine(), "versions": versions(), "steps": values.steps}
        values.json.write_text(json.dumps(facts | {"cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
