"""Finished runs as files: written whole, read without running anything, locked while they grow."""

from delog_nb.records.record import (
    CHECKPOINT,
    HISTORY,
    RECORD,
    SCHEMA,
    Record,
    find,
    finished,
    load,
    mean_and_std,
    record_of,
    save,
)
from delog_nb.records.runs import load_run, restore, train_once

__all__ = [
    "CHECKPOINT",
    "HISTORY",
    "RECORD",
    "SCHEMA",
    "Record",
    "find",
    "finished",
    "load",
    "load_run",
    "mean_and_std",
    "record_of",
    "restore",
    "save",
    "train_once",
]
