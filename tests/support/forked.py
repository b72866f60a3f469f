"""One server for all tests that start processes: it has loaded what they need, and forks."""

from __future__ import annotations

import multiprocessing

FORKED = multiprocessing.get_context("forkserver")
# One list for all, as a process has one such server. Names that it cannot import, the tests' own
# among them, it leaves out without a word.
FORKED.set_forkserver_preload(
    [
        "delog_nb.records",
        "delog_nb.methods.delog_scl",
        "delog_nb.methods.early_exit",
        "delog_nb.methods.al",
        "delog_nb.cli.rank",
        "delog_nb.pipeline.parallel",
        "delog_nb.lab.runs.curves",
        "sklearn.datasets",
        "torch._dynamo",
        "pytest",
    ]
)
