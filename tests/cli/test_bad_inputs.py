"""Sixty mistakes and more: each is one sentence, and nothing that was there changes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from support.made import made
from support.runs import tiny

from delog_nb import records
from delog_nb.cli import main

GRID = {  # grid files: text -> what the sentence says
    "[1, 2]": "it holds list where fixed, cross and exclude are expected",
    "": "it holds NoneType",
    "hello": "it holds str",
    "fixed: {a: [": "is not YAML",
    "fixed: {seed: 1}\nfixed: {seed: 2}": "'fixed' stands twice",
    "cross: {seed: [0], seed: [1]}": "'seed' stands twice",
    "crossed: {seed: [0]}": "there is no entry 'crossed' (did you mean 'cross'?)",
    "zzz: 1": "there is no entry 'zzz': one of title, note, fixed, cross, exclude, layout",
    "fixed: 3": "fixed = 3 is not allowed: fields with their values",
    "fixed: [seed]": "fixed = ['seed'] is not allowed",
    "cross: {seed: 1}": "cross.seed = 1 is not allowed: a list",
    "cross: {seed: {a: 1}}": "cross.seed = {'a': 1} is not allowed: a list",
    "cross: {seed: []}": "seed has no values",
    "cross: {seed: [1, 1]}": "seed has a value twice",
    "cross: {sed: [1]}": "cross: there is no field 'sed' (did you mean 'seed'?)",
    "fixed: {methd: al}": "fixed: there is no field 'methd' (did you mean 'method'?)",
    "fixed: {seed: 1}\ncross: {seed: [2]}": "seed stands in fixed and in cross",
    "fixed: {method: backprop}": "method = 'backprop' is not allowed: one of bp",
    "cross: {method: [bp, delog]}": "method = 'delog' is not allowed",
    "fixed: {net: vgg, image_size: 8}": "image_size = 8 is too small for net = vgg",
    "fixed: {epochs: 0}": "epochs = 0 is not allowed: a whole number from 1",
    "fixed: {epochs: many}": "epochs = 'many' is not allowed",
    "fixed: {epochs: 1.5}": "epochs = 1.5 is not allowed",
    "fixed: {epochs: true}": "epochs = True is not allowed",
    "fixed: {flip: 3}": "flip = 3 is not allowed: true or false",
    "fixed: {tau: .nan}": "tau = nan is not allowed",
    "fixed: {tau: -1}": "tau = -1 is not allowed",
    "fixed: {lr: .inf}": "lr = inf is not allowed",
    "fixed: {lr_min: 1}": "lr_min = 1 is above lr",
    "fixed: {seed: -1}": "seed = -1 is not allowed",
    "fixed: {width: 0}": "width = 0 is not allowed: a number above 0",
    "fixed: {depth: 2, components: 9}": "components = 9 is more than depth = 2 allows",
    "fixed: {method: bp, components: 3}": "components = 3 does not go with method = bp",
    "fixed: {dataset: folder}": "dataset = 'folder' needs data_dir",
    "fixed: {dataset: mnist}": "dataset = 'mnist' is not allowed",
    "fixed: {preset: huge}": "preset = 'huge' is not allowed",
    "exclude: [{seed: 7}]": "exclude: no run has seed = 7",
    "exclude: [{}]": "an entry without fields",
    "exclude: [{zed: 1}]": "exclude: there is no field 'zed'",
    "exclude: seed": "exclude = 'seed' is not allowed: a list",
    "cross: {seed: [1]}\nexclude: [{seed: 1}]": "exclude leaves no run",
    "layout: {rows: metod}": "layout: there is no field 'metod' (did you mean 'method'?)",
    "layout: {kind: graph}": "layout.kind = 'graph' is not allowed",
    "layout: {values: [accuracy]}": "'accuracy' is not allowed",
    "layout: {values: []}": "layout.values = [] is not allowed",
    "layout: {row: method}": "there is no entry 'layout.row' (did you mean",
}
WORDS = {  # command lines; OUT, GRID, GOOD are folders and a grid file
    "sweep": "the following arguments are required",
    "sweep GRID": "--out is missing: name the folder for the runs",
    "sweep none.yaml --out OUT": "cannot read grid none.yaml: No such file or directory",
    "sweep OUT --out OUT": "cannot read grid",
    "sweep GRID --out OUT --workers 0": "workers = '0' is not allowed: a whole number from 1",
    "sweep GRID --out OUT --workers two": "workers = 'two' is not allowed",
    "sweep GRID --out OUT --worker 2": "does not take '--worker'",
    "sweep GRID --out OUT --resources GPU=1": "--resources goes with --scheduler",
    "sweep GRID --out OUT --scheduler x --resources GPU": "resources = 'GPU' is not allowed",
    "sweep GRID --out OUT --scheduler x --resources GPU=0": "'GPU=0' is not allowed: a name and a",
    "sweep GRID --out OUT --notebook a --no-notebook": "exclude each other",
    "sweep GRID --out OUT --notebook none.ipynb": "none.ipynb does not exist",
    "sweep GRID --out OUT --no-notebook --scheduler nonsense://x": "cannot be reached",
    "sweep GRID --out GRID --no-notebook": "cannot write",
    "sweep GRID --out GRID/below --no-notebook": "cannot write",
    "tables": "the following arguments are required: runs",
    "tables none": "none is not a folder",
    "tables EMPTY": "holds no record",
    "tables OUT --out GRID/x": "cannot write",
    "runs lst --out OUT": "runs 'lst' is not allowed: one of list, compare, rm (did you mean",
    "runs --out none": "none is not a folder",
    "runs --out OUT --where method": "where = 'method' is not allowed: NAME=VALUE",
    "runs --out OUT --where metod=al": "there is no field 'metod' (did you mean 'method'?)",
    "runs --out OUT --where method=backprop": "method = 'backprop' is not allowed",
    "runs rm --out OUT --were seed=1": "does not take '--were'",
}


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    records.save(made(0.5, method="al"), folder)
    return folder


def refused(words: list[str], sentence: str, out: Path, shown: pytest.CaptureFixture[str]) -> None:
    before = fingerprint(out)
    assert main(words) == 2
    errors = shown.readouterr().err
    assert sentence in errors
    assert len(errors.splitlines()) == 1
    assert "Traceback" not in errors
    assert fingerprint(out) == before


@pytest.mark.parametrize("text", GRID)
def test_grid_files(text: str, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = out.parent / "grid.yaml"
    path.write_text(text)
    words = ["sweep", str(path), "--out", str(out), "--no-notebook"]
    refused(words, GRID[text], out, capsys)


@pytest.mark.parametrize("line", WORDS)
def test_command_lines(
    line: str, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out.parent)
    (out.parent / "GRID").write_text("cross: {seed: [0]}\n")
    (out.parent / "EMPTY").mkdir()
    words = [word.replace("OUT", str(out)) for word in line.split()]
    refused(words, WORDS[line], out, capsys)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("record.json", b"\x00\xff"),
        ("record.json", b"{"),
        ("record.json", b"null"),
        ("record.json", b'{"schema": 2}'),
        ("record.json", b'{"schema": 1, "experiment": [], "results": {}}'),
        ("record.json", b'{"schema": 1, "experiment": {"method": "x"}}'),
        ("history.csv", b""),
        ("history.csv", b"epoch\n1\n2\n"),
        ("history.csv", b"epoch,loss_1\nx,y\n"),
        ("history.csv", None),
    ],
)
def test_damaged_records(
    name: str, content: bytes | None, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = (path.parent for path in out.glob("*/record.json"))
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    before = fingerprint(out)
    assert main(["runs", "--out", str(out)]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith(f"Skipped: {folder / 'record.json'} is not a readable record: ")
    assert main(["tables", str(out)]) == 2
    assert fingerprint(out) == before


def test_a_damaged_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    experiment = tiny(limit=60)
    path = tmp_path / experiment.run_id / records.CHECKPOINT
    path.parent.mkdir()
    words = ["train", "--out", str(tmp_path)]
    for name, value in experiment.given.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    torch.save({"run_id": experiment.run_id, "model": {}}, path)
    refused(words, "is damaged (RuntimeError): delete it to start the run anew", path, capsys)
    path.write_bytes(b"not a checkpoint")
    refused(words, "is damaged", path, capsys)
