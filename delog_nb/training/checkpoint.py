"""A run's state as one file that is whole or not there."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from delog_nb.experiment import RecordError
from delog_nb.instruments.files import write_atomically
from delog_nb.training.run import Row, Run
from delog_nb.training.team import Team


@dataclass
class Progress:
    """Where a run is: its finished epochs, and how far it is in the one that is not.

    ``totals`` (K,) are the losses of that epoch's ``steps``, summed over their images, and
    ``seconds`` is the training time they took.
    """

    history: list[Row] = field(default_factory=list)
    peak_train_mb: float | None = None
    steps: int = 0
    totals: Tensor | None = None
    seconds: float = 0.0


class Checkpoint:
    """Saves and restores weights, optimizers and progress.

    Random states need no saving: what an epoch draws follows from the seed and its number. With
    ``path`` None nothing is saved or restored. The file is the same whichever ``team`` wrote it, so
    another one can go on from it.

    Args:
        path: the file
        run: whose model is saved
        optimizers: those of the process's own components
        team: the processes that train the run
        every: seconds between two saves at the end of an epoch; 0 saves after every epoch
    """

    def __init__(
        self,
        path: Path | None,
        run: Run,
        optimizers: list[torch.optim.Optimizer],
        team: Team,
        every: float = 0.0,
    ) -> None:
        self.path, self.run, self.optimizers, self.team = path, run, optimizers, team
        self.every, self._saved = every, time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last save, or the run's begin, is long enough ago."""
        return self.path is not None and time.monotonic() - self._saved >= self.every

    def save(self, progress: Progress) -> None:
        """Write the state in place of the file before.

        The model has the weights of all components where the team reports.

        Raises:
            WriteError: the file cannot be written.
        """
        if self.path is None:
            return
        parts = self.team.gather([optimizer.state_dict() for optimizer in self.optimizers])
        self._saved = time.monotonic()
        if not self.team.reports:
            return
        run = self.run
        state = {
            "run_id": run.run_id,
            "model": run.model.state_dict(),
            "optimizers": [state for part in parts for state in part],
            "progress": dict(vars(progress)),
            "data": {"classes": run.classes, "mean": run.mean, "std": run.std},
        }
        with write_atomically(self.path) as file:
            try:
                torch.save(state, file)
            except RuntimeError as error:
                if isinstance(error.__context__, OSError):  # a full disk, as torch wraps it
                    raise error.__context__ from None
                raise

    def restore(self) -> Progress:
        """Load the file, if there is one, into model and optimizers, and say where the run is.

        Raises:
            RecordError: the file is damaged or of another experiment.
        """
        there = self.team.reports and self.path is not None and self.path.exists()
        run_id = self.run.run_id
        state = self.team.share(read(self.path, run_id) if there and self.path else None)
        if state is None or self.path is None:
            return Progress()
        load_weights(self.run.model, state, self.path)
        try:
            own = state["optimizers"][self.team.components]
            for optimizer, saved in zip(self.optimizers, own, strict=True):
                optimizer.load_state_dict(saved)
            return Progress(**state["progress"])
        except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise damaged(self.path, error) from error


def read(path: Path, run_id: str) -> dict[str, Any]:
    """The state in ``path``; nothing but tensors and plain values is ever unpickled.

    Raises:
        RecordError: the file is damaged or of another run.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = state["run_id"]
    except Exception as error:  # torch.load raises whatever a damaged file leads it to
        raise damaged(path, error) from error
    if found != run_id:
        raise RecordError(f"checkpoint {path} belongs to run {found}, not to {run_id}")
    return state


def load_weights(model: nn.Module, state: dict[str, Any], path: Path) -> None:
    """Give ``model`` the weights of a state that was read from ``path``."""
    try:
        model.load_state_dict(state["model"])
    except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> RecordError:
    """The error that says so."""
    return RecordError(
        f"checkpoint {path} is damaged ({type(error).__name__}): delete it to start the run anew"
    )
