"""What a run will take on this machine, before it is made."""

import math
import statistics
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import torch

from delog_nb.components.heads import POOL
from delog_nb.data import count, load, shape
from delog_nb.experiment import DelogError, Experiment, ExperimentError
from delog_nb.experiment.registry import METHODS, NETS
from delog_nb.instruments.clock import duration
from delog_nb.instruments.machine import available_bytes
from delog_nb.instruments.memory import LiveBytes
from delog_nb.measure.cost import parameter_counts, shapes_of, step_memory
from delog_nb.measure.trial import Trial
from delog_nb.training import EVALUATION_BATCH, pick_device
from delog_nb.training.evaluation import evaluating, evaluations

_MOST_STEPS, _MOST_SECONDS = 8, 1.5
# To count a huge batch or a deep net takes minutes. Memory grows along a straight line with either,
# so beyond twice these it is drawn through the two points.
_LINE = {"batch_size": 512, "depth": 16}


@dataclass(frozen=True)
class Estimate:
    """What a run takes.

    ``seconds`` is None where the run does not fit. ``megabytes`` is the peak of live tensors in a
    step (10^6 bytes), images of the whole data set included.
    """

    train_params: int
    inference_params: int
    megabytes: float
    available_megabytes: float
    seconds: float | None

    @property
    def fits(self) -> bool:
        return self.megabytes <= self.available_megabytes

    def __str__(self) -> str:
        parameters = (
            f"{self.train_params:,} parameters in training, {self.inference_params:,} after"
        )
        memory = f"{self.megabytes:,.0f} MB"
        if self.seconds is None:
            return (
                f"does not fit: it takes {memory} where {self.available_megabytes:,.0f} MB are "
                f"free ({parameters}); take a smaller width, batch or image"
            )
        return f"takes about {duration(self.seconds)}, {memory}, {parameters}"


def numbers_of_images(experiment: Experiment) -> tuple[int, int, int]:
    """Images for training, validation and testing, without reading those of a known data set."""
    known = count(experiment)
    if known is None:
        data = load(experiment)
        return len(data.train), len(data.val), len(data.test)
    total = min(known[0], experiment.limit or known[0])
    val = round(total * experiment.val_fraction)
    return total - val, val, known[1]


def free_bytes(device: torch.device) -> int:
    """Memory that can be had on ``device``."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return available_bytes()


def estimate(experiment: Experiment) -> Estimate:
    """Time a few steps and one evaluation batch on made-up images, if the run fits at all.

    Raises:
        ExperimentError: the device is not there.
        DataError: an image folder cannot be read.
    """
    device = pick_device(experiment.device)
    image, _ = shape(experiment)
    train, val, test = numbers_of_images(experiment)
    data_bytes = (train + val + test) * math.prod(image)
    needed = (sum(_computing(experiment)) + data_bytes) / 1e6
    counts = parameter_counts(experiment)
    free = free_bytes(device) / 1e6
    if needed > free:
        return Estimate(*counts, needed, free, None)
    step, evaluation, peak = _try(experiment, device)
    steps = math.ceil(train / experiment.batch_size)
    full = train / experiment.batch_size  # the last batch may be smaller
    seconds = step * (full + steps) / 2 * experiment.epochs
    seconds += evaluation * (val + test) * evaluations(experiment)
    return Estimate(*counts, (peak + data_bytes) / 1e6, free, seconds)


def _try(experiment: Experiment, device: torch.device) -> tuple[float, float, int]:
    """Seconds of a step with its views and of evaluating one image; a step's peak bytes."""
    trial = Trial(experiment, device)
    trial.step()  # the first one prepares kernels and makes Adam's state
    with LiveBytes() as live:
        live.track_training(trial.method, trial.optimizers)
        trial.step()
    taken: list[float] = []
    while len(taken) < _MOST_STEPS and sum(taken) < _MOST_SECONDS:
        taken.append(trial.seconds(trial.step))
    trial.evaluate()
    return statistics.median(taken), trial.seconds(trial.evaluate) / trial.evaluated, live.peak


@dataclass(frozen=True)
class Need:
    """Bytes that a run needs, counted from shapes: nothing is computed, read or stored.

    ``loading`` is main memory while its images are read. On the device that it trains on there are
    then ``images``; ``stays``, weights and Adam's moments; and ``comes``, the most that a training
    step or a batch of the evaluation adds. Scratch memory of kernels and the program itself are not
    in it.
    """

    loading: int
    images: int
    stays: int
    comes: int

    def on_device(self, processes: int = 1, shared: Collection[str] = ()) -> int:
        """Bytes of so many processes, which share the parts in ``shared``."""
        parts = ("images", "stays", "comes")
        return sum(getattr(self, p) * (1 if p in shared else processes) for p in parts)


def need(experiment: Experiment) -> Need:
    """What the run needs. Images that only reading could count are taken for none."""
    image, _ = shape(experiment)
    train, test = count(experiment) or (0, 0)
    taken = min(train, experiment.limit or train)
    pixels = math.prod(image)  # a byte each
    # all are read; those that are taken are copied from them, into training and validation
    return Need((train + taken + test) * pixels, (taken + test) * pixels, *_computing(experiment))


def _computing(experiment: Experiment) -> tuple[int, int]:
    """``stays`` and ``comes`` of `Need`."""
    for name, short in _LINE.items():
        value = getattr(experiment, name)
        # so many components need so deep a network
        fixed = name == "depth" and experiment.components not in (None, 1)
        if value > 2 * short and not fixed:
            near, far = (
                _computing(experiment.model_copy(update={name: size}))
                for size in (short, 2 * short)
            )
            line = [a + (b - a) * (value - short) // short for a, b in zip(near, far, strict=True)]
            return line[0], line[1]
    method = shapes_of(experiment)
    stays, comes = step_memory(experiment)
    images = torch.empty(EVALUATION_BATCH, *shape(experiment)[0], device="meta")
    with LiveBytes("meta") as live, evaluating(method):
        live.track([images])
        method.predict(images)
    return stays, max(comes, live.peak)


def check_memory(
    experiments: Iterable[Experiment], processes: int = 1, shared: Collection[str] = ()
) -> None:
    """Refuse what does not fit the memory that is free, before anything is built.

    Of many experiments the largest few are looked at. What cannot be counted is not refused.

    Args:
        experiments: each is made in one process, unless something is shared
        processes: how many there are at a time on this machine
        shared: parts of `Need` that the processes of one run share; they are on all GPUs then

    Raises:
        ExperimentError: one does not fit, or its device is not there.
        DataError: an image folder cannot be read.
    """
    for experiment in _largest(experiments):
        device = pick_device(experiment.device)
        try:
            needed = need(experiment)
        except DelogError:
            raise
        except Exception:  # noqa: BLE001 - a plug-in that asks for values has no shapes alone
            continue
        bytes_of = {torch.device("cpu"): needed.loading * processes}
        gpus = min(processes, torch.cuda.device_count()) if shared and device.type == "cuda" else 1
        on_device = needed.on_device(processes, shared) // max(1, gpus)
        bytes_of[device] = max(on_device, bytes_of.get(device, 0))
        for place, wanted in bytes_of.items():
            free = free_bytes(place)
            if wanted > free:
                times = f" in {processes} processes" if processes > 1 else ""
                kind = "GPU memory" if place.type == "cuda" else "memory"
                raise ExperimentError(
                    f"{experiment.method} on {experiment.net} needs {wanted / 1e6:,.0f} MB of "
                    f"{kind}{times}, and {free / 1e6:,.0f} MB are free: take a smaller width, "
                    f"batch_size or image_size{', fewer processes' if times else ''}, or --force "
                    f"it"
                )


def check_weights(experiments: Iterable[Experiment]) -> None:
    """Refuse networks whose weights alone, in float32, do not fit the memory that is free.

    Raises:
        ExperimentError: one does not fit.
    """
    free = free_bytes(torch.device("cpu"))
    for experiment in experiments:
        wanted = 4 * parameter_counts(experiment).training
        if wanted > free:
            raise ExperimentError(
                f"the weights of {experiment.method} on {experiment.net} need "
                f"{wanted / 1e6:,.0f} MB of memory, and {free / 1e6:,.0f} MB are free: take a "
                f"smaller width, depth or image_size, or --force it"
            )


def _largest(experiments: Iterable[Experiment]) -> list[Experiment]:
    """Of each method on each net and data set the run with most features, and with most weights.

    Both are guessed from the sizes that are asked for; of a grid's whole cross it is the same run.
    """
    kinds: dict[tuple[str, ...], list[Experiment]] = {}
    for e in experiments:
        kinds.setdefault((e.dataset, e.net, e.method, e.cut, e.device), []).append(e)
    found: dict[int, Experiment] = {}
    for own in kinds.values():
        names = [
            option.name
            for option in (*NETS[own[0].net].options, *METHODS[own[0].method].options)
            if option.kind == "int" and option.name != POOL.name
        ]

        def features(e: Experiment) -> float:
            return e.batch_size * e.image_size**2 * e.width * e.depth

        def weights(e: Experiment, names: list[str] = names) -> float:
            side = getattr(e, POOL.name, 0) or e.image_size  # 0: no pooling
            sizes = math.prod(1 + abs(getattr(e, name, 0)) for name in names)
            return side**2 * e.width**2 * e.depth * sizes

        sizes = [(features(e), weights(e)) for e in own]
        for order in ((0, 1), (1, 0)):
            place = max(range(len(own)), key=lambda k: [sizes[k][o] for o in order])
            found[id(own[place])] = own[place]
    return list(found.values())
