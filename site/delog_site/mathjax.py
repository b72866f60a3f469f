"""MathJax from a package: the files that typeset TeX on a page, and no others."""

from __future__ import annotations

import shutil
from importlib.metadata import files
from pathlib import Path

_NEEDED = ("mathjax/tex-chtml.js", "mathjax/output/chtml/fonts/")


def copy(static: Path) -> None:
    """Put them below ``static``."""
    for file in files("sphinx-mathjax-offline") or ():
        name = file.as_posix().partition("/static/")[2]
        if name.startswith(_NEEDED):
            target = static / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)
