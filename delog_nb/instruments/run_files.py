"""The files that a run's folder holds, all of them: whoever writes or removes one asks here."""

RECORD, HISTORY, CHECKPOINT = "record.json", "history.csv", "checkpoint.pt"
SOURCES = ("method.py", "net.py", "dataset.py")  # of plug-ins
PROBES = "probes.csv"  # linear probes on the run's features
FEATURES, FEATURES_PART = "features.npz", "features.part.npz"  # features in motion, so far
NOTEBOOK, ERROR, LOG = "run.ipynb", "error.json", "log.txt"  # of a run of a grid
# papermill writes this one cell by cell; it takes its name once it is complete
NOTEBOOK_PART = ".run.part.ipynb"

ALL = (
    *(RECORD, HISTORY, CHECKPOINT, *SOURCES, PROBES, FEATURES, FEATURES_PART),
    *(NOTEBOOK, ERROR, LOG, NOTEBOOK_PART),
)
