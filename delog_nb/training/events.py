"""What the loop tells whoever listens."""

from dataclasses import dataclass, field

from torch import Tensor

from delog_nb.data import ImageData
from delog_nb.experiment import Experiment
from delog_nb.training.run import Row, Run


@dataclass(frozen=True)
class Started:
    """Training begins, at ``epoch`` (0 unless resumed).

    ``run`` is what is trained, as it is now; whoever keeps it can look at its model at each later
    event, on the thread that trains. ``images`` are what it is trained and tested on.
    """

    experiment: Experiment
    epoch: int
    epochs: int
    steps_per_epoch: int
    components: int
    run: Run = field(repr=False)
    images: ImageData = field(repr=False)


@dataclass(frozen=True)
class Stepped:
    """One batch went through all components; ``losses`` stay on the device until they are read."""

    epoch: int
    step: int
    losses: list[Tensor]


@dataclass(frozen=True)
class EpochEnded:
    """An epoch ended; ``row`` was added to the history."""

    row: Row


@dataclass(frozen=True)
class Ended:
    """Training ended, or was stopped."""

    run: Run


Event = Started | Stepped | EpochEnded | Ended
