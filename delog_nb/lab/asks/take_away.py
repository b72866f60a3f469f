"""A learner's work as one file: to download before a session ends, and to restore in another."""

from __future__ import annotations

import base64
import html
import io
import json
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat
from IPython.display import display
from nbformat import NotebookNode

from delog_nb.course.building import SOLUTIONS, student, without_outputs
from delog_nb.instruments import course_files
from delog_nb.instruments.errors import ExperimentError
from delog_nb.instruments.files import write_atomically
from delog_nb.lab.asks.predict import keep, kept
from delog_nb.lab.charts.exhibit import Markup
from delog_nb.lab.charts.played import headless

FILE = "delog_nb_work.zip"
_PREDICTIONS, _ATTEMPTS = "predictions.json", "attempts"
_MOST = 50 * 10**6  # bytes, unpacked


def packed(folder: Path) -> bytes:
    """The work in ``folder`` as a zip file: predictions, notebooks without outputs, attempts.

    Attempts are the runs that lesson 12 keeps. A notebook that is still as it came is left out.

    Raises:
        ExperimentError: a notebook cannot be read.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(_PREDICTIONS, json.dumps(kept(), indent=1))
        for path in sorted(folder.glob("*.ipynb")):
            notebook = _read(path)
            if notebook is None:
                raise ExperimentError(f"{path.name} is not a readable notebook: move it away first")
            if not _as_it_came(path.name, notebook):
                file.writestr(path.name, nbformat.writes(without_outputs(notebook)))
        attempts = course_files.OWN_RUNS / _ATTEMPTS
        for path in sorted(attempts.rglob("*")):
            if path.is_file():
                file.write(path, PurePosixPath(_ATTEMPTS, path.relative_to(attempts).as_posix()))
    return content.getvalue()


def restored(content: bytes, folder: Path) -> list[str]:
    """Put what `packed` gave back into ``folder``; what was written, by name.

    Predictions join those that are there. A notebook takes the place of one that is as it came;
    beside any other it is written as ``NAME (restored).ipynb``. Attempts that are there stay.

    Raises:
        ExperimentError: the content is no such file, or it holds something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            if sum(item.file_size for item in file.infolist()) > _MOST:
                raise ExperimentError(f"it holds more than {_MOST // 10**6} MB unpacked")
            found = {name: file.read(name) for name in file.namelist()}
        predictions = {str(k): str(v) for k, v in json.loads(found.pop(_PREDICTIONS)).items()}
        notebooks = {
            name: nbformat.reads(found.pop(name).decode(), as_version=4)
            for name in list(found)
            if name.endswith(".ipynb") and PurePosixPath(name).name == name
        }
    except (zipfile.BadZipFile, KeyError, ValueError, AttributeError) as error:
        raise ExperimentError(f"it is not a file that lab.take_away made: {error}") from None
    for name in found:
        parts = PurePosixPath(name).parts
        if len(parts) < 2 or parts[0] != _ATTEMPTS or ".." in parts or "\\" in name:
            raise ExperimentError(f"it holds {name}, which lab.take_away does not make")
    for question, answer in predictions.items():
        keep(question, answer)
    written = [f"predictions: {len(predictions)}"]
    for name, notebook in notebooks.items():
        path, number, there = folder / name, 1, None
        while path.exists():
            there = _read(path)
            if there and (_same(there, notebook) or _as_it_came(path.name, there)):
                break
            again = f" {number}" if number > 1 else ""
            path = folder / f"{Path(name).stem} (restored{again}).ipynb"
            number += 1
        if path.exists() and there and _same(there, notebook):
            continue
        with write_atomically(path) as out:
            out.write((nbformat.writes(notebook) + "\n").encode())
        written.append(path.name)
    for name, bytes_ in found.items():
        path = course_files.OWN_RUNS / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_atomically(path) as out:
                out.write(bytes_)
            written.append(name)
    return written


def take_away() -> None:
    """Buttons to download one's work as a file, and to restore it elsewhere, such as on Binder.

    >>> from delog_nb import lab
    >>> lab.take_away()
    Open this notebook in JupyterLab to download your work, or to restore it.
    """
    if headless():
        line = "Open this notebook in JupyterLab to download your work, or to restore it."
        display(Markup(f"<p>{line}</p>", line))
        return
    import ipywidgets as widgets

    folder = Path.cwd()
    make = widgets.Button(description="Download my work", icon="download", layout={"width": "auto"})
    upload = widgets.FileUpload(accept=".zip", description="Restore", multiple=False)
    said = widgets.HTML()

    def on_make(_: Any) -> None:
        try:
            data = base64.b64encode(packed(folder)).decode()
        except ExperimentError as error:
            said.value = html.escape(str(error))
            return
        said.value = (
            f'<a download="{FILE}" href="data:application/zip;base64,{data}">Save {FILE}</a> '
            f"(what you have saved in your notebooks until now)"
        )

    def on_upload(change: Any) -> None:
        for item in change["new"]:
            try:
                written = restored(bytes(item["content"]), folder)
            except ExperimentError as error:
                said.value = html.escape(str(error))
            else:
                said.value = html.escape(f"Restored: {', '.join(written)}.")

    make.on_click(on_make)
    upload.observe(on_upload, "value")
    display(widgets.VBox([widgets.HBox([make, upload]), said]))


def _read(path: Path) -> NotebookNode | None:
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError):
        return None


def _same(one: NotebookNode, other: NotebookNode) -> bool:
    first, second = (
        [(cell.cell_type, cell.source.strip()) for cell in notebook.cells if cell.source.strip()]
        for notebook in (one, other)
    )
    return first == second


def _as_it_came(name: str, notebook: NotebookNode) -> bool:
    """Whether the text of a notebook is the course's."""
    solved, plain = course_files.NOTEBOOKS / SOLUTIONS / name, course_files.NOTEBOOKS / name
    if solved.exists():
        return _same(notebook, student(nbformat.read(solved, as_version=4)))
    return plain.exists() and _same(notebook, nbformat.read(plain, as_version=4))
