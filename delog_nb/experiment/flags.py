"""An experiment's choices on a command line."""

from collections.abc import Mapping
from typing import Any

from delog_nb.experiment.registry import PARAMETERS


def flags_of(choices: Mapping[str, Any]) -> list[str]:
    """Choices as they are written on a command line.

    >>> flags_of({"batch_size": 32, "flip": False})
    ['--batch-size', '32', '--no-flip']
    """
    words: list[str] = []
    for name, value in choices.items():
        flag = name.replace("_", "-")
        if PARAMETERS[name].kind == "bool":
            words.append(f"--{flag}" if value in (True, "true") else f"--no-{flag}")
        else:
            words += [f"--{flag}", str(value)]
    return words
