"""The methods' page: what docs/methods.md tells of each, then its file, formula beside source."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from delog_nb.instruments.annotated import filled, passages, place_of, taken
from delog_site.notebooks import raw

_TITLE = re.compile(r"^## .+ \(`([\w-]+)`\)$", re.MULTILINE)


def methods(root: Path, text: str) -> str:
    """The document with every method's source folded below its section."""
    declared = json.loads((root / "delog_nb/experiment/declared.json").read_text(encoding="utf-8"))
    modules = {entry["name"]: entry["module"] for entry in declared["method"]}
    pieces = re.split(r"(?m)^(?=## )", text)
    return "".join(
        f"{piece.rstrip()}\n\n{_source(root, modules[title[1]])}\n\n"
        if (title := _TITLE.match(piece))
        else piece
        for piece in pieces
    )


def _source(root: Path, module: str) -> str:
    path = root.joinpath(*module.split(".")).with_suffix(".py")
    source = path.read_text(encoding="utf-8")
    texts = [(path, source), *taken(source)]
    return raw("\n".join(_beside(place_of(file), text) for file, text in texts))


def _beside(name: str, source: str) -> str:
    """A file in two columns: what is said, and the lines it is said of."""
    lexer, form = PythonLexer(), HtmlFormatter(cssclass="highlight")
    rows = "".join(
        f'<div class="said"><pre>{html.escape(_paragraphs(prose))}</pre></div>'
        f"{highlight(code, lexer, form)}"
        for prose, code in passages(source)
    )
    return (
        f"<details><summary>Formula beside source: <code>{name}</code></summary>"
        f'<div class="beside">{rows}</div></details>'
    )


def _paragraphs(prose: str) -> str:
    """Each paragraph on one line, for the page to break; formulas and examples as they are."""
    return "\n".join(filled(prose, width=10_000))
