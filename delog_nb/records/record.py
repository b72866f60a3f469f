"""A finished run as files, and many of them as one list.

``<out>/<run id>/`` holds ``record.json`` (what was run, where, with which result), ``history.csv``
(a row per epoch) and, while the run is unfinished or where asked for, ``checkpoint.pt``. A record
is written last and in one piece: where it is, the run is finished. Nothing in the folder is ever
unpickled: text is parsed, and of a checkpoint only tensors and plain values are loaded.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delog_nb.experiment import DelogError, Experiment, RecordError
from delog_nb.experiment.identity import id_of, identity, revisions
from delog_nb.experiment.registry import REGISTRIES
from delog_nb.instruments.files import write_atomically
from delog_nb.instruments.run_files import HISTORY, RECORD
from delog_nb.records.reading import SCHEMA, content_in, history_in

if TYPE_CHECKING:
    from delog_nb.training import Row, Run

_PLACES = ("preset", "data_dir", "dataset_label", "device")  # by which runs are not told apart


@dataclass(frozen=True)
class Record:
    """A finished run read from its folder; ``folder`` is None where it was never written.

    ``identity`` is what its id is the hash of (`delog_nb.experiment.identity`). ``carried_from`` is
    the id that it had when ids were made otherwise.
    """

    experiment: Experiment
    identity: dict[str, Any]
    results: dict[str, Any]
    history: list["Row"]
    machine: dict[str, Any]
    versions: dict[str, Any]
    finished: str
    folder: Path | None = None
    carried_from: str | None = None

    @property
    def run_id(self) -> str:
        return id_of(self.identity)

    @property
    def revisions(self) -> dict[str, int]:
        """By which revision of training, method, net and data set it was made."""
        return _revisions(self.identity)


def _revisions(stored: Mapping[str, Any]) -> dict[str, int]:
    """All revisions of an identity, which leaves out the first ones."""
    return dict.fromkeys(("training", *REGISTRIES), 1) | stored.get("revisions", {})


def record_of(run: "Run") -> Record:
    """What is worth keeping of ``run``, with this machine and these versions.

    Raises:
        RecordError: the run has no id, since something in it was of the caller's own.
    """
    from delog_nb import training
    from delog_nb.instruments.machine import machine, versions

    if run.own:
        raise RecordError(
            f"a run with {' and '.join(run.own)} of one's own has no id and makes no record: give "
            f"a method, net or data set a name with @delog_nb.method, @delog_nb.net or "
            f"@delog_nb.dataset"
        )
    return Record(
        experiment=run.experiment,
        identity=identity(run.experiment),
        results=training.describe(run),
        history=run.history,
        machine=machine(),
        versions=versions(),
        finished=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
    )


def content_of(record: Record) -> dict[str, Any]:
    """What ``record.json`` holds."""
    e = record.experiment
    labels = {"method": e.method_label, "net": e.net_label, "dataset": e.data_label}
    carried = {"carried_from": record.carried_from} if record.carried_from else {}
    return {
        "schema": SCHEMA,
        "run_id": record.run_id,
        **carried,
        "identity": record.identity,
        "experiment": e.choices(),
        "components": e.num_components,
        "labels": labels,
        "results": record.results,
        "machine": record.machine,
        "versions": record.versions,
        "finished": record.finished,
    }


def save(record: Record, out: Path) -> Path:
    """Write ``record`` to its folder below ``out`` and return the folder.

    Beside it the sources of plug-ins are kept, as ``method.py``, ``net.py`` and ``dataset.py``.
    """
    folder = out / record.run_id
    text = io.StringIO()
    writer = csv.DictWriter(text, list(record.history[0]) if record.history else ["epoch"])
    writer.writeheader()
    writer.writerows(record.history)
    with write_atomically(folder / HISTORY) as file:
        file.write(text.getvalue().encode())
    for noun, source in sources(record.experiment).items():
        with write_atomically(folder / f"{noun}.py") as file:
            file.write(source.encode())
    with write_atomically(folder / RECORD) as file:
        file.write(json.dumps(content_of(record), indent=1).encode())
    return folder


def sources(experiment: Experiment) -> dict[str, str]:
    """The sources of the plug-ins that the run uses: ``method``, ``net``, ``dataset``."""
    entries = experiment.entries.items()
    return {noun: entry.plugin.source for noun, entry in entries if entry.plugin}


def load(folder: Path) -> Record:
    """Read the record in ``folder``: nothing is imported or run.

    Raises:
        RecordError: the record is damaged, not one of ours, or its name, its choices and what its
            id stands for do not agree; the sentence names the file.
    """
    path = folder / RECORD
    try:
        content = content_in(path)
        experiment = Experiment.recorded(
            content["experiment"],
            content["labels"],
            content["components"],
            content["identity"].get("code", {}),
        )
        _check_identity(content, experiment, folder)
        history = history_in(folder / HISTORY, content["results"])
    except (DelogError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise RecordError(f"{path} is not a readable record: {error}") from error
    return Record(
        experiment=experiment,
        identity=content["identity"],
        results=content["results"],
        history=history,
        machine=content["machine"],
        versions=content["versions"],
        finished=content["finished"],
        folder=folder,
        carried_from=content.get("carried_from"),
    )


def _check_identity(content: Mapping[str, Any], experiment: Experiment, folder: Path) -> None:
    """Name, choices and identity of a record agree. Raises ValueError."""
    stored, choices = content["identity"], content["experiment"]
    run_id = id_of(stored)
    if content["run_id"] != run_id or folder.resolve().name != run_id:
        raise ValueError(
            f"its folder is {folder.resolve().name}, its run_id {content['run_id']}, its identity "
            f"that of {run_id}"
        )
    named = {name: stored[name] for name in ("dataset", "net", "method", "seed")}
    for name, value in (named | stored["choices"]).items():
        found = content["components"] if name == "components" else choices.get(name)
        if found != value:
            raise ValueError(f"its experiment has {name} = {found!r}, its identity {value!r}")
    if experiment.declared:
        now = identity(experiment, _revisions(stored))
        for name in now["choices"].keys() - stored["choices"].keys():
            raise ValueError(f"its experiment has {name} = {choices[name]!r}, its identity not")


def matching(
    experiments: Iterable[Experiment],
    records: Iterable[Record],
    revision: Mapping[str, int] | None = None,
) -> list[Record]:
    """The records of those ``experiments`` that are among ``records``, in their order.

    Runs are told apart by their choices. Where an experiment leaves open what this machine would
    settle (``precision`` = auto, ``data_id``), a record's choice is right whatever it is.

    Args:
        experiments: what was run
        records: where to look
        revision: of training, method, net or data set, where records of another one than the
            current are asked for

    Raises:
        RecordError: several records fit one experiment.
    """
    by_choices: dict[str, list[Record]] = {}
    for record in records:
        by_choices.setdefault(_key(record.experiment), []).append(record)
    found: list[Record] = []
    for experiment in experiments:
        wanted = revisions(experiment) | dict(revision or {})
        fitting = {
            record.run_id: record
            for record in by_choices.get(_key(experiment), [])
            if record.revisions == wanted and _settled_alike(experiment, record.experiment)
        }
        if len(fitting) > 1:
            raise RecordError(
                f"several records fit one run: {', '.join(fitting)}: say which precision or data_id"
            )
        found += fitting.values()
    return found


def _key(experiment: Experiment) -> str:
    """All choices by which runs are told apart, but for those that a machine settles."""
    settled = (*_PLACES, "precision", "data_id", "components")
    chosen = {n: v for n, v in experiment.choices().items() if n not in settled}
    return json.dumps(chosen | {"components": experiment.num_components}, sort_keys=True)


def _settled_alike(experiment: Experiment, other: Experiment) -> bool:
    return experiment.precision in ("auto", other.precision) and experiment.data_id in (
        None,
        other.data_id,
    )


def find(out: Path) -> Iterator[Record | RecordError]:
    """Every record below ``out``, by folder name; an unreadable one as the error that says why."""
    for path in sorted(out.rglob(RECORD)):
        try:
            yield load(path.parent)
        except RecordError as error:
            yield error


def readable(out: Path) -> list[Record]:
    """The records below ``out`` that can be read."""
    return [item for item in find(out) if isinstance(item, Record)]
