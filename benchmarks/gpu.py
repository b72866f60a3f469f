"""Epochs of CIFAR-10's size on a CUDA GPU: seconds, share of its peak rate, how busy, memory.

Images, augmentation, training and evaluation are on the device, in bf16 and channels-last, with
fused Adam; the host waits once an epoch. Steps are timed as they are, with components compiled
(``--compile``), and with each component's forward, backward and update replayed as a CUDA graph.
None of it has been tried on a GPU yet: its figures are not in the README.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks import plain
from benchmarks.common import Report, agree, command, made_up
from delog_nb import methods
from delog_nb.components import Batch, Component
from delog_nb.data import ImageData, Views
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import DATASETS, NETS
from delog_nb.grids import job
from delog_nb.grids.workers import Workers
from delog_nb.measure.cost import step_flops
from delog_nb.training import (
    Batches,
    autocast,
    compile_each,
    local_losses,
    make_optimizers,
    pick_device,
    planned_all,
    train,
    train_step,
)

MISSING = "" if torch.cuda.is_available() else "benchmarks.gpu: skipped, PyTorch finds no GPU here"

METHOD, BATCH, LARGE_BATCH = "delog-scl", 128, 1024
CIFAR = DATASETS["cifar10"]
TRAIN, TEST = CIFAR.images or (0, 0)
EPOCHS = 3  # the first one warms up
STEPS, WARM_STEPS = 100, 10
MOST_SECONDS = {"convnet": 1.5, "vgg": 4.0, "resnet": 4.0}  # goals, an epoch of training
MATRIX, PRODUCTS = 8192, 20
DEVICE = torch.device("cuda")


def experiment_of(
    net: str, images: int = BATCH, method: str = METHOD, width: float = 1.0
) -> Experiment:
    """The paper's recipe in bf16 on the GPU, for a few epochs of all training images."""
    return Experiment(
        preset="paper",
        dataset="cifar10",
        method=method,
        net=net,
        width=width,
        batch_size=images,
        epochs=EPOCHS,
        val_fraction=0.0,
        device=DEVICE.type,
        precision="bf16",
    )


class Stepper:
    """Training steps as `training.train` takes them, to be timed, traced and counted."""

    def __init__(
        self,
        experiment: Experiment,
        images: ImageData,
        *,
        summed: bool = False,
        compiled: bool = False,
    ) -> None:
        self.size, self.images = experiment.batch_size, images.train
        self.method = methods.build(experiment).to(DEVICE).to(memory_format=torch.channels_last)
        self.summed = summed
        groups = [g for p in self.method.parts() for g in p.parameter_groups(experiment.lr)]
        self.adams: list[torch.optim.Optimizer] = (
            [torch.optim.Adam(groups, fused=True)]
            if summed
            else make_optimizers(self.method, experiment)
        )
        if compiled:
            compile_each(self.method.parts())
        self.lr, self.context = experiment.lr, autocast(DEVICE, experiment.precision)
        self.views = Views.of(experiment, images.mean, images.std, DEVICE)
        self.batches = Batches(self.images, self.views, self.size, 0)
        self.taken = 0

    def take(self) -> tuple[Tensor, Batch]:
        """The next batch of views, made on the device."""
        index = self.batches.parts[self.taken % (len(self.images) // self.size)]  # full ones alone
        self.taken += 1
        return self.batches.views(index), self.batches.batch(index, self.taken)

    def step(self) -> list[Tensor]:
        """One step; its losses, on the device."""
        if self.summed:
            views, batch = self.take()
            with self.context:
                return plain.step(self.method, self.adams[0], views, batch.labels)
        flow = local_losses(self.method.parts(), *self.take(), self.context)
        return train_step(self.method.parts(), self.adams, flow)[2]


class Captured:
    """A stepper's components, each a CUDA graph of its forward, backward and update.

    Gradients are set to zero in place and Adam keeps its step on the device, as a graph demands;
    autocast caches no weights, which a graph would not renew.
    """

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        views, batch = stepper.take()
        self.views, self.labels = views.clone(), batch.labels.clone()
        self.graphs: list[torch.cuda.CUDAGraph] = []
        self.losses: list[Tensor] = []
        self.kept: list[Tensor] = []  # what the next graph reads
        r = self.views
        for part in stepper.method.parts():
            groups = part.parameter_groups(stepper.lr)
            adam = torch.optim.Adam(groups, fused=True, capturable=True)
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(3):
                    self._step(part, adam, r)
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                r, loss = self._step(part, adam, r)
            self.graphs.append(graph)
            self.losses.append(loss)
            self.kept.append(r)

    def _step(
        self, part: Component, adam: torch.optim.Optimizer, r: Tensor
    ) -> tuple[Tensor, Tensor]:
        with torch.autocast(DEVICE.type, torch.bfloat16, cache_enabled=False):
            made, _, loss = part(r.detach(), Batch.of(self.labels))
        loss.backward()
        adam.step()
        adam.zero_grad(set_to_none=False)
        return made.detach(), loss.detach()

    def step(self) -> list[Tensor]:
        """One step; its losses, on the device."""
        views, batch = self.stepper.take()
        self.views.copy_(views)
        self.labels.copy_(batch.labels)
        for graph in self.graphs:
            graph.replay()
        return self.losses


def small_runs(at_once: int) -> float:
    """Seconds of ``at_once`` lesson-size runs on one GPU at once, by one that runs alone."""
    taken = []
    for count in (1, at_once):
        with tempfile.TemporaryDirectory() as folder, Workers(count) as workers:
            list(workers.map(pick_device, ["cuda"] * count))  # processes are there
            runs = planned_all(
                Experiment(dataset="digits", device="cuda", seed=seed) for seed in range(count)
            )
            begin = time.perf_counter()
            list(workers.map(job.run, [job.Job.of(run, Path(folder)) for run in runs]))
            taken.append(time.perf_counter() - begin)
    return taken[1] / taken[0]


def seconds_of(call: Callable[[], object], times: int, warm: int) -> float:
    """Seconds of one of ``times`` calls in a row, the GPU's work included."""
    for _ in range(warm):
        call()
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(times):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - begin) / times


def product_rate() -> float:
    """Floating-point operations per second of a large matrix product in bf16."""
    a = torch.randn(MATRIX, MATRIX, device=DEVICE, dtype=torch.bfloat16)
    seconds = [seconds_of(lambda: a @ a, PRODUCTS, 5) for _ in range(3)]
    return 2 * MATRIX**3 / statistics.median(seconds)


def kernel_seconds(call: Callable[[], object], times: int) -> float:
    """Seconds that the GPU computes or copies in one of ``times`` calls, without its pauses.

    A trace slows the host down, not the kernels: divided by the seconds of a call without a trace
    this is the share of time that the GPU is busy. All work is on one stream, one after another.
    """
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        for _ in range(times):
            call()
        torch.cuda.synchronize()
    microseconds = sum(
        event.time_range.elapsed_us()
        for event in trace.events() or ()
        if event.device_type.name == "CUDA" and not getattr(event, "is_user_annotation", False)
    )
    return float(microseconds) / 1e6 / times


def peak_megabytes(stepper: Stepper) -> tuple[float, float, list[Tensor]]:
    """(peak, peak beyond what stays from step to step) of a step, in 10^6 bytes; first losses.

    Of `torch.cuda.max_memory_allocated`: scratch memory of kernels is in it.
    """
    losses = stepper.step()
    for adam in stepper.adams:
        adam.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    stepper.step()
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated()
    return peak / 1e6, (peak - before) / 1e6, losses


def memory(net: str, images: ImageData) -> dict[str, float]:
    """MB of a step of BP, with one summed backward, and by component; the losses agree first."""
    bp = peak_megabytes(Stepper(experiment_of(net, method="bp"), images))
    summed = peak_megabytes(Stepper(experiment_of(net), images, summed=True))
    own = peak_megabytes(Stepper(experiment_of(net), images))
    # the first one alone: Adam's first step turns rounding errors of bf16 into signs
    agree(f"{METHOD} on {net}", float((own[2][0] - summed[2][0]).abs() / summed[2][0].abs()), 2e-2)
    return {
        "bp MB": bp[1],
        "summed MB": summed[1],
        "by component MB": own[1],
        "all MB": own[0],
        "summed x": summed[1] / own[1],
    }


def row(net: str, size: int, data: ImageData, peak_rate: float) -> dict[str, Any]:
    """An epoch of `training.train`, and the steps of one alone."""
    experiment = experiment_of(net, size)
    images = data.to(DEVICE)
    used = memory(net, images) if size == BATCH else {}
    results = train(experiment, data=data).results()
    stepper = Stepper(experiment, images)
    step = seconds_of(stepper.step, STEPS, WARM_STEPS)
    compiled = Stepper(experiment, images, compiled=True)
    faster = seconds_of(compiled.step, STEPS, WARM_STEPS)
    captured = seconds_of(Captured(Stepper(experiment, images)).step, STEPS, WARM_STEPS)
    rate = step_flops(experiment) / step
    columns = ("bp MB", "summed MB", "by component MB", "all MB", "summed x")
    return {
        "net": NETS.label(net),
        "batch": f"{size} x 2",
        "epoch s": results["sec_per_epoch"],
        "evaluation s": results["eval_sec_per_epoch"],
        "step ms": step * 1e3,
        "compiled ms": faster * 1e3,
        "captured ms": captured * 1e3,
        "TFLOP/s": rate / 1e12,
        "of a product": f"{rate / peak_rate:.1%}",
        "busy %": 100 * kernel_seconds(stepper.step, STEPS) / step,
        **{name: used.get(name) for name in columns},
    }


def measure() -> Report:
    data = made_up(TRAIN, TEST)
    peak_rate = product_rate()
    report = Report(
        "gpu",
        "GPU",
        f"Delog-SCL at the paper's size on {TRAIN} training and {TEST} test images of CIFAR-10's "
        f"shape (random pixels), two views, bf16: {torch.cuda.get_device_name()}. epoch: training, "
        f"mean of {EPOCHS - 1} epochs after the first. TFLOP/s: convolutions and matrix products "
        f"of a step by its seconds, beside {peak_rate / 1e12:.0f} of a {MATRIX} x {MATRIX} matrix "
        "product in bf16. busy: share of a step in which the GPU computes or copies. MB: "
        "`torch.cuda.max_memory_allocated` of a step beyond parameters and optimizer state; "
        "all: with them, by component.",
    )
    for net, most in MOST_SECONDS.items():
        report.rows.append(row(net, BATCH, data, peak_rate))
        found = report.rows[-1]
        report.at_most(
            f"an epoch of {NETS.label(net)} at {BATCH} x 2 in at most {most:g} s",
            [found["epoch s"]],
            most,
        )
    hours = sum(12 * 200 * found["epoch s"] for found in report.rows) / 3600
    report.at_most("36 runs of 200 epochs, 12 a net, in at most 3 hours", [hours], 3)
    report.at_most("4 small runs at once at most 2 x as long as one", [small_runs(4)], 2)
    report.rows.append(row("vgg", LARGE_BATCH, data, peak_rate))
    share = 1e12 * report.rows[-1]["TFLOP/s"] / peak_rate
    report.at_least(
        f"VGG at {LARGE_BATCH} x 2: at least 0.40 of the rate of a matrix product", [share], 0.4
    )
    report.at_least(
        "GPU busy at least 90 % of the time", [found["busy %"] for found in report.rows], 90
    )
    return report


if __name__ == "__main__":
    command(measure, MISSING)
