"""How long runs will take, before they are made."""

import json
import math
from collections.abc import Iterable, Sequence

import torch

from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.grids import job
from delog_nb.measure.cost import step_flops
from delog_nb.measure.estimate import estimate, numbers_of_images
from delog_nb.records import Record
from delog_nb.training.evaluation import evaluations

NOTEBOOK_SECONDS = 7.0  # start of a kernel, imports and figures; see benchmarks/run_overhead.py

_MOST_SECONDS = 2.0  # a step that takes longer is not timed
_NOT_COSTS = (
    "preset",
    "seed",
    "epochs",
    "evaluate_every",
    "lr",
    "lr_min",
    "weight_decay",
    "data_dir",
    "data_id",
)


def expected_seconds(
    experiments: Sequence[Experiment], records: Iterable[Record] = (), *, notebook: bool = True
) -> float:
    """Seconds that ``experiments`` take one after another, on a machine like this one.

    A run that differs from one of ``records`` by its seed and its epochs alone takes as long per
    epoch. For all others the cheapest is timed for a few steps here, on made-up images, and scaled
    by floating-point operations: right within a factor of two or so.
    """
    known = {_cost_key(record.experiment): record.results for record in records}
    seconds = 0.0
    for e in experiments:
        costs = known.get(_cost_key(e), {})
        seconds += float(costs.get("sec_per_epoch") or 0) * e.epochs
        seconds += float(costs.get("eval_sec_per_epoch") or 0) * evaluations(e)
    unknown = [e for e in experiments if _cost_key(e) not in known]
    flops = {_cost_key(e): step_flops(e) for e in {_cost_key(e): e for e in unknown}.values()}
    by_net: dict[str, list[Experiment]] = {}
    for experiment in sorted(unknown, key=lambda e: flops[_cost_key(e)]):
        by_net.setdefault(experiment.net, []).append(experiment)
    per_flop = 0.0
    for cheapest, *others in by_net.values():
        least = flops[_cost_key(cheapest)]
        if per_flop * least <= _MOST_SECONDS:
            per_flop = _step_seconds(cheapest) / least
        seconds += per_flop * sum(flops[_cost_key(e)] * _steps(e) for e in (cheapest, *others))
    return seconds + NOTEBOOK_SECONDS * notebook * len(experiments)


def _cost_key(experiment: Experiment) -> str:
    costs = {n: v for n, v in experiment.choices().items() if n not in _NOT_COSTS}
    return json.dumps(costs, sort_keys=True)


def _steps(experiment: Experiment) -> int:
    return experiment.epochs * math.ceil(numbers_of_images(experiment)[0] / experiment.batch_size)


def _step_seconds(experiment: Experiment) -> float:
    """Seconds of a training step, with its share of evaluation.

    Raises `ExperimentError` where even this run does not fit into memory.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(job.threads())  # as the run itself will
    try:
        estimated = estimate(experiment)
    finally:
        torch.set_num_threads(before)
    if estimated.seconds is None:
        raise ExperimentError(f"a run of {experiment.method} on {experiment.net} {estimated}")
    return estimated.seconds / _steps(experiment)
