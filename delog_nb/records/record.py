"""A finished run as files, and many of them as one list.

``<out>/<run id>/`` holds ``record.json`` (what was run, where, with which result), ``history.csv``
(a row per epoch) and, while the run is unfinished or where asked for, ``checkpoint.pt``. A record
is written last and in one piece: where it is, the run is finished. Nothing in the folder is ever
unpickled: text is parsed, and of a checkpoint only tensors and plain values are loaded.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from delog_nb import training
from delog_nb.experiment import Experiment, RecordError
from delog_nb.instruments.files import write_atomically
from delog_nb.instruments.machine import machine, versions
from delog_nb.training import Row, Run

SCHEMA = 1
RECORD, HISTORY, CHECKPOINT = "record.json", "history.csv", "checkpoint.pt"
_RESULTS = {"epochs", "test_acc", "test_acc_at_best_val", "train_params", "sec_per_epoch"}


@dataclass(frozen=True)
class Record:
    """A finished run read from its folder; ``folder`` is None where it was never written."""

    experiment: Experiment
    results: dict[str, Any]
    history: list[Row]
    machine: dict[str, Any]
    versions: dict[str, Any]
    finished: str
    folder: Path | None = None


def record_of(run: Run) -> Record:
    """What is worth keeping of ``run``, with this machine and these versions."""
    return Record(
        experiment=run.experiment,
        results=training.describe(run),
        history=run.history,
        machine=machine(),
        versions=versions(),
        finished=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def save(record: Record, out: Path) -> Path:
    """Write ``record`` to its folder below ``out`` and return the folder."""
    folder = out / record.experiment.run_id
    text = io.StringIO()
    writer = csv.DictWriter(text, list(record.history[0]) if record.history else ["epoch"])
    writer.writeheader()
    writer.writerows(record.history)
    with write_atomically(folder / HISTORY) as file:
        file.write(text.getvalue().encode())
    content = {
        "schema": SCHEMA,
        "run_id": record.experiment.run_id,
        "experiment": record.experiment.model_dump(mode="json"),
        "results": record.results,
        "machine": record.machine,
        "versions": record.versions,
        "finished": record.finished,
    }
    with write_atomically(folder / RECORD) as file:
        file.write(json.dumps(content, indent=1).encode())
    return folder


def load(folder: Path) -> Record:
    """Read the record in ``folder``.

    Raises:
        RecordError: the record is damaged or not one of ours; the sentence names the file.
    """
    path = folder / RECORD
    try:
        content = json.loads(path.read_text())
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']!r} where {SCHEMA} is known")
        experiment, results = Experiment(**content["experiment"]), content["results"]
        history = _read_history(folder / HISTORY)
        if missing := _RESULTS - results.keys():
            raise ValueError(f"results without {', '.join(sorted(missing))}")
        if results.get("state") == "diverged":
            training.Divergence(**results["diverged"])
        if len(history) != results["epochs"]:
            raise ValueError(
                f"{HISTORY} has {len(history)} epochs where there were {results['epochs']}"
            )
        return Record(
            experiment=experiment,
            results=results,
            history=history,
            machine=content["machine"],
            versions=content["versions"],
            finished=content["finished"],
            folder=folder,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise RecordError(f"{path} is not a readable record: {error}") from error


def _read_history(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        rows = [
            {name: float(text) if text else None for name, text in row.items()}
            for row in csv.DictReader(file)
        ]
    return [row | {"epoch": int(row["epoch"] or 0)} for row in rows]


def finished(experiments: Iterable[Experiment], out: Path) -> list[Record]:
    """The records in ``out`` of those ``experiments`` that have been run, in their order.

    Raises:
        RecordError: as `load`.
    """
    folders = [out / experiment.run_id for experiment in experiments]
    return [load(folder) for folder in folders if (folder / RECORD).exists()]


def find(out: Path) -> Iterator[Record | RecordError]:
    """Every record below ``out``, by folder name; an unreadable one as the error that says why."""
    for path in sorted(out.rglob(RECORD)):
        try:
            yield load(path.parent)
        except RecordError as error:
            yield error


def mean_and_std(values: list[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1); NaN for one value or none.

    >>> mean_and_std([1.0, 3.0])
    (2.0, 1.4142135623730951)
    """
    if not values:
        return math.nan, math.nan
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, math.nan
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
