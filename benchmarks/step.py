"""A training step of each method on each net: beside its limit, and beside the plain way.

``python -m benchmarks.step --net vgg --method delog-scl --precision bf16`` says where one step's
time goes.
"""

from __future__ import annotations

import argparse
import statistics
from functools import cache, partial

import torch
from torch import Tensor

from benchmarks import plain
from benchmarks.common import Report, Row, Turn, agree, interleaved, ours, ratio, table
from benchmarks.limit import copy_rate, taken_apart, timed
from delog_nb import methods
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS
from delog_nb.experiment.rules import readable
from delog_nb.instruments.allocator import freed_memory_kept
from delog_nb.training import make_optimizers, pick_precision

# net: (width, images in a batch), two views each; larger batches on the nets with a goal
SIZES = {
    "convnet": (0.5, 64),
    "vgg": (0.25, 64),
    "resnet": (0.25, 16),
    "resnet-cifar": (1.0, 16),
    "vit": (0.25, 16),
}
GOALS = {"float32": 0.85, "bf16": 0.75}  # shares of a step, on the first two
FASTER = {"float32": 1.25, "bf16": 1.8}  # x the plain way, on the paper's nets
ROUNDS, AGREEMENT_STEPS = 2, 5
CPU, LAST = torch.device("cpu"), torch.channels_last


def experiment_of(
    method: str, net: str, width: float, images: int, **options: object
) -> Experiment:
    """The paper's recipe at a size; of ``options`` what the method reads."""
    size = {"method": method, "net": net, "width": width, "batch_size": images}
    return Experiment(**readable({"preset": "paper", "dataset": "cifar10"} | size | options))


def batch_of(images: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (images,), generator=generator).repeat(2)
    return torch.randn(2 * images, 3, 32, 32, generator=generator, dtype=dtype), labels


@cache
def check(method: str, net: str) -> None:
    """The losses of five steps, ours and plain, in float64."""
    experiment = experiment_of(method, net, 0.125, 4, head_hidden=16, head_dim=16)
    r, t = batch_of(4, torch.float64)
    one, other = methods.build(experiment).double(), methods.build(experiment).double()
    other.to(memory_format=torch.channels_last)
    adam, adams = plain.adam(one, experiment), make_optimizers(other, experiment)
    for number in range(AGREEMENT_STEPS):
        torch.manual_seed(number)  # what a step draws is the same in both
        expected = torch.stack(plain.step(one, adam, r, t))
        torch.manual_seed(number)
        found = torch.stack(ours(other, adams, r, t))
        error = float(((found - expected) / expected.abs().clamp_min(1e-6)).abs().max())
        agree(f"{method} on {net}", error, 1e-6)


def convolution_rates() -> dict[str, float]:
    """GFLOP/s of a plain convolution, 64 to 64 channels at 32 x 32, 64 images."""
    layer = torch.nn.Conv2d(64, 64, 3, padding=1)
    images = torch.randn(64, 64, 32, 32)
    flops = 2 * 64 * 32 * 32 * 64 * 64 * 9
    last = images.contiguous(memory_format=torch.channels_last)
    layers = {
        "float32": (layer, images),
        "float32, channels last": (layer, last),
        "bf16, channels last": (
            torch.nn.Conv2d(64, 64, 3, padding=1).bfloat16().to(memory_format=torch.channels_last),
            last.bfloat16(),
        ),
    }
    with torch.no_grad():
        seconds = interleaved({k: Turn(partial(m, x)) for k, (m, x) in layers.items()}, 9)
    return {name: flops / statistics.median(values) / 1e9 for name, values in seconds.items()}


class Step:
    """A step as the package takes it, of a method on a net at its size."""

    def __init__(self, method: str, net: str, precision: str) -> None:
        width, images = SIZES[net]
        experiment = experiment_of(method, net, width, images)
        r, self.labels = batch_of(images)
        self.images = r.contiguous(memory_format=torch.channels_last)
        self.method = methods.build(experiment).to(memory_format=torch.channels_last)
        self.adams, self.precision = make_optimizers(self.method, experiment), precision

    def __call__(self) -> list[Tensor]:
        return ours(self.method, self.adams, self.images, self.labels, self.precision)

    def seconds(self) -> float:
        """Median of a few warm calls."""
        return statistics.median(timed(self, ROUNDS))


def precisions() -> tuple[str, ...]:
    return ("float32", "bf16") if pick_precision("auto", CPU) == "bf16" else ("float32",)


def where(method: str, net: str, precision: str) -> str:
    """Where the time of a step goes, as a table."""
    with freed_memory_kept():
        step, rate = Step(method, net, precision), copy_rate()
        seconds = step.seconds()
        apart = taken_apart(step)
        limit = apart.limit()
    rows = [
        {"part": kind, "ms": 1e3 * taken, "MB": apart.moved[kind] / 1e6}
        | {"MB at the rate of a copy, ms": 1e3 * apart.moved[kind] / rate}
        for kind, taken in sorted(apart.seconds.items(), key=lambda pair: -pair[1])
    ]
    between = {"part": "between operations", "ms": 1e3 * (seconds - sum(apart.seconds.values()))}
    rows.append(between | {"MB": None, "MB at the rate of a copy, ms": None})
    return (
        f"{net}, {method}, {precision}: a step takes {1e3 * seconds:.1f} ms; its convolutions and "
        f"matrix products alone {1e3 * limit:.1f} ms, {limit / seconds:.0%} of it. A copy moves "
        f"{rate / 1e9:.1f} GB/s.\n\n{table(rows)}"
    )


def limits(report: Report) -> None:
    """A row for every method and net: what its products alone are of a step, with one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as the workers of `compare` and `sweep` have
    rate = copy_rate()
    shares: dict[str, list[tuple[float, float]]] = {precision: [] for precision in precisions()}
    for net in SIZES:
        for method in METHODS:
            if net in METHODS[method].refuses:
                continue
            row: Row = {"net": net, "images": SIZES[net][1], "method": method}
            for precision in precisions():
                step = Step(method, net, precision)
                with freed_memory_kept():
                    seconds = step.seconds()
                    apart = taken_apart(step)
                    limit = apart.limit()
                rest = sum(apart.moved.values()) - apart.moved["products"]
                share, bound = limit / seconds, (limit + rest / rate) / seconds
                row[f"{precision} ms"] = 1e3 * seconds
                row[f"{precision} products"] = f"{share:.0%}"
                row[f"{precision} and bytes"] = f"{bound:.0%}"
                if net in ("convnet", "vgg"):
                    shares[precision].append((share, bound))
            report.rows.append(row)
    torch.set_num_threads(before)
    for precision, found in shares.items():
        goal = GOALS[precision]
        for place, what in enumerate(("products", "products and bytes")):
            report.at_least(
                f"{precision}, {what}: at least {goal:.0%} of a step, ConvNet and VGG",
                [pair[place] for pair in found],
                goal,
            )


def against_plain() -> tuple[list[Row], dict[str, list[float]]]:
    """The paper's methods and nets: times as fast as the plain way."""
    rows: list[Row] = []
    gained: dict[str, list[float]] = {precision: [] for precision in precisions()}
    for net in ("convnet", "vgg", "resnet"):
        for method in ("bp", "early-exit", "al", "delog-scl"):
            check(method, net)
            width, images = SIZES[net][0], 32
            experiment = experiment_of(method, net, width, images)
            r, t = batch_of(images)
            one = methods.build(experiment)
            adam = plain.adam(one, experiment)
            other = methods.build(experiment).to(memory_format=torch.channels_last)
            adams, last = make_optimizers(other, experiment), r.contiguous(memory_format=LAST)
            turns = {"plain": Turn(partial(plain.step, one, adam, r, t), warm=1)}
            for precision in precisions():
                call = partial(ours, other, adams, last, t, precision)
                turns[precision] = Turn(call, freed_memory_kept, warm=1)
            seconds = interleaved(turns, ROUNDS)
            row: Row = {"net": net, "images": images, "method": method}
            row["plain ms"] = 1e3 * statistics.median(seconds["plain"])
            for precision in precisions():
                row[f"{precision} x"] = ratio(seconds["plain"], seconds[precision])
                gained[precision].append(row[f"{precision} x"])
            rows.append(row)
    return rows, gained


def measure() -> Report:
    rates = convolution_rates()
    rows, gained = against_plain()
    report = Report(
        "step",
        "Training step",
        "Forward, backward and update of one batch (two views an image), with the paper's heads. "
        "GFLOP/s of a plain convolution here: "
        + ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
        + ".\n\nBeside the plain way: float32, contiguous, one backward of the summed losses, "
        "PyTorch's default Adam. Five steps of both agree in float64 first.\n\n"
        + table(rows)
        + "\n\nBeside the limit. products: the step's convolutions and matrix products, each run "
        "alone on tensors of its shapes, strides and types, as a share of the step: no program "
        "around them can shorten them. and bytes: with what all other operations have to read and "
        "write once, at the rate of a copy of large tensors; above 100 % where a cache holds them. "
        "`python -m benchmarks.step --net vgg --method delog-scl --precision bf16` says where the "
        "rest goes.",
    )
    limits(report)
    for precision, found in gained.items():
        report.at_least(
            f"{precision} at least {FASTER[precision]} x as fast as the plain way",
            found,
            FASTER[precision],
        )
    return report


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step", description=__doc__)
    parser.add_argument("--net", choices=SIZES, default="convnet")
    parser.add_argument("--method", choices=METHODS, default="delog-scl")
    parser.add_argument("--precision", choices=precisions(), default="float32")
    values = parser.parse_args()
    print(where(values.method, values.net, values.precision))


if __name__ == "__main__":
    main()
