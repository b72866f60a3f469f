"""Figures that one plays with: a browser module, fed by plain data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from IPython.core.getipython import get_ipython

from delog_nb.lab.charts.exhibit import Exhibit

MODULES = Path(__file__).resolve().parents[1] / "modules"
FIGURE = "application/vnd.delog-nb.figure+json"  # {"module": name, "data": {...}}

_LIVE = """<div id="{id}"></div>
<script type="module">
const {{ source, data }} = {payload};
const address = URL.createObjectURL(new Blob([source], {{ type: "text/javascript" }}));
const {{ default: figure }} = await import(address);
const model = {{ get: () => data, set() {{}}, on() {{}}, off() {{}}, save_changes() {{}} }};
figure.render({{ model, el: document.getElementById("{id}") }});
</script>"""


def headless() -> bool:
    """Whether no front end shows this cell: a script, nbval, papermill, ``jupyter execute``.

    A front end with a person before it lets a cell ask for input; programs that run notebooks say
    that they do not.

    >>> from delog_nb import lab
    >>> lab.headless()
    True
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return True
    parent = kernel.get_parent("shell") or {}
    return not parent.get("content", {}).get("allow_stdin", False)


@dataclass(frozen=True, repr=False)
class Played(Exhibit):
    """An `Exhibit` that is a browser module where there is a browser to play in.

    ``figure`` is its static form: what a notebook keeps, and an image shows. A stored output has
    the module's name and its data beside the image, so that a page without a kernel can play too.

    Args:
        module: the name of a file in ``lab/modules``, an ES module whose default export has
            ``render({model, el})``; ``model.get("data")`` is ``data``
        data: plain and small; pairs where order matters, since notebooks sort their keys
    """

    module: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    def outputs(self) -> tuple[dict[str, Any], dict[str, Any]]:
        figure, folded = super().outputs()
        return figure | self._stored(), folded

    def _stored(self) -> dict[str, Any]:
        return {FIGURE: {"module": self.module, "data": self.data}, "text/plain": self.says}

    def now(self) -> tuple[dict[str, Any], dict[str, Any]]:
        figure, folded = self.outputs()
        if headless():
            return figure, folded
        live = _widget_class(self.module)(data=self.data)
        return live._repr_mimebundle_()[0] | self._stored(), folded

    def _library(self) -> str:
        return ""

    def _drawn(self) -> str:
        source = (MODULES / f"{self.module}.js").read_text(encoding="utf-8")
        payload = json.dumps({"source": source, "data": self.data}, allow_nan=False)
        # what ends a script, or begins a comment in one, is a letter of a text here
        return _LIVE.format(id=f"figure-{uuid4()}", payload=payload.replace("<", "\\u003c"))


@lru_cache
def _widget_class(module: str) -> Any:
    import anywidget
    import traitlets

    return type(
        "PlayedWidget",
        (anywidget.AnyWidget,),
        {"_esm": MODULES / f"{module}.js", "data": traitlets.Dict().tag(sync=True)},
    )
