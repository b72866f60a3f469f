"""The supervised contrastive loss beside pytorch-metric-learning and the masked N x N formula."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from pytorch_metric_learning.losses import SupConLoss
from torch import Tensor

from benchmarks.common import Report, Turn, agree, command, difference, interleaved, ratio
from delog_nb.instruments.memory import LiveBytes
from delog_nb.losses import supervised_contrastive_loss

TAU, DIMENSIONS = 0.1, 128
ROUNDS = {256: 15, 1024: 11, 4096: 5, 8192: 1, 16384: 1}
ALONE_FROM = 16384  # the others would take 10 GB: 4 times what was counted at half of N

Loss = Callable[[Tensor, Tensor], Tensor]


def masked(z: Tensor, labels: Tensor) -> Tensor:
    """Eq. 2 with N x N masks, as it is usually written (Khosla et al., 2020)."""
    z = torch.nn.functional.normalize(z, dim=1)
    own = torch.eye(len(z), dtype=torch.bool)
    positive = ((labels[:, None] == labels) & ~own).to(z.dtype)
    logits = z @ z.T / TAU
    logits = logits - logits.max(1, keepdim=True).values.detach()
    below = (logits.exp() * ~own).sum(1, keepdim=True)
    mean = (positive * (logits - below.log())).sum(1) / positive.sum(1)
    return -mean.mean()


def ours(z: Tensor, labels: Tensor) -> Tensor:
    return supervised_contrastive_loss(z, labels, TAU)


def gradient(loss: Loss, z: Tensor, labels: Tensor) -> Tensor:
    """Forward and backward, from a fresh leaf."""
    leaf = z.detach().requires_grad_()
    (result,) = torch.autograd.grad(loss(leaf, labels), leaf)
    return result


def measure() -> Report:
    report = Report(
        "loss",
        "Supervised contrastive loss",
        f"Forward and backward of N vectors of {DIMENSIONS} dimensions, float32, tau = {TAU}: "
        "pytorch-metric-learning's `SupConLoss` (pml) and the usual masked N x N formula "
        "(masked). Gradients are compared with the masked formula in float64 first. Memory is the "
        "peak of live tensor bytes beside z; for the others at N = 16384 it is 4 times the one at "
        "8192, where a run would take 10 GB.",
    )
    peer = SupConLoss(temperature=TAU)
    memory: dict[str, float] = {}
    for n in (256, 512, 1024, 2048, 4096, 8192, 16384):
        for classes in (10, 100):
            generator = torch.Generator().manual_seed(n + classes)
            z = torch.randn(n, DIMENSIONS, generator=generator)
            labels = torch.arange(n) % classes
            losses: dict[str, Loss] = {"ours": ours, "pml": peer, "masked": masked}
            if n <= 4096:
                expected = gradient(masked, z.double(), labels)
                error = difference(gradient(ours, z, labels), expected)
                for name, loss in losses.items():
                    most = 1e-5 if name == "ours" else 1e-4
                    agree(f"{name}, N = {n}", difference(gradient(loss, z, labels), expected), most)
            elif classes == 10:  # a float64 reference of N x N would not fit everywhere
                error = difference(gradient(ours, z, labels), gradient(ours, z.double(), labels))
                agree(f"ours, N = {n}", error, 1e-5)
            else:
                continue
            timed = losses if n < ALONE_FROM else {"ours": ours}
            memory = {} if n < ALONE_FROM else {name: 4 * mb for name, mb in memory.items()}
            for name, loss in timed.items():
                with LiveBytes() as live:
                    gradient(loss, z, labels)
                memory[name] = live.peak / 1e6
            turns = {name: Turn(partial(gradient, loss, z, labels)) for name, loss in timed.items()}
            rounds = next(count for size, count in ROUNDS.items() if n <= size)
            seconds = interleaved(turns, rounds)
            median = {k: sorted(v)[len(v) // 2] * 1e3 for k, v in seconds.items()}
            report.rows.append(
                {
                    "N": n,
                    "classes": classes,
                    "ours ms": median["ours"],
                    "pml ms": median.get("pml"),
                    "masked ms": median.get("masked"),
                    "pml / ours": _over(seconds, "pml"),
                    "masked / ours": _over(seconds, "masked"),
                    "gradient error": float(f"{error:.1g}"),
                    "ours MB": memory["ours"],
                    "pml MB": memory["pml"],
                    "masked MB": memory["masked"],
                }
            )
    rows = report.rows
    report.at_least(
        "at least 4 x as fast as pytorch-metric-learning, N = 1024 to 4096",
        [row["pml / ours"] for row in rows if 1024 <= row["N"] <= 4096],
        4,
    )
    report.at_most(
        "memory at N = 16384 at most 1/20 of the N x N formula's",
        [row["ours MB"] / row["masked MB"] for row in rows if row["N"] == 16384],
        1 / 20,
    )
    report.at_most(
        "gradients within 1e-5 of float64",
        [row["gradient error"] for row in rows],
        1e-5,
    )
    return report


def _over(seconds: dict[str, list[float]], name: str) -> float | None:
    return ratio(seconds[name], seconds["ours"]) if name in seconds else None


if __name__ == "__main__":
    command(measure)
