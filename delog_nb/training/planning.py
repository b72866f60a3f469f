"""What a run is, once it is settled where it is made."""

from collections.abc import Iterable, Iterator

from delog_nb import data
from delog_nb.data import ImageData
from delog_nb.experiment import DelogError, Experiment
from delog_nb.experiment.registry import DATASETS
from delog_nb.training.device import pick_device, pick_precision


def planned(experiment: Experiment, images: ImageData | None = None) -> Experiment:
    """The experiment with its precision settled, and the content of its images named.

    Its `run_id` is then the same on every machine. Images are looked at once, where their data
    set's name does not say which they are and ``data_id`` is not given.

    Args:
        experiment: what is to be run
        images: those that it is run on, where they are at hand

    Raises:
        ExperimentError: the device is not there.
        DataError: the images are not there.
    """
    changes: dict[str, object] = {}
    if images is not None and images.content_id and images.name != experiment.dataset:
        changes = {"dataset": images.name, "data_id": images.content_id, "data_dir": None}
        changes["image_size"] = images.shape[-1]
    elif DATASETS[experiment.dataset].by_content and experiment.data_id is None:
        changes["data_id"] = images.content_id if images else data.content_id(experiment)
    if experiment.precision == "auto":
        changes["precision"] = pick_precision("auto", pick_device(experiment.device))
    return Experiment(**(experiment.choices() | changes)) if changes else experiment


def planned_all(experiments: Iterable[Experiment]) -> list[Experiment]:
    """`planned` for each; the same images are looked at once."""
    found = []
    for item in plan_each(experiments):
        if isinstance(item, DelogError):
            raise item
        found.append(item)
    return found


def plan_each(experiments: Iterable[Experiment]) -> Iterator[Experiment | DelogError]:
    """Each one planned, or the error that says why it cannot be."""
    known: dict[object, str | None] = {}
    for experiment in experiments:
        place = experiment.dataset, experiment.data_dir
        if experiment.data_id is None and known.get(place):
            experiment = Experiment(**(experiment.choices() | {"data_id": known[place]}))
        try:
            made = planned(experiment)
        except DelogError as error:
            yield error
        else:
            known[place] = made.data_id
            yield made
