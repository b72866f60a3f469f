"""What a run will take on this machine, before it is made."""

import math
import statistics
from dataclasses import dataclass

import psutil
import torch

from delog_nb.data import load, shape
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import DATASETS
from delog_nb.instruments.clock import duration
from delog_nb.instruments.memory import LiveBytes
from delog_nb.measure.cost import parameter_counts, step_bytes
from delog_nb.measure.trial import Trial
from delog_nb.training import pick_device

_MOST_STEPS, _MOST_SECONDS = 8, 1.5


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
    known = DATASETS[experiment.dataset].images
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
    return psutil.virtual_memory().available


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
    needed = (step_bytes(experiment) + data_bytes) / 1e6
    counts = parameter_counts(experiment)
    free = free_bytes(device) / 1e6
    if needed > free:
        return Estimate(*counts, needed, free, None)
    step, evaluation, peak = _try(experiment, device)
    steps = math.ceil(train / experiment.batch_size)
    full = train / experiment.batch_size  # the last batch may be smaller
    epoch = step * (full + steps) / 2 + evaluation * (val + test)
    return Estimate(*counts, (peak + data_bytes) / 1e6, free, epoch * experiment.epochs)


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
