"""Peak memory of a training step as the network gets deeper, and of a whole lesson run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks import plain
from benchmarks.common import Report, agree, child, command
from delog_nb import methods
from delog_nb.components import Method
from delog_nb.config import Experiment
from delog_nb.measure import LiveBytes
from delog_nb.registry import METHODS
from delog_nb.training import autocast, make_optimizers, train_step

DEPTHS = (4, 8, 16, 32, 64)
IMAGES = 32
LESSON = (
    "import resource, sys\n"
    "from delog_nb.cli import main\n"
    "main(['train', '--method', sys.argv[1], '--out', sys.argv[2]])\n"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
)


def experiment_of(method: str, depth: int) -> Experiment:
    """ConvNet at half its width with pooled heads: parameters stay small beside activations."""
    return Experiment(
        preset="lesson", dataset="cifar10", method=method, depth=depth, precision="float32"
    )


def peak(step: Callable[[], list[Tensor]]) -> tuple[float, list[Tensor]]:
    """Peak of live bytes in ``step``, in MB, without what was there before; its first losses.

    Later losses are no test in float32: Adam's first steps make signs of rounding errors.
    """
    losses = step()  # and Adam's state is made
    with LiveBytes() as live:
        step()
    return live.peak / 1e6, losses


def peaks(depth: int) -> dict[str, float]:
    """MB of each way to take a step at ``depth``."""
    generator = torch.Generator().manual_seed(0)
    r = torch.randn(2 * IMAGES, 3, 32, 32, generator=generator)
    t = torch.randint(0, 10, (IMAGES,), generator=generator).repeat(2)
    off = autocast(torch.device("cpu"), "float32")
    found: dict[str, float] = {}
    bp = experiment_of("bp", depth)

    def fresh(experiment: Experiment) -> Method:
        return methods.build(experiment)

    one, other = fresh(bp), fresh(bp)
    adam, adam2 = plain.adam(one, bp), plain.adam(other, bp)
    found["bp"], expected = peak(lambda: plain.step(one, adam, r, t))
    found["bp, checkpointed"], losses = peak(
        lambda: plain.checkpointed_step(other.parts()[0], adam2, r, t)
    )
    agree(f"checkpointing at depth {depth}", float((losses[0] - expected[0]).abs()), 1e-3)
    for name in METHODS:
        if name == "bp":
            continue
        experiment = experiment_of(name, depth)
        summed, cut = fresh(experiment), fresh(experiment)
        adam, adams = plain.adam(summed, experiment), make_optimizers(cut, experiment)
        found[f"{name}, summed"], expected = peak(
            lambda summed=summed, adam=adam: plain.step(summed, adam, r, t)
        )
        found[f"{name}, by component"], losses = peak(
            lambda cut=cut, adams=adams: train_step(cut, adams, r, t, off)
        )
        gap = max(float((a - b).abs()) for a, b in zip(losses, expected, strict=True))
        agree(f"{name} at depth {depth}", gap, 1e-3)
    return found


def measure() -> Report:
    report = Report(
        "memory",
        "Memory",
        f"Peak live tensor bytes (MB) that a step of {IMAGES} images (two views, 32 x 32) adds to "
        "parameters and optimizer state: ConvNet at half its width, float32. bp: one long flow; "
        "checkpointed: each block's inside is computed again in the backward pass; summed: one "
        "backward of the summed losses, as the authors do; by component: ours.",
    )
    by_depth = {depth: peaks(depth) for depth in DEPTHS}
    for name in by_depth[DEPTHS[0]]:
        values = {f"depth {depth}": by_depth[depth][name] for depth in DEPTHS}
        growth = by_depth[64][name] / by_depth[4][name]
        share = by_depth[32][name] / by_depth[32]["bp"]
        report.rows.append(
            {"step": name, **values, "64 / 4": growth, "of bp at 32": f"{share:.1%}"}
        )
    own = [name for name in by_depth[4] if name.endswith("by component")]
    report.at_most(
        "growth from depth 4 to depth 64 at most 1.15",
        [by_depth[64][name] / by_depth[4][name] for name in own],
        1.15,
    )
    report.at_most(
        "at depth 32 at most 1/10 of BP",
        [by_depth[32][name] / by_depth[32]["bp"] for name in own],
        0.1,
    )
    with tempfile.TemporaryDirectory() as folder:
        resident = [float(child(LESSON, name, folder).splitlines()[-1]) / 1024 for name in METHODS]
    report.at_most("a whole lesson run at most 1.2 GB resident, any method (GB)", resident, 1.2)
    return report


if __name__ == "__main__":
    command(measure)
