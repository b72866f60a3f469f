"""A run's state after an epoch, as one file that is whole or not there."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.instruments.files import write_atomically
from delog_nb.training.team import Team


class Checkpoint:
    """Saves and restores weights, optimizers and history.

    Random states need no saving: the choices of an epoch follow from the seed and its number.
    With ``path`` None nothing is saved or restored. The file is the same whichever ``team`` wrote
    it, so another one can go on from it. ``optimizers`` are those of the process's own components.
    """

    def __init__(
        self,
        path: Path | None,
        experiment: Experiment,
        model: nn.Module,
        optimizers: list[torch.optim.Optimizer],
        team: Team | None = None,
    ) -> None:
        self.path, self.experiment, self.model = path, experiment, model
        self.optimizers, self.team = optimizers, team or Team()

    def save(self, history: list[dict[str, Any]], peak_train_mb: float | None) -> None:
        """Write the state after the last epoch of ``history``, in place of the file before.

        The model has the weights of all components where the team reports.
        """
        if self.path is None:
            return
        parts = self.team.gather([optimizer.state_dict() for optimizer in self.optimizers])
        if not self.team.reports:
            return
        state = {
            "run_id": self.experiment.run_id,
            "model": self.model.state_dict(),
            "optimizers": [state for part in parts for state in part],
            "history": history,
            "peak_train_mb": peak_train_mb,
        }
        with write_atomically(self.path) as file:
            try:
                torch.save(state, file)
            except RuntimeError as error:
                if isinstance(error.__context__, OSError):  # a full disk, as torch wraps it
                    raise error.__context__ from None
                raise

    def restore(self) -> tuple[list[dict[str, Any]], float | None]:
        """Load the file, if there is one, and return (history, peak_train_mb) so far.

        Nothing but tensors and plain values is ever unpickled.

        Raises:
            ExperimentError: the file is damaged or of another experiment.
        """
        state = self.team.share(self._read() if self.team.reports else None)
        if state is None:
            return [], None
        try:
            self.model.load_state_dict(state["model"])
            own = state["optimizers"][self.team.components]
            for optimizer, saved in zip(self.optimizers, own, strict=True):
                optimizer.load_state_dict(saved)
            return state["history"], state["peak_train_mb"]
        except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise self._damaged(error) from error

    def _read(self) -> dict[str, Any] | None:
        if self.path is None or not self.path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            run_id = state["run_id"]
        except Exception as error:  # torch.load raises whatever a damaged file leads it to
            raise self._damaged(error) from error
        if run_id != self.experiment.run_id:
            raise ExperimentError(
                f"checkpoint {self.path} belongs to run {run_id}, not to {self.experiment.run_id}"
            )
        return state

    def _damaged(self, error: Exception) -> ExperimentError:
        return ExperimentError(
            f"checkpoint {self.path} is damaged ({type(error).__name__}): delete it to start the "
            f"run anew"
        )
