from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from delog_nb import Experiment, ExperimentError
from delog_nb.experiment import PARAMETERS, experiments_of
from delog_nb.experiment.registry import DATASETS, METHODS, NETS

ROOT = Path(__file__).resolve().parents[2]

BAD = [
    ({"method": "delog_scl"}, "did you mean 'delog-scl'"),
    ({"method": ["bp"]}, "one of bp, early-exit, al, delog-scl"),
    ({"epoch": 3}, "there is no field 'epoch' (did you mean 'epochs'?)"),
    ({"zzz": 3}, "the fields are preset, method"),
    ({"batch_size": 0}, "batch_size = 0 is not allowed: a whole number from 1 to 65536 images"),
    ({"seed": True}, "seed = True is not allowed: a whole number"),
    ({"seed": 1.5}, "seed = 1.5"),
    ({"seed": "x"}, "seed = 'x'"),
    ({"flip": 3}, "flip = 3 is not allowed: true or false"),
    ({"tau": float("nan")}, "tau = nan is not allowed: a number from 0.001 to 100"),
    ({"width": 0}, "width = 0 is not allowed: a number above 0 and at most 8"),
    ({"data_dir": 3}, "data_dir = 3 is not allowed: a path"),
    ({"components": 7}, "components = 7 is more than depth = 4 allows: from 1 to 5"),
    ({"method": "bp", "components": 2}, "components = 2 does not go with method = bp"),
    ({"method": "al", "components": 2}, "so it is 4 or left out"),
    ({"dataset": "folder"}, "needs data_dir"),
    ({"lr": 1e-4, "lr_min": 1e-3}, "lr_min = 0.001 is above lr = 0.0001"),
    ({"net": "vgg", "image_size": 12}, "image_size = 12 is too small for net = vgg: at least 16"),
]


@pytest.mark.parametrize(("values", "words"), BAD, ids=lambda value: str(value)[:40])
def test_a_bad_value_gets_one_sentence(values: dict, words: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        Experiment(**values)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_bad_values_are_both_named() -> None:
    with pytest.raises(ExperimentError, match=r"batch_size = 0.*; lr = -1"):
        Experiment(batch_size=0, lr=-1)


def test_the_paper_preset_is_the_authors_recipe() -> None:
    run = Experiment(preset="paper", dataset="cifar10")
    assert (run.epochs, run.batch_size, run.lr, run.lr_min) == (200, 128, 1e-3, 1e-5)
    assert (run.tau, run.head_hidden, run.head_dim, run.pool) == (0.1, 512, 1024, 0)
    assert (run.width, run.norm, run.augment, run.weight_decay) == (1.0, "none", "strong", 0.0)
    assert Experiment(preset="paper", method="al", net="convnet").al_hidden == 300
    assert Experiment(preset="paper", method="al", net="vgg").al_hidden == 500


def test_given_values_win_over_the_preset_and_none_leaves_it_the_choice() -> None:
    assert Experiment(preset="lesson", epochs=3).epochs == 3
    assert Experiment(preset="lesson", epochs=None) == Experiment(preset="lesson")


def test_the_choices_give_the_same_experiment_again() -> None:
    run = Experiment(method="al", dataset="folder", data_dir="x", seed=4)
    assert Experiment(**json.loads(json.dumps(run.choices()))) == run


UNREAD = [
    ({"method": "bp", "tau": 0.2}, "tau is not read here: it belongs to method = delog-scl, not"),
    ({"net": "vgg", "norm": "batch"}, "norm is not read here: it belongs to net = convnet, not to"),
    ({"head": "linear", "head_hidden": 64}, "head_hidden is not read with head = linear"),
    ({"momentum": 0.5}, "momentum is not read with optimizer = adam"),
    ({"augment": "none", "flip": True}, "flip is not read with augment = none"),
]


@pytest.mark.parametrize(("values", "words"), UNREAD, ids=lambda value: str(value)[:40])
def test_a_choice_that_the_run_does_not_read_is_refused(values: dict, words: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        Experiment(**values)
    assert words in str(caught.value)


def test_options_go_to_the_methods_that_read_them_and_are_refused_where_none_does() -> None:
    given = [{"method": m, "net": n, "tau": 0.2} for m in ("bp", "delog-scl") for n in NETS.own]
    found = experiments_of(given)
    assert [e.get("tau") for e in found] == [None] * 3 + [0.2] * 3
    with pytest.raises(ExperimentError, match="no run here reads tau: it belongs to method = del"):
        experiments_of([{"method": "bp", "tau": 0.2}, {"method": "al", "tau": 0.2}])
    with pytest.raises(ExperimentError, match="it is read where head = mlp"):
        experiments_of([{"head": "linear", "head_hidden": 3}])
    with pytest.raises(ExperimentError, match="there is no field 'taw'"):
        experiments_of([{"taw": 0.2}])


def test_a_copy_leaves_out_what_it_does_not_read() -> None:
    assert Experiment(tau=0.2, seed=3).but(method="bp") == Experiment(method="bp", seed=3)
    with pytest.raises(ExperimentError, match="tau is not read"):
        Experiment(method="bp").but(tau=0.2)


def test_layers_are_counted_in_the_net() -> None:
    counts = {net: Experiment(net=net, cut="layer").num_components for net in NETS.own}
    assert counts == {"convnet": 8 + 1, "vgg": 6 + 1, "resnet": 1 + 8 + 1}
    with pytest.raises(ExperimentError, match=r"components = 8 is more than .*: from 1 to 7"):
        Experiment(net="vgg", cut="layer", components=8)


def test_the_table_of_declarations_is_what_the_files_declare() -> None:
    """In a process of its own: here, tests may have declared more."""
    code = (
        "import json, sys; from delog_nb.experiment.registry import TABLE, table; "
        "before = TABLE.read_text(); from delog_nb.methods.table import import_own; import_own(); "
        "sys.exit(json.loads(before) != table())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, (
        "run: python -m delog_nb.methods.table"
    )


def test_but_follows_the_preset_where_the_method_changes() -> None:
    changed = Experiment(method="al", seed=3).but(method="bp", net="vgg")
    assert changed == Experiment(method="bp", net="vgg", seed=3)


def test_every_field_explains_itself() -> None:
    for parameter in PARAMETERS.values():
        assert len(parameter.help) > 10, parameter.name
        assert parameter.allowed
        assert parameter.default_text


def test_every_registered_name_makes_an_experiment() -> None:
    for dataset in DATASETS:
        for net in NETS:
            for method in METHODS:
                Experiment(dataset=dataset, net=net, method=method, data_dir=".", image_size=32)


def test_the_schema_needs_no_torch() -> None:
    """So that the command line answers at once."""
    code = "import sys, delog_nb.cli, delog_nb.experiment; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_core_needs_neither_plotly_nor_widgets_nor_pandas() -> None:
    code = (
        "import sys, delog_nb.training, delog_nb.records, delog_nb.measure; "
        "sys.exit(', '.join({'plotly', 'ipywidgets', 'pandas'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
