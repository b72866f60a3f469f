"""The one training loop, for every method: events out, a stop signal in, its state on disk."""

from delog_nb.training.batches import Batches
from delog_nb.training.device import (
    autocast,
    compile_each,
    pick_device,
    pick_precision,
    set_up_gpu,
)
from delog_nb.training.evaluation import EVALUATION_BATCH, accuracy, evaluating
from delog_nb.training.events import Ended, EpochEnded, Event, Started, Stepped
from delog_nb.training.loop import train
from delog_nb.training.optimizers import learning_rate_factor, make_optimizers, set_learning_rates
from delog_nb.training.planning import plan_each, planned, planned_all
from delog_nb.training.run import Divergence, Row, Run, describe, epoch_line, evaluation_line
from delog_nb.training.step import Local, local_losses, train_step
from delog_nb.training.team import Taken, Team

__all__ = [
    "EVALUATION_BATCH",
    "Batches",
    "Divergence",
    "Ended",
    "EpochEnded",
    "Event",
    "Local",
    "Row",
    "Run",
    "Started",
    "Stepped",
    "Taken",
    "Team",
    "accuracy",
    "autocast",
    "compile_each",
    "describe",
    "epoch_line",
    "evaluating",
    "evaluation_line",
    "learning_rate_factor",
    "local_losses",
    "make_optimizers",
    "pick_device",
    "pick_precision",
    "plan_each",
    "planned",
    "planned_all",
    "set_learning_rates",
    "set_up_gpu",
    "train",
    "train_step",
]
