from __future__ import annotations

import os
from pathlib import Path

import papermill
import pytest

from delog_nb import Experiment, ExperimentError
from delog_nb.experiment import PARAMETERS
from delog_nb.grids import grid, job, notebook
from delog_nb.grids.expectation import step_flops
from delog_nb.training import planned

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "experiment.ipynb"


@pytest.mark.parametrize("size", ["paper", "lesson"])
def test_there_is_a_grid_for_every_table_and_figure(size: str) -> None:
    found = {path.stem: grid.read(path) for path in (ROOT / "experiments" / size).glob("*.yaml")}
    tables = {f"table{n}" for n in (2, 3, 4, 5, 7, 8, 9)}
    assert set(found) == tables | {"figure4", "figure5"}
    for name, described in found.items():
        assert described.title.startswith(f"{name[:-1].capitalize()} {name[-1]}")
        assert described.layout.kind == ("figure" if "figure" in name else "table")
        assert {e.preset for e in described.experiments()} == {size}


def test_table_2_at_paper_size_is_the_papers() -> None:
    runs = grid.read(ROOT / "experiments" / "paper" / "table2.yaml").experiments()
    assert len(runs) == 4 * 3 * 5
    assert {(e.epochs, e.batch_size, e.width, e.lr) for e in runs} == {(200, 128, 1.0, 1e-3)}


def test_exclusions_match_all_of_their_fields() -> None:
    described = grid.Grid(
        fixed={"preset": "quick"},
        cross={"method": ["bp", "al"], "seed": [0, 1, 2]},
        exclude=[{"method": "al", "seed": [1, 2]}],
    )
    assert [(e.method, e.seed) for e in described.experiments()] == [
        ("bp", 0),
        ("bp", 1),
        ("bp", 2),
        ("al", 0),
    ]


def test_a_grid_is_counted_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "experiments_of", lambda _: pytest.fail("built"))
    described = grid.Grid(cross={"seed": list(range(101)), "limit": list(range(1, 101))})
    assert described.combinations == 10_100
    with pytest.raises(ExperimentError, match=r"seed \(101\) x limit \(100\) make 10,100 runs"):
        described.experiments()


def test_grids_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = ", ".join(map(str, range(6000)))
    paths = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for path in paths:
        path.write_text(f"cross: {{seed: [{seeds}]}}")
    monkeypatch.setattr(grid, "experiments_of", lambda _: pytest.fail("built"))
    with pytest.raises(ExperimentError, match=r"a\.yaml \(6,000\) .* make 12,000 runs: at most"):
        grid.read_all(paths)


def test_a_written_grid_is_read_again(tmp_path: Path) -> None:
    """What `text_of` writes the strict reader takes, and JSON as well."""
    described = grid.Grid(
        title="yes: [2024-01-01] =",
        fixed={"preset": "quick", "lr": 1e-05, "flip": False, "limit": None, "data_id": "0123e4"},
        cross={"method": ["bp", "al"], "seed": [0, 1]},
        exclude=[{"method": "al", "seed": [1]}],
        revisions={"training": 2},
    )
    for name, text in {
        "g.yaml": grid.text_of(described),
        "g.json": described.model_dump_json(),
    }.items():
        (tmp_path / name).write_text(text)
        assert grid.read(tmp_path / name) == described


@pytest.mark.parametrize("value", [b"bytes", {1: 2}, (1, 2), float, 1j])
def test_a_grid_in_python_is_as_strict(value: object) -> None:
    with pytest.raises(ValueError, match="cross"):
        grid.Grid(cross={"seed": [value]})


def test_threads_are_those_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, threads in {"": 1, "3": 3, "4,2": 4, " 2 ": 2}.items():
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert job.threads() == threads
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert job.threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    with pytest.raises(ExperimentError, match="OMP_NUM_THREADS = 'many' is not allowed: a whole"):
        job.threads()


def test_what_failed_is_read_within_bounds(tmp_path: Path) -> None:
    assert job.failure(tmp_path) is None
    path = tmp_path / "error.json"
    for content in ("{", "[" * 100_000, "[]", "3", '{"x": 1}', '{"error": ' + "9" * 5000 + "}"):
        path.write_text(content)
        said = job.failure(tmp_path)
        assert said is not None
        assert "error.json" in said
        assert "\n" not in said
    path.unlink()
    os.mkfifo(path)
    assert "is no regular file" in str(job.failure(tmp_path))


def test_flops_of_a_step_by_hand() -> None:
    """BP on a ConvNet of one block: two convolutions and two linear layers."""
    e = Experiment(preset="quick", method="bp", depth=1, image_size=8, batch_size=4)
    views, c, side, hidden, classes = 8, 10, 8, 469, 10
    conv_1, conv_2 = (2 * views * side**2 * c * k * 9 for k in (1, c))
    linear_1 = 2 * views * c * side**2 * hidden
    linear_2 = 2 * views * hidden * classes
    # backward: as much for the weights, and as much for the inputs of all but the first
    by_hand = 3 * (conv_1 + conv_2 + linear_1 + linear_2) - conv_1
    assert step_flops(e) == pytest.approx(by_hand, rel=0.01)  # torch counts borders its own way


def test_the_parameters_cell_is_the_schema(tmp_path: Path) -> None:
    found = papermill.inspect_notebook(NOTEBOOK)
    assert set(PARAMETERS) | {"out", "keep_checkpoint", "plugins"} == set(found)
    for name, parameter in PARAMETERS.items():
        assert parameter.help.split(" = ")[0] in found[name]["help"]
        assert parameter.default_text in found[name]["help"] or found[name]["default"] != "None"
    kinds = {"choice": "str", "text": "str", "path": "str"}
    assert {n: f["inferred_type_name"] for n, f in found.items() if n in PARAMETERS} == {
        n: kinds.get(p.kind, p.kind) for n, p in PARAMETERS.items()
    }
    copy = tmp_path / NOTEBOOK.name
    copy.write_bytes(NOTEBOOK.read_bytes())
    notebook.write(copy)
    assert copy.read_bytes() == NOTEBOOK.read_bytes(), (
        "run: python -m delog_nb.grids.notebook NOTEBOOK"
    )


def namespace(**passed: object) -> dict[str, object]:
    """A notebook's globals after its parameters and what papermill put below them."""
    names: dict[str, object] = {}
    source = notebook.cell()
    exec(source, names)
    injected = "# Parameters\n" + "\n".join(f"{n} = {v!r}" for n, v in passed.items()) + "\n"
    return names | passed | {"In": ["", source, injected]}


def test_passed_parameters_make_the_experiment() -> None:
    made = notebook.experiment_from(namespace(method="al", net="vgg", seed=3, data_dir=None))
    assert made == planned(Experiment(method="al", net="vgg", seed=3))


@pytest.mark.parametrize(
    ("passed", "sentence"),
    [
        ({"metod": "al"}, r"there is no parameter 'metod' \(did you mean 'method'\?\)"),
        ({"zzz": 1}, "there is no parameter 'zzz': the parameters are preset, method"),
        ({"method": "backprop"}, "method = 'backprop' is not allowed: one of bp"),
        ({"epochs": 0}, "epochs = 0 is not allowed: a whole number from 1"),
        ({"keep_checkpoint": "no"}, "keep_checkpoint = 'no' is not allowed: True or False"),
        ({"out": 3}, "out = 3 is not allowed: a text"),
        ({"plugins": [3]}, "plugins = 3 is not allowed: a path"),
        ({"plugins": ["none.py"]}, "plug-in: cannot read none.py: No such file"),
        ({"plugins": "x" * 5000}, "is not allowed: a list of paths"),
        ({"plugins": ["x" * 300]}, "plugins = 'xxx.* is not allowed: a path"),
    ],
)
def test_what_papermill_would_let_pass_is_one_sentence(
    passed: dict[str, object], sentence: str
) -> None:
    with pytest.raises(notebook.ParameterError, match=sentence) as caught:
        notebook.experiment_from(namespace(**passed))
    (line,) = caught.value._render_traceback_()
    assert "\n" not in line


def test_values_that_go_together_are_crossed_with_the_others() -> None:
    described = grid.Grid(
        fixed={"preset": "quick"},
        cross={"seed": [0, 1]},
        settings=[{"method": "bp", "lr": 0.001}, {"method": "al", "lr": 0.002}],
        exclude=[{"method": "al", "seed": 1}],
    )
    assert described.combinations == 4
    assert [(e.method, e.lr, e.seed) for e in described.experiments()] == [
        ("bp", 0.001, 0),
        ("al", 0.002, 0),
        ("bp", 0.001, 1),
    ]
