"""Data parallelism whose local losses see the samples of all processes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from delog_nb.components.batch import in_one_order
from delog_nb.components.component import Component
from delog_nb.experiment import ExperimentError
from delog_nb.pipeline.world import Processes, talking
from delog_nb.training import Batches, Taken


class DataParallel(Processes):
    """Every rank trains all components on its share of each batch.

    The supervised contrastive loss compares each sample with every other one: z of all ranks is
    gathered, differentiably, and their labels with it, so that each rank's positives and negatives
    are those of the whole batch. Rank k's loss is weighted by its share of the batch, w_k, and
    gradients are summed: for a mean over samples that is the gradient of the whole batch's loss,
    and so it is for the loss of the joined batch, as the w_k sum to 1.

    The result is that of one process, but for rounding and for BatchNorm, whose statistics are
    each rank's own.
    """

    def __init__(self) -> None:
        super().__init__(reporter=0)
        self.share_of_batch = self.rank
        self.label = f"data parallelism of {self.size}"
        self.weight = 1.0

    def begin(self, counts: list[int]) -> None:
        if counts and min(counts) < self.size:
            raise ExperimentError(
                f"a batch of {min(counts)} images is too small for {self.size} processes: change "
                f"batch_size or limit so that the last batch of an epoch has an image for each"
            )

    def take(self, batches: Batches, step: int, asked_to_stop: Callable[[], bool]) -> Taken | None:
        stop = torch.tensor(int(asked_to_stop()))
        with talking():
            dist.all_reduce(stop, dist.ReduceOp.MAX)  # all of them stop at the same step
        if stop:
            return None
        index = batches.parts[step]
        shares = index.tensor_split(self.size)
        own = shares[self.rank]
        self.weight = len(own) / len(index)
        join = partial(self.join, [len(share) for share in shares])
        return Taken(batches.views(own), replace(batches.batch(own, step), join=join), [])

    def join(self, images: list[int], z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and labels of all ranks in one process's order; ``images`` are each rank's.

        Rows are in float32, which is what losses compute in.
        """
        if z.dtype != torch.float64:
            z = z.float()
        return self._joined(z, images), self._joined(labels, images)

    def _joined(self, rows: Tensor, images: list[int]) -> Tensor:
        """Rows (v n_k, ...) of ranks k with n_k images, v rows each: first row 1 of all images."""
        counts = [len(rows) // images[self.rank] * count for count in images]
        return in_one_order(all_gather(rows, counts).split(counts), images)

    def backward(self, component: Component, loss: Tensor) -> None:
        (loss * self.weight).backward()
        gradients = [p.grad for p in component.parameters() if p.grad is not None]
        with talking():
            summed = [dist.all_reduce(gradient, async_op=True) for gradient in gradients]
            for work in summed:
                if work:
                    work.wait()

    def give(self, made: Taken) -> list[Tensor]:
        """The whole batch's losses: the weighted sum over the ranks."""
        joined = torch.stack(made.losses) * self.weight
        with talking():
            dist.all_reduce(joined)
        return list(joined.unbind())

    def gather(self, value: Any) -> list[Any]:
        """Every rank has the whole of it."""
        return [value]


def all_gather(rows: Tensor, counts: list[int]) -> Tensor:
    """The rows (N_k, ...) of all ranks k, one after another; differentiable.

    ``counts`` are the N_k. The gradient of a rank's rows is the sum of what all ranks' losses give
    them.
    """
    gathered: Tensor = _AllGather.apply(rows, counts)
    return gathered


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        most = max(counts)  # all ranks' messages are of one size
        padded = rows.new_zeros(most, *rows.shape[1:])
        padded[: len(rows)] = rows
        gathered = [torch.empty_like(padded) for _ in counts]
        with talking():
            dist.all_gather(gathered, padded)
        return torch.cat([part[:count] for part, count in zip(gathered, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        grad = grad_output.contiguous().clone()
        with talking():
            dist.all_reduce(grad)
        return grad.split(ctx.counts)[dist.get_rank()], None
