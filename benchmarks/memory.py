"""Peak memory of a training step as the network gets deeper, and of a whole lesson run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks import plain
from benchmarks.common import Report, agree, child, command, difference, ours
from delog_nb import methods
from delog_nb.components import Method
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS, NETS
from delog_nb.experiment.rules import readable
from delog_nb.instruments.memory import LiveBytes
from delog_nb.methods import infopro
from delog_nb.training import make_optimizers

DEPTHS = (8, 64)
PIECES = 4
# InfoPro's for 16 components: those for fewer are 0 in places, and a term of weight 0 has no net
EQUAL_LAMBDAS = {o.name: x for o, x in zip(infopro.WEIGHTS, infopro.PUBLISHED[16], strict=True)}
RESIDENT = ("bp", "delog-scl", "infopro")
# net, width, images in a batch: two views each
STACKS = (("convnet", 0.5, 8), ("resnet", 0.25, 4))
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
    run = {"preset": "lesson", "dataset": "cifar10", "precision": "float32", "method": method}
    size = {"net": net, "width": width, "depth": depth}
    return Experiment(**readable(run | size | EQUAL_LAMBDAS))


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

    def built(experiment: Experiment) -> tuple[Method, torch.optim.Adam]:
        method = methods.build(experiment)
        return method, plain.adam(method, experiment)

    def mine(cut: Method, adams: list[torch.optim.Optimizer]) -> list[Tensor]:
        return ours(cut, adams, *take())

    one, adam = built(bp)
    found["bp"], expected = peak(lambda: plain.step(one, adam, *take()))
    other, adam2 = built(bp)
    found["bp, checkpointed"], losses = peak(
        lambda: plain.checkpointed_step(other.parts()[0], adam2, *take())
    )
    agree(f"checkpointing at depth {depth}", float((losses[0] - expected[0]).abs()), 1e-3)
    pieces, adam3 = built(bp)
    found["bp, accumulated"], _ = peak(
        lambda: plain.accumulated_step(pieces, adam3, *take(), PIECES)
    )
    summed, adam4 = built(experiment_of("delog-scl", net, width, depth))
    found["delog-scl, summed"], expected = peak(lambda: plain.step(summed, adam4, *take()))
    for name in METHODS:
        if name == "bp" or net in METHODS[name].refuses:
            continue
        experiment = experiment_of(name, net, width, depth)
        cut = methods.build(experiment)
        adams = make_optimizers(cut, experiment)
        found[name], losses = peak(partial(mine, cut, adams))
        if name == "delog-scl":
            gap = max(float((a - b).abs()) for a, b in zip(losses, expected, strict=True))
            agree(f"{name} at depth {depth}", gap, 1e-3)
    return found


def check_accumulation() -> None:
    """An accumulated step has the whole batch's gradient, where nothing normalises over it."""
    gradients = []
    for pieces in (1, PIECES):
        bp = experiment_of("bp", "convnet", 0.125, 4).but(norm="none")
        method = methods.build(bp).double()
        sgd = torch.optim.SGD(method.parameters(), lr=1.0)
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(16, 3, 32, 32, generator=generator, dtype=torch.float64)
        before = torch.cat([p.detach().flatten().clone() for p in method.parameters()])
        plain.accumulated_step(method, sgd, images, torch.arange(16) % 10, pieces)
        gradients.append(before - torch.cat([p.detach().flatten() for p in method.parameters()]))
    agree("accumulation", difference(gradients[1], gradients[0]), 1e-9)


def measure() -> Report:
    check_accumulation()
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
        f"again in the backward pass; accumulated: the batch in {PIECES} pieces, gradients added "
        "up, which BatchNorm takes for smaller batches; summed: one backward of the summed losses, "
        "as the authors do; methods: a backward pass and an update for each component. Not cut, "
        "and so growing as BP does: scl-long.",
    )
    for net, width, images in STACKS:
        by_depth = {depth: peaks(net, width, images, depth) for depth in DEPTHS}
        label, shares, growths = NETS.label(net), [], []
        for name in by_depth[8]:
            values = {f"depth {depth}": by_depth[depth][name] for depth in DEPTHS}
            growth = by_depth[64][name] / by_depth[8][name]
            share = by_depth[64][name] / by_depth[64]["bp"]
            own = {"net": label, "step": name}
            report.rows.append(own | values | {"64 / 8": growth, "of bp at 64": f"{share:.1%}"})
            if name in METHODS and experiment_of(name, net, width, 8).num_components > 1:
                growths.append(growth)
                shares.append(share)
        report.at_most(
            f"{label}: growth from depth 8 to depth 64 at most 1.02, every cut method",
            growths,
            1.02,
        )
        report.at_most(f"{label}: at depth 64 at most 1/10 of BP", shares, 0.1)
    with tempfile.TemporaryDirectory() as folder:
        resident = [float(child(LESSON, name, folder).splitlines()[-1]) / 1024 for name in RESIDENT]
    report.at_most(
        f"a whole lesson run at most 1.2 GB resident, {', '.join(RESIDENT)} (GB)", resident, 1.2
    )
    return report


if __name__ == "__main__":
    command(measure)
