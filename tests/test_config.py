from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from delog_nb import Experiment, ExperimentError
from delog_nb.experiment import PARAMETERS
from delog_nb.experiment.registry import DATASETS, METHODS, NETS

ROOT = Path(__file__).resolve().parents[1]

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


def test_a_run_id_follows_from_the_choices() -> None:
    assert Experiment(seed=1).run_id == Experiment(seed=1).run_id
    ids = {Experiment(seed=s, tau=t).run_id for s in range(3) for t in (0.1, 0.2)}
    assert len(ids) == 6
    assert Experiment(seed=1).run_id.startswith("digits-convnet-delog-scl-s1-")


def test_a_record_gives_the_same_experiment_again() -> None:
    run = Experiment(method="al", dataset="folder", data_dir="x", seed=4)
    assert Experiment(**run.model_dump(mode="json")) == run


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


def test_fields_that_came_later_leave_the_ids_of_recorded_runs_alone() -> None:
    folders = [path.parent for path in (ROOT / "results").rglob("record.json")]
    assert len(folders) >= 57
    for folder in folders:
        choices = json.loads((folder / "record.json").read_text())["experiment"]
        assert Experiment(**choices).run_id == folder.name
    changed = Experiment(optimizer="sgd"), Experiment(momentum=0.5), Experiment(warmup=3)
    assert len({e.run_id for e in (*changed, Experiment(), Experiment(clip=1.0))}) == 5
