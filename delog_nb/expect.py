"""How long runs will take, before they are made."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Iterable, Sequence

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from delog_nb import methods
from delog_nb.config import Experiment
from delog_nb.data import ImageData, Split, load, shape
from delog_nb.records import Record
from delog_nb.registry import DATASETS
from delog_nb.training import Event, Stepped, train

NOTEBOOK_SECONDS = 10.0  # start of a kernel, imports and figures; see benchmarks/run_overhead.py
_STEPS = 8  # timed; the first ones warm up and measure memory

_NOT_COSTS = {"seed": 0, "epochs": 1, "lr": 1.0, "lr_min": 0.0, "weight_decay": 0.0}


def expected_seconds(
    experiments: Sequence[Experiment], records: Iterable[Record] = (), *, notebook: bool = True
) -> float:
    """Seconds that ``experiments`` take one after another, on a machine like this one.

    A run that differs from one of ``records`` by its seed and its epochs alone takes as long per
    epoch. For all others the cheapest is timed for a few steps here, on random images, and scaled
    by floating-point operations: right within a factor of two or so.
    """
    known = {
        _cost_key(record.experiment): float(record.results["sec_per_epoch"])
        + float(record.results.get("eval_sec_per_epoch") or 0)
        for record in records
    }
    seconds = sum(known.get(_cost_key(e), 0.0) * e.epochs for e in experiments)
    unknown = [e for e in experiments if _cost_key(e) not in known]
    flops = {_cost_key(e): step_flops(e) for e in {_cost_key(e): e for e in unknown}.values()}
    if unknown:
        cheapest = min(unknown, key=lambda e: flops[_cost_key(e)])
        per_flop = _step_seconds(cheapest) / flops[_cost_key(cheapest)]
        seconds += per_flop * sum(flops[_cost_key(e)] * _steps(e) for e in unknown)
    return seconds + NOTEBOOK_SECONDS * notebook * len(experiments)


def _cost_key(experiment: Experiment) -> str:
    return experiment.model_copy(update=_NOT_COSTS).run_id


def step_flops(experiment: Experiment) -> int:
    """Floating-point operations of a training step, forward and backward, counted without memory.

    Multiplications and additions of convolutions and matrix products.
    """
    (channels, height, width), _ = shape(experiment)
    views = 2 * experiment.batch_size
    with FakeTensorMode(), FlopCounterMode(display=False) as counter:
        method = methods.build(experiment)
        r = torch.empty(views, channels, height, width)
        t = torch.empty(views, dtype=torch.long)
        for component in method.parts():
            r, t, loss = component(r.detach(), t)
            loss.backward()
    return int(counter.get_total_flops())


def _steps(experiment: Experiment) -> int:
    images = DATASETS[experiment.dataset].train_images or len(load(experiment).train)
    images = min(images, experiment.limit or images)
    return experiment.epochs * math.ceil(
        images * (1 - experiment.val_fraction) / experiment.batch_size
    )


def _step_seconds(experiment: Experiment) -> float:
    """Median of some training steps, on random images."""
    size, classes = shape(experiment)
    count = experiment.batch_size * _STEPS
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, *size), generator=draw, dtype=torch.uint8)
    split = Split(images, torch.randint(0, classes, (count,), generator=draw))
    nothing = Split(images[:1], split.labels[:1])
    grey = (0.5,) * size[0]
    data = ImageData(split, nothing, nothing, tuple(map(str, range(classes))), grey, grey)
    times: list[float] = []

    def note(event: Event) -> None:
        if isinstance(event, Stepped):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times.append(time.perf_counter())

    train(experiment.but(epochs=1), note, lambda: len(times) >= _STEPS, data=data)
    return statistics.median(b - a for a, b in itertools.pairwise(times[2:]))
