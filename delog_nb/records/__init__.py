"""Finished runs as files: written whole, read without running anything, locked while they grow."""

from typing import TYPE_CHECKING

from delog_nb.instruments.lazy import lazy
from delog_nb.instruments.run_files import CHECKPOINT, HISTORY, RECORD
from delog_nb.instruments.spread import mean_and_std
from delog_nb.records.reading import SCHEMA
from delog_nb.records.record import (
    Record,
    find,
    load,
    matching,
    readable,
    record_of,
    save,
    sources,
)

if TYPE_CHECKING:
    from delog_nb.records.runs import load_run, restore, train_once

__all__ = [
    "CHECKPOINT",
    "HISTORY",
    "RECORD",
    "SCHEMA",
    "Record",
    "find",
    "load",
    "load_run",
    "matching",
    "mean_and_std",
    "readable",
    "record_of",
    "restore",
    "save",
    "sources",
    "train_once",
]

# records are read without torch
__getattr__ = lazy(
    __name__,
    dict.fromkeys(("load_run", "restore", "train_once"), "delog_nb.records.runs"),
)
