"""Peak memory of a training step as the network gets deeper, and of a whole lesson run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks import plain
from benchmarks.common import Report, agree, child, command, ours
from delog_nb import methods
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS, NETS
from delog_nb.instruments.memory import LiveBytes
from delog_nb.training import make_optimizers

DEPTHS = (4, 8, 16, 32, 64)
# net, width, images in a batch: two views each
STACKS = (("convnet", 0.5, 32), ("resnet", 0.25, 8))
LESSON = (
    "import sys\n"
    "from delog_nb.cli import main\n"
    "main(['train', '--method', sys.argv[1], '--out', sys.argv[2]])\n"
    # not ru_maxrss: a child begins with the peak of the process that started it
    "lines = open('/proc/self/status').read().splitlines()\n"
    "print(next(int(line.split()[1]) for line in lines if line.startswith('VmHWM')) / 1024)"
)


def experiment_of(method: str, net: str, width: float, depth: int) -> Experiment:
    """Narrow, with pooled heads: parameters stay small beside activations."""
    return Experiment(
        preset="lesson",
        dataset="cifar10",
        method=method,
        net=net,
        width=width,
        depth=depth,
        precision="float32",
    )


def peak(step: Callable[[], list[Tensor]]) -> tuple[float, list[Tensor]]:
    """Peak of live bytes in ``step``, in MB, without what was there before; its first losses.

    Later losses are no test in float32: Adam's first steps make signs of rounding errors.
    """
    losses = step()  # and Adam's state is made
    with LiveBytes() as live:
        step()
    return live.peak / 1e6, losses


def peaks(net: str, width: float, images: int, depth: int) -> dict[str, float]:
    """MB of each way to take a step at ``depth``; a step begins by making its batch."""
    generator = torch.Generator().manual_seed(0)
    views = torch.randn(2 * images, 3, 32, 32, generator=generator)
    labels = torch.randint(0, 10, (images,), generator=generator).repeat(2)
    found: dict[str, float] = {}
    bp = experiment_of("bp", net, width, depth)

    def take() -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)  # what a step draws is the same in both
        return views.clone(), labels.clone()

    one, other = methods.build(bp), methods.build(bp)
    adam, adam2 = plain.adam(one, bp), plain.adam(other, bp)
    found["bp"], expected = peak(lambda: plain.step(one, adam, *take()))
    found["bp, checkpointed"], losses = peak(
        lambda: plain.checkpointed_step(other.parts()[0], adam2, *take())
    )
    agree(f"checkpointing at depth {depth}", float((losses[0] - expected[0]).abs()), 1e-3)
    for name in METHODS:
        if name == "bp":
            continue
        experiment = experiment_of(name, net, width, depth)
        summed, cut = methods.build(experiment), methods.build(experiment)
        adam, adams = plain.adam(summed, experiment), make_optimizers(cut, experiment)
        found[f"{name}, summed"], expected = peak(
            lambda summed=summed, adam=adam: plain.step(summed, adam, *take())
        )
        found[f"{name}, by component"], losses = peak(
            lambda cut=cut, adams=adams: ours(cut, adams, *take())
        )
        gap = max(float((a - b).abs()) for a, b in zip(losses, expected, strict=True))
        agree(f"{name} at depth {depth}", gap, 1e-3)
    return found


def measure() -> Report:
    report = Report(
        "memory",
        "Memory",
        "Peak live tensor bytes (MB) that a step, its batch included, adds to parameters and "
        "optimizer state, float32: "
        + " and ".join(
            f"{NETS.label(net)} at width {width:g}, {images} images"
            for net, width, images in STACKS
        )
        + ", two views, 32 x 32. bp: one long flow; checkpointed: each block's inside is computed "
        "again in the backward pass; summed: one backward of the summed losses, as the authors do; "
        "by component: ours. From depth 8 on each stage has blocks of one size. ConvNet's first "
        "block reads an image of 3 channels, its further blocks features of more, so that what is "
        "deeper than 4 keeps one map in seven more; ResNet's first block, with the stem, is its "
        "largest. At depth 32 a block of ConvNet holds 7 maps at once, with gradients, and BP 62.",
    )
    for net, width, images in STACKS:
        by_depth = {depth: peaks(net, width, images, depth) for depth in DEPTHS}
        label, shares, growths = NETS.label(net), [], []
        for name, at_4 in by_depth[4].items():
            values = {f"depth {depth}": by_depth[depth][name] for depth in DEPTHS}
            growth = by_depth[64][name] / at_4
            share = by_depth[32][name] / by_depth[32]["bp"]
            own = {"net": label, "step": name}
            ratios = {"64 / 4": growth, "64 / 8": by_depth[64][name] / by_depth[8][name]}
            report.rows.append(own | values | ratios | {"of bp at 32": f"{share:.1%}"})
            if name.endswith("by component"):
                growths.append(growth)
                shares.append(share)
        report.at_most(f"{label}: growth from depth 4 to depth 64 at most 1.15", growths, 1.15)
        report.at_most(f"{label}: at depth 32 at most 1/10 of BP", shares, 0.1)
    with tempfile.TemporaryDirectory() as folder:
        resident = [float(child(LESSON, name, folder).splitlines()[-1]) / 1024 for name in METHODS]
    report.at_most("a whole lesson run at most 1.2 GB resident, any method (GB)", resident, 1.2)
    return report


if __name__ == "__main__":
    command(measure)
