"""A training step of each method on each net beside the plain way to write it."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import plain
from benchmarks.common import Report, Turn, agree, command, interleaved, ours, ratio
from delog_nb import methods
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS
from delog_nb.experiment.rules import readable
from delog_nb.instruments.allocator import freed_memory_kept
from delog_nb.training import make_optimizers, pick_precision

# (net, width, images in a batch): two views each; sizes that a step of a second or less takes
SIZES = (
    ("convnet", 0.5, 64),
    ("convnet", 1.0, 32),
    ("vgg", 0.25, 32),
    ("resnet", 0.25, 32),
    ("resnet", 0.375, 16),
)
ROUNDS, AGREEMENT_STEPS = 3, 20
PRODUCTS = ("aten::mkldnn_convolution", "aten::convolution_backward", "aten::mm", "aten::addmm")
CPU = torch.device("cpu")


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
    """The losses of twenty steps, ours and plain, in float64."""
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


def share_of_products(call: Callable[[], Any]) -> float:
    """Share of a step's time on the processor that is in convolutions and matrix products."""
    with profile(activities=[ProfilerActivity.CPU]) as trace:
        call()
    spent = {event.key: event.self_cpu_time_total for event in trace.key_averages()}
    return sum(spent.get(name, 0) for name in PRODUCTS) / sum(spent.values())


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
        seconds = interleaved({k: Turn(lambda m=m, x=x: m(x)) for k, (m, x) in layers.items()}, 9)
    return {name: flops / statistics.median(values) / 1e9 for name, values in seconds.items()}


def measure() -> Report:
    rates = convolution_rates()
    report = Report(
        "step",
        "Training step",
        "Forward, backward and update of one batch (two views an image), with the paper's heads. "
        "plain: float32, contiguous, one backward of the summed losses, PyTorch's default Adam. "
        "Twenty steps of both agree in float64 first. products: share of our float32 step in "
        "convolutions and matrix products, which no program around them can shorten. "
        "GFLOP/s of a plain convolution here: "
        + ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
        + ".",
    )
    fast = pick_precision("auto", CPU) == "bf16"
    for net, width, images in SIZES:
        for method in METHODS:
            if net in METHODS[method].refuses:
                continue
            check(method, net)
            report.rows.append(_row(method, net, width, images, fast))
    goals = [row for row in report.rows if row["net"] in ("convnet", "resnet")]
    for method in METHODS:
        mine = [row for row in goals if row["method"] == method]
        report.at_least(
            f"float32 at least 1.25 x as fast, ConvNet and ResNet, {method}",
            [row["float32 x"] for row in mine],
            1.25,
        )
        if fast:
            report.at_least(
                f"bf16 at least 1.8 x as fast, ConvNet and ResNet, {method}",
                [row["bf16 x"] for row in mine],
                1.8,
            )
    return report


def _row(method: str, net: str, width: float, images: int, fast: bool) -> dict[str, Any]:
    experiment = experiment_of(method, net, width, images)
    r, t = batch_of(images)
    last = r.contiguous(memory_format=torch.channels_last)
    one, other = methods.build(experiment), methods.build(experiment)
    other.to(memory_format=torch.channels_last)
    adam, adams = plain.adam(one, experiment), make_optimizers(other, experiment)

    def turn(precision: str) -> Turn:
        return Turn(lambda: ours(other, adams, last, t, precision), freed_memory_kept, warm=1)

    turns = {"plain": Turn(lambda: plain.step(one, adam, r, t), warm=1), "float32": turn("float32")}
    if fast:
        turns["bf16"] = turn("bf16")
    seconds = interleaved(turns, ROUNDS)
    with FlopCounterMode(display=False) as counter:
        turns["float32"].call()
    median = {name: statistics.median(values) for name, values in seconds.items()}
    flops = counter.get_total_flops()
    return {
        "net": net,
        "width": width,
        "images": images,
        "method": method,
        "plain ms": median["plain"] * 1e3,
        "float32 ms": median["float32"] * 1e3,
        "float32 x": ratio(seconds["plain"], seconds["float32"]),
        "bf16 ms": median["bf16"] * 1e3 if fast else None,
        "bf16 x": ratio(seconds["plain"], seconds["bf16"]) if fast else None,
        "products": f"{share_of_products(turns['float32'].call):.0%}",
        "float32 GFLOP/s": flops / median["float32"] / 1e9,
        "bf16 GFLOP/s": flops / median["bf16"] / 1e9 if fast else None,
    }


if __name__ == "__main__":
    command(measure)
