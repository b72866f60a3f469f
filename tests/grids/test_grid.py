from __future__ import annotations

from pathlib import Path

import papermill
import pytest

from delog_nb import Experiment
from delog_nb.experiment import PARAMETERS
from delog_nb.grids import grid, notebook
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


def test_flops_of_a_step_by_hand() -> None:
    """BP on a ConvNet of one block: two convolutions and two linear layers."""
    e = Experiment(preset="quick", method="bp", depth=1, image_size=8, batch_size=4)
    views, c, side, hidden, classes = 8, 8, 8, 375, 10
    conv_1, conv_2 = (2 * views * side**2 * c * k * 9 for k in (1, c))
    linear_1 = 2 * views * c * side**2 * hidden
    linear_2 = 2 * views * hidden * classes
    # backward: as much for the weights, and as much for the inputs of all but the first
    by_hand = 3 * (conv_1 + conv_2 + linear_1 + linear_2) - conv_1
    assert step_flops(e) == pytest.approx(by_hand, rel=0.01)  # torch counts borders its own way


def test_the_parameters_cell_is_the_schema() -> None:
    found = papermill.inspect_notebook(NOTEBOOK)
    assert set(PARAMETERS) | {"out", "keep_checkpoint", "plugins"} == set(found)
    for name, parameter in PARAMETERS.items():
        assert parameter.help.split(" = ")[0] in found[name]["help"]
        assert parameter.default_text in found[name]["help"] or found[name]["default"] != "None"
    kinds = {"choice": "str", "text": "str", "path": "str"}
    assert {n: f["inferred_type_name"] for n, f in found.items() if n in PARAMETERS} == {
        n: kinds.get(p.kind, p.kind) for n, p in PARAMETERS.items()
    }
    before = NOTEBOOK.read_bytes()
    notebook.write(NOTEBOOK)
    assert NOTEBOOK.read_bytes() == before, "run: python -m delog_nb.grids.notebook NOTEBOOK"


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
    ],
)
def test_what_papermill_would_let_pass_is_one_sentence(
    passed: dict[str, object], sentence: str
) -> None:
    with pytest.raises(notebook.ParameterError, match=sentence) as caught:
        notebook.experiment_from(namespace(**passed))
    (line,) = caught.value._render_traceback_()
    assert "\n" not in line
