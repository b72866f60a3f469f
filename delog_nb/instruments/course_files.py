"""Where the course's files are: beside the package in a checkout, inside it where it is installed.

``setup.py`` puts them into the wheel.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "course_files"
_FROM_WHEEL = _INSTALLED.is_dir()

HOME = _INSTALLED if _FROM_WHEEL else _PACKAGE.parent
NOTEBOOKS = HOME / "notebooks"
EXPERIMENT = NOTEBOOKS / "experiment.ipynb"  # runs one experiment, by papermill
EXPERIMENTS = HOME / "experiments"  # grid files
RESULTS = HOME / "results"  # recorded runs

# Runs of one's own, which lessons show beside the recorded ones. An installed package may be
# read-only: there they are in the folder that one works in.
OWN_RUNS = Path("runs") if _FROM_WHEEL else HOME / "runs"
