from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from delog_nb import Experiment, ExperimentError
from delog_nb.experiment import PARAMETERS, Option, experiments_of
from delog_nb.experiment.counts import Counts
from delog_nb.experiment.fields import MOST, shown
from delog_nb.experiment.registry import DATASETS, FIELDS, METHODS, NETS
from delog_nb.experiment.rules import check_count, refusal

ROOT = Path(__file__).resolve().parents[2]

BAD = [
    ({"method": "delog_scl"}, "did you mean 'delog-scl'"),
    ({"method": ["bp"]}, "one of " + ", ".join(METHODS)),
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


NINES = "9" * 5000
LONG = [
    ({"seed": NINES}, "999... (5,002 characters) is not allowed: a whole number from 0 to"),
    ({"seed": 10**5000}, "seed = int that is too long to be written is not allowed"),
    ({"seed": 2**63}, "seed = 9223372036854775808 is not allowed"),
    ({"tau": NINES}, "(5,002 characters) is not allowed: a number from 0.001 to 100"),
    ({"tau": 10**400}, "is not allowed: a number from 0.001 to 100"),
    ({"tau": "0.1" + "0" * 30}, "is not allowed: a number from 0.001 to 100"),
    ({"tau": "1e-9999"}, "tau = '1e-9999' is not allowed"),
    ({"flip": NINES}, "is not allowed: true or false"),
    ({"augment": "x" * 5000}, "(5,002 characters) is not allowed: one of strong, weak, none"),
    ({"method": "x" * 5000}, "(5,002 characters) is not allowed: one of bp, early-exit"),
    ({"limit": 10**9}, "limit = 1000000000 is not allowed: a whole number from 1 to 10000000"),
    ({"components": 10**6}, "components = 1000000 is not allowed: a whole number from 1 to 10000"),
    ({"method": "early-exit", "exit_hidden": 10**6}, "is not allowed: a whole number from 0 to"),
    ({"dataset_label": "x" * 1001}, "(1,003 characters) is not allowed: a text of at most 1000"),
    ({"dataset_label": "\ud800"}, "is not allowed: a text of at most"),
    ({"data_dir": "x" * 256}, "is not allowed: a path of at most 4096 characters, 255 to a name"),
    ({"data_dir": Path("é" * 128)}, "255 to a name"),
    ({"data_dir": "x/" * 2050}, "is not allowed: a path of at most"),
    ({"data_dir": "a\0b"}, "is not allowed: a path of at most"),
    ({"seed": [[[]]] * 1000}, "(6,000 characters) is not allowed"),
    ({"x" * 5000: 1}, "there is no field 'xxx"),
]


@pytest.mark.parametrize(("values", "words"), BAD + LONG, ids=lambda value: shown(value)[:40])
def test_a_bad_value_gets_one_sentence(values: dict, words: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        Experiment(**values)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_what_is_deeper_than_python_writes_is_said_all_the_same() -> None:
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ExperimentError, match="lr = list that is too long to be written is not"):
        Experiment(lr=deep)


def test_every_number_has_a_maximum() -> None:
    """Own ones say it themselves; for a plug-in's there is one for all."""
    own = [o for kind in (METHODS, NETS, DATASETS) for n in kind.own for o in kind[n].options]
    for option in (*FIELDS.values(), *own):
        if option.kind in ("int", "float"):
            assert option.high is not None, option.name
            assert option.high < MOST, option.name
            above = option.high + 1
            with pytest.raises(ValueError, match=f"{option.name} = .* is not allowed"):
                option.check(int(above) if option.kind == "int" else above)
    for default in (1, 0.5):
        plugged = Option("mine", default, "of a plug-in", ge=0)
        assert plugged.high == MOST
        for bad in (2 * MOST, 10**400, float("inf"), float("nan"), NINES):
            with pytest.raises(
                ValueError, match=r"mine = .* is not allowed: a .*number of at least"
            ):
                plugged.check(bad)


def test_runs_are_counted_by_arithmetic() -> None:
    check_count({"seeds": 100, "nets": 100})
    check_count({"a": 5000, "b": 5000}, " + ")
    check_count({})
    with pytest.raises(
        ExperimentError, match=r"^seeds \(101\) x nets \(100\) make 10,100 runs: at"
    ):
        check_count({"seeds": 101, "nets": 100, "methods": 1})
    with pytest.raises(ExperimentError, match=r"a \(5,001\) \+ b \(5,000\) make 10,001 runs"):
        check_count({"a": 5001, "b": 5000}, " + ")
    with pytest.raises(ExperimentError, match=r"make about 10\^6000 runs: at most 10,000 at"):
        check_count({str(n): 10**6 for n in range(1000)})


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
    ({"method": "bp", "tau": 0.2}, "tau is not read here: it belongs to method = delog-scl, scl-"),
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
    assert [e.get("tau") for e in found] == [None] * len(NETS.own) + [0.2] * len(NETS.own)
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
    assert counts == {
        "convnet": 8 + 1,
        "vgg": 6 + 1,
        "resnet": 1 + 8 + 1,
        "resnet-cifar": 1 + 9 + 1,
        "vit": 1 + 7 + 1,
    }
    with pytest.raises(ExperimentError, match=r"components = 8 is more than .*: from 1 to 7"):
        Experiment(net="vgg", cut="layer", components=8)


def test_numbers_of_components_are_sums_of_blocks_and_options() -> None:
    assert Counts().at(8, {}) == (1, 9, 9)
    assert Counts("H", "H", "H").at(8, {"other": 3}) == (8, 8, 8)
    assert Counts(1, "H - skipped", 2).at(8, {"skipped": 3}) == (1, 5, 2)
    assert Counts("skipped + 2", "H - skipped").at(2, {"skipped": 3}) == (5, 1, 3)  # 1 at least


def test_the_table_of_declarations_is_what_the_files_declare() -> None:
    """In a process of its own: here, tests may have declared more."""
    code = (
        "import json, sys; from delog_nb.methods.table import TABLE, import_own, table; "
        "import_own(); sys.exit(json.loads(TABLE.read_text()) != table())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, (
        "run: python -m delog_nb.methods.table"
    )


def test_the_table_is_written_anew_where_an_option_that_several_share_changes(
    tmp_path: Path,
) -> None:
    code = """
import sys
from dataclasses import replace
from pathlib import Path

from delog_nb.experiment.registry import METHODS
from delog_nb.methods import table

for name in ("early-exit", "al"):
    entry = METHODS[name]
    METHODS._entries[name] = replace(
        entry, options=tuple(replace(option, help="as it was") for option in entry.options)
    )
table.TABLE, before = Path(sys.argv[1]), table.TABLE.read_text()
table.write_table()
sys.exit(table.TABLE.read_text() != before)
"""
    written = str(tmp_path / "declared.json")
    subprocess.run([sys.executable, "-c", code, written], check=True)


def test_the_depth_is_the_nets_own_by_default() -> None:
    assert [Experiment(net=net).depth for net in ("convnet", "resnet-cifar", "vit")] == [4, 9, 7]
    assert PARAMETERS["depth"].default_text == "4; 9 on resnet-cifar, 7 on vit"
    with pytest.raises(ExperimentError, match="components = 11 is more than depth = 9 allows"):
        Experiment(net="resnet-cifar", components=11)


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
                if refusal(method, net):
                    continue
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
