"""A cell's stored outputs as HTML: figures and bundles become files that a page loads when seen."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PLOTLY = "application/vnd.plotly.v1+json"
PLAYED = "application/vnd.delog-nb.figure+json"  # {"module": NAME, "data": {...}}
OURS = (
    "application/vnd.delog-nb.site+json"  # {"kind": menus, predict, outcome or quiz, ...}
)
_HEIGHT = 420  # pixels, of a figure that does not say


class Figures:
    """Where figures go: files named by their content, each written once."""

    def __init__(self, static: Path, modules: Path) -> None:
        self.static, self.modules = static, modules
        (static / "figures").mkdir(parents=True)
        (static / "modules").mkdir()

    def write(self, data: Any) -> str:
        """The address of a file with ``data``."""
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        name = f"figures/{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        (self.static / name).write_text(text, encoding="utf-8")
        return f"_static/{name}"

    def module(self, name: str) -> str:
        """The address of a browser module; those of the lab are in ``delog_nb/lab/modules``.

        Raises:
            FileNotFoundError: there is no such module.
        """
        source = self.modules / f"{name}.js"
        if not source.is_file():
            raise FileNotFoundError(f"a figure is drawn by {name}.js: {source.parent} has none")
        (self.static / "modules" / source.name).write_bytes(source.read_bytes())
        return f"_static/modules/{source.name}"


def html_of(outputs: Sequence[Mapping[str, Any]], figures: Figures) -> str:
    """Outputs one below the other; a figure of menus with the table that stands below it."""
    parts: list[str] = []
    menus = any(o.get("data", {}).get(OURS, {}).get("kind") == "menus" for o in outputs)
    for place, output in enumerate(outputs, 1):
        if output["output_type"] == "stream":
            # the choices are told by the menus themselves
            text = "" if menus and re.match(r"[\w ]+ = .*\(or ", output["text"]) else output["text"]
            if text and parts and parts[-1].endswith("</pre>"):
                parts[-1] = parts[-1].removesuffix("</pre>") + html.escape(text) + "</pre>"
            elif text:
                parts.append(f'<pre class="printed">{html.escape(text)}</pre>')
            continue
        data = output["data"]
        ours = data.get(OURS, {})
        if ours.get("kind") == "menus":
            bundle = json.loads(gzip.decompress(base64.b64decode(ours["gzip"])))
            parts[-2:] = [_menus(bundle, parts[-1], figures)]
        elif ours.get("kind") == "predict":
            parts.append(asked(ours["question"], ours["options"]))
        elif ours.get("kind") == "outcome":
            shown = html_of(outputs[place:], figures)  # what bears it out
            told = f"<p>{html.escape(ours['answer'])}</p>"
            return "\n".join([*parts, answered(ours["question"], told + shown)])
        elif ours.get("kind") == "quiz":
            parts += [_question(n, one) for n, one in enumerate(ours["questions"], 1)]
        elif PLAYED in data:
            parts.append(_played(data, figures))
        elif PLOTLY in data:
            parts.append(_figure(data[PLOTLY], _says(output), figures))
        elif "image/png" in data:
            says = html.escape(_says(output))
            parts.append(f'<img alt="{says}" src="data:image/png;base64,{data["image/png"]}">')
        elif "text/html" in data:
            parts.append(f'<div class="shown">{data["text/html"]}</div>')
        else:
            parts.append(f'<pre class="printed">{html.escape(data["text/plain"])}</pre>')
    return "\n".join(parts)


def asked(question: str, options: Sequence[str]) -> str:
    """A question with its options; the choice is kept by the browser."""
    name = html.escape(question)
    radios = "".join(
        f'<label><input type="radio" name="{name}" value="{html.escape(option)}"> '
        f"{html.escape(option)}</label>"
        for option in options
    )
    return f'<fieldset class="asked"><legend>{name}</legend>{radios}</fieldset>'


def answered(question: str, answer: str, title: str = "") -> str:
    """What came out, folded, so that nobody reads it before they have answered."""
    name = html.escape(question)
    return (
        f'<details class="answered" data-question="{name}">'
        f"<summary>{title or f'What came out: {name}'}</summary>"
        f'<p class="guess"></p>{answer}</details>'
    )


def _question(number: int, one: Mapping[str, Any]) -> str:
    """A question of the quiz, and what there is to say of each option, folded."""
    options = [(html.escape(text), html.escape(why)) for text, why in one["options"]]
    right, why = options.pop(one["right"])
    others = "".join(f"<li><b>{text}</b>: {reply}</li>" for text, reply in options)
    told = f"<p><b>{right}.</b> {why} (Lesson {one['lesson']})</p><p>Not:</p><ul>{others}</ul>"
    question = f"{number}. {one['text']}".replace("`", "")
    return asked(question, [text for text, _ in one["options"]]) + answered(
        question, told.replace("`", ""), "Answer"
    )


def _says(output: Mapping[str, Any]) -> str:
    told = output.get("metadata", {}).get("image/png", {}).get("alt")
    return told or output["data"].get("text/plain") or "A figure"


def _figure(spec: Mapping[str, Any], says: str, figures: Figures) -> str:
    layout = {name: value for name, value in spec["layout"].items() if name != "template"}
    kept = {"data": spec["data"], "layout": layout, "frames": spec.get("frames", [])}
    return _place(f'data-figure="{figures.write(kept)}"', layout, says)


def _place(source: str, layout: Mapping[str, Any], says: str) -> str:
    height = layout.get("height", _HEIGHT)
    return (
        f'<div class="figure" role="group" aria-label="{html.escape(says)}" {source}>'
        f'<div class="drawing" style="height:{height}px"></div></div>'
    )


def _menus(bundle: Mapping[str, Any], table: str, figures: Figures) -> str:
    """The default's figure and table, which the page's script draws again for other choices."""
    places = [place for _, _, place, _ in bundle["choices"]]
    first = next(drawn for place, drawn in bundle["figures"] if list(place) == places)
    figure = _place("", first["figure"]["layout"], first["says"])
    return f'<div class="menus" data-menus="{figures.write(bundle)}">{figure}{table}</div>'


def _played(data: Mapping[str, Any], figures: Figures) -> str:
    given = data[PLAYED]
    says = html.escape(data.get("text/plain", "A figure to play with"))
    folded = data.get("text/html", "")
    return (
        f'<div class="played" role="group" aria-label="{says}" '
        f'data-module="{figures.module(given["module"])}" '
        f'data-values="{figures.write(given["data"])}"></div>{folded}'
    )
