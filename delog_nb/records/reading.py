"""What the files of a finished run have to be; whatever else is in them is named and refused."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from delog_nb.instruments.files import MEGABYTE, read_json, read_text

if TYPE_CHECKING:
    from delog_nb.training import Row

SCHEMA = 2

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Text = Annotated[str, Field(max_length=1000)]
Plain = bool | int | float | Text | None


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Open(BaseModel):
    """May say more than is asked of it, in plain values."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, Plain]


class _Identity(_Strict):
    dataset: Text
    net: Text
    method: Text
    seed: Count
    choices: dict[Text, Plain]
    revisions: dict[Text, Count] = {}
    code: dict[Text, Text] = {}


class _Divergence(_Strict):
    epoch: Count
    step: Count
    component: Count


class _Results(_Open):
    epochs: Annotated[int, Field(ge=0, le=10**6)]
    val_acc: Share | None = None
    test_acc: Share | None
    test_acc_at_best_val: Share | None
    test_acc_best_over_epochs: Share | None = None
    best_val_epoch: Count | None = None
    train_params: Count
    inference_params: Count
    sec_per_epoch: Amount | None
    eval_sec_per_epoch: Amount | None = None
    peak_train_mb: Amount | None = None
    state: Literal["finished", "diverged"] = "finished"
    diverged: _Divergence | None = None

    @model_validator(mode="after")
    def _an_accuracy_or_where_it_diverged(self) -> _Results:
        if (self.state == "diverged") != (self.diverged is not None):
            raise ValueError("state and diverged do not agree")
        if (self.test_acc is None) != (self.state == "diverged"):
            raise ValueError("test_acc is missing, or given for a run that diverged")
        return self


class _Machine(_Open):
    processor: Text
    cores: Count | None
    threads: Count
    gpu: Text | None


class _Versions(_Open):
    python: Text
    torch: Text | None
    git: Text | None


class _Content(_Strict):
    schema_: Literal[2] = Field(alias="schema")
    run_id: Text
    carried_from: Text | None = None
    identity: _Identity
    experiment: dict[Text, Plain]
    components: Annotated[int, Field(ge=1, le=100_000)]
    labels: dict[Literal["method", "net", "dataset"], Text]
    results: _Results
    machine: _Machine
    versions: _Versions
    finished: Text


def content_in(path: Path) -> dict[str, Any]:
    """What a ``record.json`` holds.

    Raises:
        ReadError: it cannot be read.
        ValueError: it is not what a record is.
    """
    content = read_json(path, MEGABYTE)
    try:
        _Content.model_validate(content)
    except ValidationError as error:
        raise ValueError(first_sentence(error)) from None
    plain: dict[str, Any] = content
    return plain


def first_sentence(error: ValidationError) -> str:
    """The first thing that is wrong: where it stands, what came, and what is allowed."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "it"
    came = repr(first["input"])
    came = came if len(came) <= 60 else f"{came[:57]}..."
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{place} is missing"
    return f"{place} = {came}: {said[:1].lower()}{said[1:]}"


def history_in(path: Path, results: dict[str, Any]) -> list[Row]:
    """A history, which has to fit the results: a row for each epoch, numbers that are numbers.

    Raises:
        ReadError: it cannot be read.
        ValueError: it is no such history.
    """
    rows: list[Row] = []
    for number, row in enumerate(csv.DictReader(io.StringIO(read_text(path, 50 * MEGABYTE))), 1):
        place = f"{path.name}, row {number}"
        if None in row or None in row.values():
            raise ValueError(f"{place} has more or fewer columns than the first line")
        values = {name: float(text) if text else None for name, text in row.items()}
        if values.get("epoch") != number:
            raise ValueError(f"{place} is of epoch {row.get('epoch')}")
        for name, value in values.items():
            if value is None:
                continue
            if not math.isfinite(value) or (name.endswith("_acc") and not 0 <= value <= 1):
                raise ValueError(f"{place} has {name} = {value}")
        if "test_acc" not in values or "seconds" not in values:
            raise ValueError(f"{place} has no test_acc or no seconds")
        rows.append(values | {"epoch": number})
    if len(rows) != results["epochs"]:
        raise ValueError(f"{path.name} has {len(rows)} epochs where there were {results['epochs']}")
    return rows
