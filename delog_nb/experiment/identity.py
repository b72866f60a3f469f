"""What makes a run the one it is: the choices that make its result, and their hash.

Left out are choices that are at their base (so that a new field or option changes no id), those
that the run does not read, the preset's name, labels and places.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from delog_nb.experiment.errors import ExperimentError
from delog_nb.experiment.registry import DATASETS, FIELDS, METHODS, REGISTRIES

if TYPE_CHECKING:
    from delog_nb.experiment.schema import Experiment

# Of the training loop, evaluation included. 2: accuracies are computed in float32, whatever a run
# trains in, and what a network draws is seeded.
TRAINING = 2

_NAMES = ("dataset", "net", "method", "seed")
_NOT_HASHED = (*_NAMES, "preset", "data_dir", "dataset_label", "device", "components")


def revisions(experiment: "Experiment") -> dict[str, int]:
    """The current revision of all that makes the run's numbers."""
    own = {noun: registry[getattr(experiment, noun)] for noun, registry in REGISTRIES.items()}
    return {"training": TRAINING} | {noun: entry.revision for noun, entry in own.items()}


def identity(experiment: "Experiment", revision: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What is hashed, as plain data; ``revision`` is by default the current one.

    Raises:
        ExperimentError: the run is not planned, see `delog_nb.training.planned`.
    """
    if experiment.precision == "auto":
        raise ExperimentError("precision = 'auto' is not settled: plan the run first")
    if DATASETS[experiment.dataset].by_content and experiment.data_id is None:
        raise ExperimentError(
            f"data_id of dataset = {experiment.dataset} is not known: plan the run first"
        )
    options = FIELDS | experiment.options
    chosen = {
        name: value
        for name, value in experiment.choices().items()
        if name not in _NOT_HASHED and value != options[name].base
    }
    if experiment.num_components != METHODS[experiment.method].components.at(experiment.hidden)[2]:
        chosen["components"] = experiment.num_components
    found: dict[str, Any] = {name: getattr(experiment, name) for name in _NAMES}
    found["choices"] = chosen
    raised = {k: v for k, v in (revision or revisions(experiment)).items() if v != 1}
    sources = {
        noun: source_of(registry[getattr(experiment, noun)])
        for noun, registry in REGISTRIES.items()
        if registry[getattr(experiment, noun)].plugin is not None
    }
    return (
        found | ({"revisions": raised} if raised else {}) | ({"code": sources} if sources else {})
    )


def source_of(entry: Any) -> str:
    """The digest of a plug-in's source. Raises `ExperimentError` where there is none."""
    if not entry.plugin.source:
        raise ExperimentError(
            f"{entry.name!r} was defined where its source cannot be read again: define it in a "
            f"notebook's cell or in a file, and its runs can be kept"
        )
    digest: str = entry.plugin.digest
    return digest


def id_of(identity: Mapping[str, Any]) -> str:
    """Readable prefix and a hash: the same identity has the same id."""
    text = json.dumps(identity, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return "{dataset}-{net}-{method}-s{seed}-".format(**identity) + digest
