"""Give the records in a folder the ids that `delog_nb.experiment.identity` makes.

``python results/carry_over.py FOLDER DATA_ID``: results, machine, versions and histories stay as
they are, byte for byte; ``experiment`` is written as its choices, ``carried_from`` keeps the id
that the record had. DATA_ID is the content of the images that the runs were made on.
"""

import json
import sys
from pathlib import Path
from typing import Any

from delog_nb.experiment import Experiment
from delog_nb.experiment.identity import identity
from delog_nb.experiment.rules import readable
from delog_nb.records import Record
from delog_nb.records.record import RECORD, content_of

FIRST = dict.fromkeys(("training", "method", "net", "dataset"), 1)


def carried(content: dict[str, Any], data_id: str) -> Record:
    """The record of schema 1 in ``content`` as it is now."""
    choices = content["experiment"] | {"data_id": data_id}
    choices["precision"] = content["results"]["precision"]
    del choices["data_dir"]  # a place
    experiment = Experiment(**readable({n: v for n, v in choices.items() if v is not None}))
    return Record(
        experiment=experiment,
        identity=identity(experiment, FIRST),
        results=content["results"],
        history=[],
        machine=content["machine"],
        versions=content["versions"],
        finished=content["finished"],
        carried_from=content["run_id"],
    )


def carry_over(folder: Path, data_id: str) -> dict[str, str]:
    """Rewrite every record in ``folder``; the new ids by the old ones."""
    moved = {}
    for path in sorted(folder.glob(f"*/{RECORD}")):
        content = json.loads(path.read_text())
        if content["schema"] != 1:
            continue
        record = carried(content, data_id)
        path.write_text(json.dumps(content_of(record), indent=1))  # noqa: T201
        path.parent.rename(folder / record.run_id)
        moved[content["run_id"]] = record.run_id
    return moved


if __name__ == "__main__":
    print(json.dumps(carry_over(Path(sys.argv[1]), sys.argv[2]), indent=1))  # noqa: T201
