"""Whatever a file or a word says: one sentence or a result, and nothing that exists is changed.

Hypothesis makes the cases, the same ones each time; what failed once stands as an `example`.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.mutations import bounded, damaged, one_sentence, values
from support.processes import processes  # noqa: F401 - a fixture of this module
from support.runs import ROOT, tiny

from delog_nb import Experiment, ExperimentError, records, train
from delog_nb.cli import COMMANDS, main
from delog_nb.data.decoding import decode_all
from delog_nb.data.images import DataError
from delog_nb.experiment import PARAMETERS, DelogError, RecordError
from delog_nb.grids import grid
from delog_nb.grids.notebook import ParameterError, experiment_from
from delog_nb.measure.invariance import read_probes
from delog_nb.training import checkpoint

RECORDED = ROOT / "results" / "cpu" / "folder-convnet-al-s0-815b27618a"
CONTENT = json.loads((RECORDED / "record.json").read_text())


@contextlib.contextmanager
def run_folder(**changed: bytes) -> Iterator[Path]:
    """A copy of a recorded run, some of its files replaced; nothing of it may change."""
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base) / RECORDED.name
        shutil.copytree(RECORDED, folder)
        for name, content in changed.items():
            (folder / name.replace("_", ".")).write_bytes(content)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        yield folder
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def paths_in(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in nested JSON."""
    inner = content.items() if isinstance(content, dict) else ()
    return [path, *(p for key, value in inner for p in paths_in(value, (*path, key)))][
        bool(not path) :
    ]


@st.composite
def mutated_records(draw: st.DrawFn) -> bytes:
    """A record with a value replaced, taken away or added."""
    content = deepcopy(CONTENT)
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(paths_in(content)))
        place = content
        for key in way:
            place = place[key]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                place[last] = draw(values)
            case "remove":
                place.pop(last, None)
            case _:
                place[draw(st.text(max_size=8))] = draw(values)
        if not content:
            break
    return json.dumps(content).encode()


def reads_or_says_why(folder: Path) -> None:
    (item,) = records.find(folder.parent)
    if isinstance(item, RecordError):
        one_sentence(item, str(folder))
    else:
        accuracy = item.results["test_acc"]
        assert accuracy is None or 0 <= accuracy <= 1
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        assert main(["runs", "--out", str(folder.parent)]) in (0, 1)
    assert "Traceback" not in said.getvalue()


@bounded
@given(mutated_records())
def test_a_mutated_record_is_read_or_named(content: bytes) -> None:
    with run_folder(record_json=content) as folder:
        reads_or_says_why(folder)


@bounded
@given(damaged((RECORDED / "record.json").read_bytes()))
@example(b"[" * 100_000)
@example(b'{"schema": ' + b"9" * 5000 + b"}")
@example(b"")
def test_a_damaged_record_is_read_or_named(content: bytes) -> None:
    with run_folder(record_json=content) as folder:
        reads_or_says_why(folder)


@bounded
@given(damaged((RECORDED / "history.csv").read_bytes()))
@example(b"epoch,test_acc,seconds\n1,0.5,1\n" * 2)
def test_a_damaged_history_is_read_or_named(content: bytes) -> None:
    with run_folder(history_csv=content) as folder:
        reads_or_says_why(folder)


@bounded
@given(damaged((RECORDED / "probes.csv").read_bytes()))
def test_damaged_probes_are_read_or_named(content: bytes) -> None:
    with run_folder(probes_csv=content) as folder:
        try:
            found = read_probes(folder)
        except RecordError as error:
            one_sentence(error)
        else:
            assert all(0 <= probe.accuracy <= 1 for probe in found)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    path = tmp_path_factory.mktemp("saved") / "checkpoint.pt"
    run = train(tiny(method="bp", limit=40, epochs=1), checkpoint=path, keep_checkpoint=True)
    return run.run_id, path.read_bytes()


@settings(bounded, max_examples=40)
@given(data=st.data())
def test_a_damaged_checkpoint_is_read_or_named(
    data: st.DataObject, saved: tuple[str, bytes]
) -> None:
    run_id, whole = saved
    with tempfile.TemporaryDirectory() as base:
        path = Path(base) / "checkpoint.pt"
        path.write_bytes(data.draw(damaged(whole)))
        try:
            state = checkpoint.read(path, run_id)
        except RecordError as error:
            one_sentence(error)
        else:
            assert state["run_id"] == run_id


NAMES = st.sampled_from(list(PARAMETERS))


@bounded
@given(st.dictionaries(NAMES, values, max_size=4))
@example({"epochs": 10**400})
@example({"seed": "9" * 5000})
def test_any_choices_make_an_experiment_or_a_sentence(choices: dict[str, Any]) -> None:
    try:
        made = Experiment(**choices)
    except ExperimentError as error:
        one_sentence(error)
    else:
        assert Experiment(**made.choices()) == made


@bounded
@given(st.dictionaries(NAMES, values, max_size=3), st.lists(values, max_size=2))
def test_any_parameters_cell_makes_an_experiment_or_a_sentence(
    given_values: dict[str, Any], plugins: list[Any]
) -> None:
    namespace = {"plugins": plugins, "out": "runs", "keep_checkpoint": True, "In": []}
    try:
        experiment_from(namespace | given_values)
    except ParameterError as error:
        one_sentence(error)


WORDS = [
    "--out",
    "--where",
    "seed=1",
    "method=bp",
    "--methods",
    "bp,al",
    "--seeds",
    "0",
    "-1",
    "nan",
    "--limit",
    "--help",
    "--yes",
    "rm",
    "list",
    "compare",
    "--nets",
    "convnet",
    "--preset",
    "quick",
    "--epochs",
    "1e9",
    "--dry-run",
    "--workers",
    "--hours",
    "inf",
    "--data-dir",
    "--plugin",
]
words = st.sampled_from([*WORDS, *(f"--{name.replace('_', '-')}" for name in PARAMETERS)])
words |= st.text(max_size=8)
TRAINS = ("train", "compare", "doctor", "lessons", "lab")


@bounded
@given(st.sampled_from([c for c in COMMANDS if c not in TRAINS]), st.lists(words, max_size=6))
@example("params", ["--seed", "9" * 5000])
@example("runs", ["--out", "x" * 300])
def test_any_words_are_a_result_or_a_sentence(command: str, given_words: list[str]) -> None:
    """Of commands that train nothing, in a folder of their own."""
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as base, contextlib.chdir(base):
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            try:
                status = main([command, *given_words])
            except SystemExit as end:  # --help
                status = int(end.code or 0)
        assert list(Path(base).iterdir()) == []
    assert status in (0, 1, 2), said.getvalue()
    assert "Traceback" not in said.getvalue()


KINDS = ["png", "jpeg", "gif", "bmp", "webp", "ppm", "tiff"]


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((24, 24)).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


@bounded
@given(st.sampled_from(KINDS).flatmap(lambda kind: damaged(picture(kind))) | st.binary())
def test_a_damaged_image_is_decoded_or_named(content: bytes) -> None:
    try:
        images = decode_all(["one.png"], lambda _: content, 8, "images")
    except DataError as error:
        one_sentence(error, "one.png")
    else:
        assert images.shape == (1, 8, 8, 3)


GRID = b"fixed: {preset: quick}\ncross: {method: [bp, al], seed: [0, 1]}\nlayout: {rows: method}\n"


@bounded
@given(damaged(GRID) | values.map(lambda v: json.dumps(v).encode()))
@example(b"{[1]: 2}")
@example(b"cross: {1: [2]}")
@example(b"{a: " * 5000)
@example(b"&a [*a]")
def test_any_grid_file_is_read_or_named(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as base:
        path = Path(base) / "grid.yaml"
        path.write_bytes(content)
        try:
            found = grid.read(path)
        except DelogError as error:
            one_sentence(error, "grid.yaml")
        else:
            assert found.experiments()


def test_the_whole_stays_readable() -> None:
    """Without a mutation all of these readers read."""
    with run_folder() as folder:
        (record,) = records.find(folder.parent)
        assert isinstance(record, records.Record)
        assert read_probes(folder)
    assert torch.from_numpy(decode_all(["a"], lambda _: picture("png"), 8, "a")).shape[0] == 1
