"""From an experiment to its record, and back to a run: train once, restore, load."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from delog_nb import methods, training
from delog_nb.data import ImageData
from delog_nb.experiment import Experiment, RecordError, plugins
from delog_nb.experiment.registry import use
from delog_nb.instruments.files import check_writable, remove_leftovers, writing
from delog_nb.instruments.run_files import CHECKPOINT, HISTORY, RECORD
from delog_nb.records.locks import claim
from delog_nb.records.record import Record, load, record_of, save
from delog_nb.training import Event, Run, Team, checkpoint, planned

# what a process that was killed needs to vanish, if it trained in a kernel of another process
_CLAIM_SECONDS = 5.0


def train_once(
    experiment: Experiment,
    out: Path,
    on_event: Callable[[Event], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    *,
    data: Callable[[], ImageData] | None = None,
    team: Team | None = None,
    keep_checkpoint: bool = False,
    checkpoint_every: float = 60.0,
) -> Record | None:
    """The experiment's record below ``out``: the one that is there, else of a run made now.

    A run that was interrupted is resumed from its checkpoint. Returns None if ``should_stop`` ended
    it; what it has done is kept. ``data`` is asked for the images if training is needed. Every
    process of ``team`` makes this call and gets the record; files are those of the one that
    reports. With ``keep_checkpoint`` the finished run's weights stay, for `restore`.

    Raises:
        WriteError: ``out`` cannot be written.
        Busy: another process is at this run.
        RecordError: the record that is there cannot be read.
        ExperimentError, DataError: as `delog_nb.train`.
    """
    team = team or Team()
    experiment = planned(experiment)
    folder = out / experiment.run_id
    record = _found(folder, team)
    if record is not None:
        return record
    with _writing(experiment, out) if team.reports else nullcontext():
        record = _found(folder, team)  # another process made it while this one waited
        if record is not None:
            return record
        if team.reports:
            check_writable(folder, RECORD, HISTORY, CHECKPOINT)
        run = training.train(
            experiment,
            on_event,
            should_stop,
            data=data() if data else None,
            checkpoint=folder / CHECKPOINT,
            checkpoint_every=checkpoint_every,
            keep_checkpoint=keep_checkpoint,
            team=team,
        )
        if run.stopped:
            return None
        made: Record = team.share(record_of(run))
        if team.reports:
            save(made, out)
            if run.diverged or not keep_checkpoint:
                (folder / CHECKPOINT).unlink(missing_ok=True)
        return made


def _found(folder: Path, team: Team) -> Record | None:
    """The record in ``folder``, if there is one, for every process of ``team``."""
    there = team.reports and (folder / RECORD).exists()
    record: Record | None = team.share(load(folder) if there else None)
    return record


def restore(experiment: Experiment, out: Path, *, data: ImageData | None = None) -> Run:
    """The finished run with its weights, from the checkpoint that was kept.

    Where none was kept the run is made again. On the same CPU its weights are the same; on a GPU
    some sums are rounded in another order each time.

    Raises:
        DelogError: as `train_once`.
    """
    experiment = planned(experiment, data)
    with _writing(experiment, out):
        checkpoint = out / experiment.run_id / CHECKPOINT
        return training.train(experiment, data=data, checkpoint=checkpoint)


def load_run(folder: Path | str, plugin: Path | str | None = None) -> Run:
    """The finished run in ``folder`` with its weights, on the CPU; no image is read.

    Args:
        folder: of the run
        plugin: file of the plug-in that the run was made with, where it is not registered: its code
            is run, as ``folder/method.py`` has it

    Raises:
        RecordError: the folder holds no readable record, or no checkpoint of its end, or what made
            it is not registered here.
    """
    if plugin is not None:
        use(plugins.read(plugin))
    record, path = load(Path(folder)), Path(folder) / CHECKPOINT
    if not record.experiment.declared:
        code = ", ".join(f"{noun}.py" for noun in record.identity.get("code", ())) or "its method"
        raise RecordError(
            f"{folder} was made with a plug-in that is not registered here: load_run(folder, "
            f"plugin=...) runs its code, kept beside the record as {code}"
        )
    if not path.exists():
        raise RecordError(
            f"{folder} holds no {CHECKPOINT}: its weights were not kept (train with "
            f"keep_checkpoint, sweep with --keep-checkpoints)"
        )
    state = checkpoint.read(path, record.run_id)
    progress = state["progress"]
    if len(progress["history"]) != record.results["epochs"]:
        raise RecordError(f"checkpoint {path} is not of the run's end: delete it")
    data = state["data"]
    shape = len(data["mean"]), record.experiment.image_size, record.experiment.image_size
    model = methods.build(record.experiment, (shape, len(data["classes"]))).eval()
    checkpoint.load_weights(model, state, path)
    return Run(
        record.experiment,
        model.to(memory_format=torch.channels_last),
        "cpu",
        record.results["precision"],
        tuple(data["classes"]),
        tuple(data["mean"]),
        tuple(data["std"]),
        history=record.history,
        peak_train_mb=record.results["peak_train_mb"],
        team=record.results.get("processes", Team.label),
    )


@contextmanager
def _writing(experiment: Experiment, out: Path) -> Iterator[None]:
    """Hold the run's folder."""
    folder = out / experiment.run_id
    with claim(out, experiment.run_id, _CLAIM_SECONDS):
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(folder)
        yield
