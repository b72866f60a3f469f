"""What makes a run the one it is: the choices that make its result, and their hash.

Left out are choices that are at their base (so that a new field or option changes no id), those
that the run does not read, the preset's name, labels and places.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from delog_nb.experiment.registry import DATASETS, FIELDS
from delog_nb.instruments.errors import ExperimentError

if TYPE_CHECKING:
    from delog_nb.experiment.schema import Experiment

# Of the training loop, evaluation included. 2: accuracies are computed in float32, whatever a run
# trains in, and what a network draws is seeded.
TRAINING = 2

_NAMES = ("dataset", "net", "method", "seed")
_NOT_HASHED = (*_NAMES, "preset", "data_dir", "dataset_label", "device", "components")


def revisions(experiment: "Experiment") -> dict[str, int]:
    """The current revision of all that makes the run's numbers."""
    own = {noun: entry.revision for noun, entry in experiment.entries.items()}
    return {"training": TRAINING} | own


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
    if experiment.num_components != experiment.counts[2]:
        chosen["components"] = experiment.num_components
    found: dict[str, Any] = {name: getattr(experiment, name) for name in _NAMES}
    found["choices"] = chosen
    raised = {k: v for k, v in (revision or revisions(experiment)).items() if v != 1}
    code = {}
    for noun, entry in experiment.entries.items():
        if entry.plugin and not entry.plugin.source:
            raise ExperimentError(
                f"{entry.name!r} was defined where its source cannot be read again: define it in "
                f"a notebook's cell or in a file, and its runs can be kept"
            )
        if entry.plugin:
            code[noun] = entry.plugin.digest
    parts = {"revisions": raised, "code": code}
    return found | {name: part for name, part in parts.items() if part}


def id_of(identity: Mapping[str, Any]) -> str:
    """Readable prefix and a hash: the same identity has the same id."""
    text = json.dumps(identity, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return "{dataset}-{net}-{method}-s{seed}-".format(**identity) + digest
