"""Sixty mistakes and more: each is one sentence, and nothing that was there changes."""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

import pytest
import torch
from support.made import made
from support.runs import tiny

from delog_nb import Experiment, methods, records
from delog_nb.cli import COMMANDS, _module, main
from delog_nb.cli.shared.flags import NUMBERS, Parser
from delog_nb.components import Method
from delog_nb.experiment import PARAMETERS
from delog_nb.measure import estimate

NINES = "9" * 5000
GRID = {  # grid files: text -> what the sentence says
    "[1, 2]": "it holds list where fixed, cross and exclude are expected",
    "": "it holds NoneType",
    "hello": "it holds str",
    "fixed: {a: [": "is not YAML",
    "fixed: {seed: 1}\nfixed: {seed: 2}": "'fixed' stands twice",
    "cross: {seed: [0], seed: [1]}": "'seed' stands twice",
    "crossed: {seed: [0]}": "there is no entry 'crossed' (did you mean 'cross'?)",
    "zzz: 1": "there is no entry 'zzz': one of title, note, fixed, cross, settings, exclude",
    "fixed: 3": "fixed = 3 is not allowed: fields with their values",
    "fixed: [seed]": "fixed = ['seed'] is not allowed",
    "cross: {seed: 1}": "cross.seed = 1 is not allowed: a list",
    "cross: {seed: {a: 1}}": "cross.seed = {'a': 1} is not allowed: a list",
    "cross: {seed: []}": "seed has no values",
    "cross: {seed: [1, 1]}": "seed has a value twice",
    "cross: {sed: [1]}": "cross: there is no field 'sed' (did you mean 'seed'?)",
    "fixed: {methd: al}": "fixed: there is no field 'methd' (did you mean 'method'?)",
    "fixed: {seed: 1}\ncross: {seed: [2]}": "seed stands in fixed and in cross",
    "fixed: {seed: 1}\nsettings: [{seed: 2}]": "seed stands in fixed and in settings",
    "settings: [{sede: 2}]": "settings: there is no field 'sede'",
    "settings: {seed: 2}": "settings = {'seed': 2} is not allowed: a list",
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
    # what a strict reader does not take
    "{[1]: 2}": "a name is not a text",
    "? {a: 1}\n: 2": "a name is not a text",
    "cross: {1: [2]}": "a name is not a text",
    "cross: {null: [2]}": "a name is not a text",
    "{fixed: " * 5000: "nested more than 8 deep",
    "[" * 100_000: "nested more than 8 deep",
    "- " * 100_000: "nested more than 8 deep",
    "fixed: &x {seed: 1}": "anchors and aliases are not read",
    "&a [*a]": "anchors and aliases are not read",
    "fixed: {seed: !!python/name:os.system }": "tags are not read",
    "fixed: {seed: !!int many}": "tags are not read",
    "fixed: {seed: !!binary aGk=}": "tags are not read",
    "{<<: {seed: 1}}": "there is no entry '<<'",
    "fixed: {seed: 0x_}": "seed = '0x_' is not allowed: a whole number",
    "fixed: {seed: 2024-13-45}": "seed = '2024-13-45' is not allowed",
    "fixed: {seed: =}": "seed = '=' is not allowed",
    f"fixed: {{seed: {NINES}}}": "999... (5,002 characters) is not allowed: a whole number from 0",
    f"fixed: {{tau: {NINES}.5}}": "(5,004 characters) is not allowed: a number from 0.001 to 100",
    "fixed: {seed: 9223372036854775808}": "seed = 9223372036854775808 is not allowed",
    f"fixed: {{dataset_label: {'x' * 2000}}}": "is not allowed: a text of at most 1000 characters",
    'fixed: {dataset_label: "\\ud800"}': "is not allowed: a text of at most",
    'fixed: {dataset: folder, data_dir: "a\\0b"}': "is not allowed: a path of at most",
    f"fixed: {{dataset: folder, data_dir: {'x' * 300}}}": "255 to a name",
    "cross: {seed: [[1]]}": "cross.seed = [1] is not allowed: a single value",
    "exclude: [{seed: {a: 1}}]": "is not allowed: a single value",
    "revisions: {method: 0}": "revisions.method = 0 is not allowed",
    f"revisions: {{method: {10**20}}}": "revisions.method = 100000000000000000000 is not allowed",
    "revisions: {method: true}": "revisions.method = True is not allowed",
    f"exclude: [{'{seed: 1}, ' * 1001}]": "is not allowed: List should have at most 1000 items",
    f"cross: {{seed: [{', '.join(map(str, range(51_000)))}]}}": "more than 50,000 values",
    f"title: {'x' * 1_000_001}": "has more than the 1 MB that are read of it",
}
MANY = ", ".join(map(str, range(1000)))
GRID |= {  # counted before anything is built
    f"cross: {{seed: [{', '.join(map(str, range(10_001)))}]}}": (
        "seed (10,001) make 10,001 runs: at most 10,000 at once"
    ),
    f"cross: {{seed: [{MANY}], limit: [{MANY}], epochs: [{MANY}], depth: [1]}}": (
        "seed (1,000) x limit (1,000) x epochs (1,000) make 1,000,000,000 runs: at most 10,000"
    ),
    f"cross: {{{', '.join(f'{name}: [{MANY}]' for name in list(PARAMETERS)[:8])}}}": (
        "make about 10^24 runs: at most 10,000 at once"
    ),
}
WORDS = {  # command lines; OUT, GRID, GOOD are folders and a grid file
    "sweep": "the following arguments are required",
    "sweep GRID": "--out is missing: name the folder for the runs",
    "sweep none.yaml --out OUT": "grid: cannot read none.yaml: No such file or directory",
    "sweep OUT --out OUT": "grid: cannot read",
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
    "sweep FIFO --out OUT": "grid: FIFO is no regular file",
    "train --plugin FIFO --out OUT": "plug-in: FIFO is no regular file",
    "train --dataset tiny-imagenet --data-dir FIFO --out OUT": "FIFO: data_dir is the unpacked",
    "train --dataset folder --data-dir FIFO --out OUT": "there is no folder",
    f"train --out {'x' * 300}": "File name too long",
    f"tables {'x' * 300}": "File name too long",
    f"train --plugin {'x' * 300}": "File name too long",
    f"train --dataset folder --data-dir {'x' * 300} --out OUT": "255 to a name",
    f"train --{'x' * 3000}": "does not take '--xxx",
    f"{'x' * 3000}": "invalid choice: 'xxx",
    f"compare --seeds {10**18} --out OUT": f"seeds = '{10**18}' is not allowed",
    "compare --methods bp,al --seeds 10000 --out OUT": (
        "methods (2) x seeds (10,000) make 20,000 runs: at most 10,000 at once"
    ),
    f"compare --methods {','.join(['bp'] * 20_000)} --out OUT": "is not allowed: bp stands twice",
    "sweep GRID MANY --out OUT": "GRID (2) + MANY (10,000) make 10,002 runs: at most 10,000",
    "sweep GRID --out OUT --scheduler x --resources GPU=1e-300": "is not allowed: a name and a",
    f"sweep GRID --out OUT --scheduler x --resources GPU={NINES}": "is not allowed: a name and a",
}
# bad for every number of every command
NO_NUMBERS = ("nan", "inf", "-inf", "-1", "1e400", str(10**30), NINES, "", "many", "\u0665" * 40)


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
    assert len(errors) < 1000
    assert fingerprint(out) == before


@pytest.mark.parametrize("text", GRID, ids=lambda text: text[:40])
def test_grid_files(text: str, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = out.parent / "grid.yaml"
    path.write_text(text)
    words = ["sweep", str(path), "--out", str(out), "--no-notebook"]
    refused(words, GRID[text], out, capsys)


@pytest.mark.parametrize("line", WORDS, ids=lambda line: line[:60])
def test_command_lines(
    line: str, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out.parent)
    (out.parent / "GRID").write_text("cross: {seed: [0, 1]}\n")
    seeds = ", ".join(map(str, range(10_000)))
    (out.parent / "MANY").write_text(f"cross: {{seed: [{seeds}]}}\n")
    (out.parent / "EMPTY").mkdir()
    os.mkfifo(out.parent / "FIFO")
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


# --- numbers


def numeric_flags(command: str) -> list[argparse.Action]:
    """The flags of ``command`` that take a number, by what their declarations look like."""

    def looks(action: argparse.Action) -> bool:
        number = str(action.default or "").replace(".", "", 1).isdigit()
        return number or action.type in (int, float) or action.metavar in ("N", "X", "S", "GB")

    parser = Parser(prog=command)
    _module(command).add_flags(parser)
    return [a for a in parser._actions if looks(a) and a.nargs != 0]


FLAGS = [
    (command, action.option_strings[0], action.dest)
    for command in COMMANDS
    for action in numeric_flags(command)
]


def test_every_number_of_every_command_has_a_maximum() -> None:
    own = {dest for _, _, dest in FLAGS} - set(PARAMETERS)
    assert own == set(NUMBERS)
    assert all(0 < number.high <= 10_000_000 for number in NUMBERS.values())
    for name, parameter in PARAMETERS.items():
        if parameter.kind in ("int", "float"):
            assert parameter.high is not None, name
            assert parameter.high < 2**31, name


@pytest.mark.parametrize(("command", "flag", "dest"), FLAGS, ids=lambda word: word)
def test_a_number_that_is_none_gets_one_sentence(
    command: str, flag: str, dest: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = out.parent / "grid.yaml"
    grid.write_text("cross: {seed: [0]}")
    places = {"sweep": [str(grid)], "probe": [str(out)], "check-submissions": [str(out.parent)]}
    written = {"check-submissions": out.parent / "x.csv"}.get(command, out)
    words = [command, *places.get(command, [])]
    if command not in ("probe", "params"):
        words += ["--out", str(written)]
    high = PARAMETERS[dest].high if dest in PARAMETERS else NUMBERS[dest].high
    assert high is not None
    for text in (*NO_NUMBERS, str(int(high) + 1)):
        refused([*words, f"{flag}={text}"], "", out, capsys)


@pytest.mark.parametrize("threads", ["many", "0", "-1", "1.5", NINES, "1e9"])
def test_threads_that_are_no_number(
    threads: str,
    out: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    grid = out.parent / "grid.yaml"
    grid.write_text("fixed: {preset: quick}")
    words = ["sweep", str(grid), "--out", str(out), "--no-notebook"]
    refused(words, "OMP_NUM_THREADS = '", out, capsys)


# --- memory

TRAINS = {
    "train": "train --method al --net vgg --dataset cifar10 --width 8",
    "pipeline": "train --pipeline 2 --net vgg --dataset cifar10 --width 8",
    "data-parallel": "train --data-parallel 2 --net vgg --dataset cifar10 --width 8",
    "compare": "compare --methods al --nets vgg --dataset cifar10 --width 8",
    "sweep": "sweep GRID --no-notebook --workers 3",
}


@pytest.mark.parametrize("name", TRAINS)
def test_what_does_not_fit_is_refused_before_anything_is_built(
    name: str,
    out: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grid = out.parent / "grid.yaml"
    grid.write_text("fixed: {net: vgg, dataset: cifar10, width: 8}\ncross: {seed: [0, 1]}")
    words = TRAINS[name].replace("GRID", str(grid)).split()
    monkeypatch.setattr(estimate, "free_bytes", lambda device: 2e9)
    build = methods.build

    def shapes_alone(experiment: Experiment) -> Method:
        made = build(experiment)
        assert next(made.parameters()).is_meta
        return made

    monkeypatch.setattr(methods, "build", shapes_alone)
    refused([*words, "--out", str(out)], "and 2,000 MB are free: take a smaller width", out, capsys)


def test_memory_is_asked_of_all_runs_at_once_and_not_of_those_that_are_there(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny(method="bp", epochs=1, limit=40)
    taken = estimate.need(run).on_device()
    grid = out.parent / "grid.yaml"
    choices = "preset: quick, method: bp, epochs: 1, limit: 40, batch_size: 32, precision: float32"
    grid.write_text(f"fixed: {{{choices}}}\ncross: {{seed: [0, 1]}}")
    words = ["sweep", str(grid), "--out", str(out), "--no-notebook", "--workers"]
    monkeypatch.setattr(estimate, "free_bytes", lambda device: 1.5 * taken)
    refused([*words, "2"], "in 2 processes, and", out, capsys)
    assert main([*words, "1"]) == 0
    monkeypatch.setattr(estimate, "free_bytes", lambda device: 0)
    assert main([*words, "2"]) == 0  # their records are there


def test_force_trains_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "free_bytes", lambda device: 1000)
    small = ["--preset", "quick", "--epochs", "1", "--limit", "40", "--out", str(tmp_path)]
    train = ["train", "--method", "bp", *small]
    compare = ["compare", "--methods", "al", "--seeds", "1", *small]
    for words in (train, compare):
        assert main(words) == 2
        assert "0 MB are free" in capsys.readouterr().err
        assert main([*words, "--force"]) == 0
        assert main(words) == 0  # its record is there
    grid = tmp_path / "grid.yaml"
    grid.write_text("fixed: {preset: quick, epochs: 1, limit: 40}")
    words = ["sweep", str(grid), "--out", str(tmp_path), "--no-notebook", "--workers", "1"]
    assert main(words) == 2
    assert main([*words, "--force"]) == 0


def test_params_needs_room_for_the_weights_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "free_bytes", lambda device: 40e6)
    small = ["params", "--preset", "quick", "--dataset", "digits"]
    assert main(small) == 0
    capsys.readouterr()
    assert main(["params"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("delog-nb: the weights of early-exit on convnet need ")
    assert "MB of memory, and 40 MB are free" in said.err
    monkeypatch.setattr(estimate, "free_bytes", lambda device: 1.0)
    assert main(small) == 2
    assert main([*small, "--force"]) == 0
