"""An idea of one's own becomes a method: in a cell, in a file, in a package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
import torch.nn.functional as F
from nbclient import NotebookClient
from support.ranks import run_ranks
from support.runs import PLUGINS, plugged, same_history, tiny
from torch import nn

import delog_nb
from delog_nb import ExperimentError, check_method, data, methods, records, train
from delog_nb.cli import main
from delog_nb.components import Batch
from delog_nb.experiment import experiments_of, plugins, registry
from delog_nb.experiment.registry import METHODS
from delog_nb.grids import job, sweep
from delog_nb.grids.workers import Workers
from delog_nb.instruments.course_files import EXPERIMENT
from delog_nb.training import local_losses

# file of the plug-in: its method
IDEAS = {
    "mean_exit": "mean-exit",
    "predsim": "pred-sim",
    "simclr": "simclr",
    "dgl": "dgl-aux",
    "auglocal": "aug-local",
    "reconstruct": "reconstruct",
}
NETS = registry.NETS.own
NET, DATA = (
    """
import delog_nb
@delog_nb.net("plain", label="Plain")
def build(in_shape, classes, width, depth): ...
""",
    """
import delog_nb
@delog_nb.dataset("stripes", label="Stripes", channels=1, size=16, classes=2)
def stripes(folder): ...
""",
)
CELL = (PLUGINS / "mean_exit.py").read_text().partition("\n\n")[2]


# --- from a notebook


def run_cells(*cells: str, folder: Path) -> list[str]:
    """Run cells in a kernel, as JupyterLab does; what each one printed."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in cells]
    )
    client = NotebookClient(notebook, timeout=120, kernel_name="python3")
    client.execute(cwd=str(folder))
    return [
        "".join(o.get("text", "") for o in cell.outputs if o.output_type == "stream")
        for cell in notebook.cells
    ]


def test_the_cell_of_the_design_makes_a_citizen(tmp_path: Path) -> None:
    """Form, training, records of workers, curves, tables and a comparison take it."""
    said = run_cells(
        CELL,
        """
        from pathlib import Path
        import delog_nb
        from delog_nb import Experiment, lab, records
        from delog_nb.experiment import experiments_of
        small = {"preset": "quick", "epochs": 1, "limit": 100, "width": 0.1}
        for net in ("convnet", "vgg", "resnet"):
            assert delog_nb.check_method("mean-exit", net=net, width=0.1) == []
            run = delog_nb.train(Experiment(**small, method="mean-exit", net=net))
            assert len(run.history) == 1
        """,
        """
        both = experiments_of([{**small, "method": m} for m in ("mean-exit", "delog-scl")])
        runs = lab.train_all(both)
        from delog_nb.lab.charts.style import method_style
        drawn = lab.curves(runs)
        assert "Mean Exit" in [line.name for line in drawn.figure.data]
        assert "Mean Exit" in drawn.table
        colours = {method_style(m)["color"] for m in ("mean-exit", "delog-scl", "bp")}
        assert len(colours) == 3
        from delog_nb.records.summary import summary, summary_for_people
        assert "Mean Exit" in str(summary_for_people(summary(runs)))
        """,
        """
        from delog_nb.lab.asks.form import Form
        form = Form({"method": "mean-exit"}, lambda: None)
        assert "mean-exit" in form.fields["method"].options
        assert form.rows["tau"].layout.display == "none"
        form.fields["method"].value = "delog-scl"
        assert form.rows["tau"].layout.display is None
        """,
        """
        from delog_nb.grids.sweep import sweep
        from delog_nb.grids.workers import Workers
        with Workers(1) as workers:
            print(sweep(both, Path("runs"), workers).done)
        found = [r for r in records.find(Path("runs"))]
        print(sorted(r.experiment.method_label for r in found))
        """,
        folder=tmp_path,
    )
    assert said[4].splitlines() == ["2", "['Delog-SCL', 'Mean Exit']"]
    (kept,) = tmp_path.glob("runs/*-mean-exit-*")
    assert (kept / "method.py").read_text() == CELL
    # here nobody has declared it: the record is read all the same, and nothing is run
    record = records.load(kept)
    assert (record.experiment.method_label, record.experiment.num_components) == ("Mean Exit", 5)
    assert "mean-exit" not in METHODS


def test_a_name_that_is_defined_again_replaces_the_first_and_a_built_in_one_is_refused(
    tmp_path: Path,
) -> None:
    again = CELL.replace('label="Mean Exit"', 'label="Second"')
    said = run_cells(
        CELL,
        again,
        """
        from delog_nb.experiment.registry import METHODS
        print(METHODS["mean-exit"].label)
        try:
            delog_nb.method("bp", label="BP")(MeanExit)
        except delog_nb.ExperimentError as error:
            print(error)
        """,
        folder=tmp_path,
    )
    assert said[2].splitlines() == [
        "Second",
        "method 'bp' is one of the package's own: take another name",
    ]


def test_a_cell_that_does_not_run_alone_trains_in_the_kernels_process(tmp_path: Path) -> None:
    said = run_cells(
        "import delog_nb\nimport torch.nn.functional as F\nfrom torch import nn",
        CELL.partition("import delog_nb\n")[2],
        """
        import warnings
        from pathlib import Path
        from delog_nb import Experiment
        from delog_nb.grids.sweep import sweep
        from delog_nb.grids.workers import Workers
        run = Experiment(preset="quick", epochs=1, limit=100, method="mean-exit")
        with warnings.catch_warnings(record=True) as caught, Workers(1) as workers:
            warnings.simplefilter("always")
            print(sweep([run], Path("runs"), workers).done)
        print(*[w.message for w in caught if "alone" in str(w.message)])
        """,
        folder=tmp_path,
    )
    done, sentence = said[2].splitlines()
    assert done == "1"
    assert "does not run alone: NameError: name 'delog_nb' is not defined (line" in sentence
    assert sentence.endswith("its runs are made in this process")


def test_a_plug_in_that_trains_while_it_defines_is_refused() -> None:
    source = CELL + "\ndelog_nb.train(delog_nb.Experiment(preset='quick', method='bp'))\n"
    with pytest.raises(ExperimentError, match="a plug-in defines and does not train"):
        registry.use(plugins.Plugin("mine", source))


# --- from a file


@pytest.mark.parametrize(("file", "name"), IDEAS.items())
def test_an_idea_keeps_what_every_method_promises(file: str, name: str) -> None:
    plugged(file)
    for net in NETS:
        if net in METHODS[name].refuses:
            with pytest.raises(ExperimentError, match=METHODS[name].refuses[net]):
                tiny(method=name, net=net)
            continue
        width = 0.25  # of ReLUs that are as few as a narrower net's channels, all may be dead
        assert check_method(name, net=net, width=width) == []
        # by a loop of its own: a component's loss reaches no other
        method = methods.build(tiny(method=name, net=net, width=width))
        images, labels = torch.rand(8, 1, 16, 16), torch.arange(4).repeat(2)
        told = Batch.of(labels, inputs=images)
        made = list(local_losses(method.parts(), images, told))
        for number, local in enumerate(made):
            method.zero_grad(set_to_none=True)
            local.loss.backward(retain_graph=True)
            reached = {n.split(".")[1] for n, p in method.named_parameters() if p.grad is not None}
            assert reached == {str(number)}


@pytest.mark.parametrize(("file", "name"), IDEAS.items())
def test_an_idea_is_resumed_to_the_last_bit(file: str, name: str, tmp_path: Path) -> None:
    plugged(file)
    experiment = tiny(method=name)
    asked = iter(range(1000))
    path = tmp_path / "checkpoint.pt"
    stopped = train(experiment, should_stop=lambda: next(asked) >= 10, checkpoint=path)
    assert stopped.stopped
    whole, resumed = train(experiment), train(experiment, checkpoint=path)
    assert same_history(whole.history, resumed.history)


def test_ideas_go_through_workers_that_have_neither_file_nor_cell(tmp_path: Path) -> None:
    for file in IDEAS:
        plugged(file)
    runs = [tiny(method=name, epochs=1, limit=100) for name in IDEAS.values()]
    with Workers(1) as workers:
        progress = sweep.sweep(runs, tmp_path, workers)
    assert [o.error for o in progress.outcomes.values() if o.error] == []
    assert progress.done == len(runs)
    for run in runs:
        record = records.load(tmp_path / run.run_id)
        assert same_history(record.history, train(run).history)


@pytest.mark.long
def test_a_plug_in_goes_through_papermill_and_dask(tmp_path: Path) -> None:
    """The worker has the run's folder, and neither the file nor the kernel that defined it."""
    from distributed import Client, LocalCluster

    registry.use(plugins.Plugin("a cell", (PLUGINS / "mean_exit.py").read_text()))
    run = tiny(method="mean-exit", epochs=1, limit=100)
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        progress = sweep.sweep([run], tmp_path / "dask", client.get_executor())
    assert [o.error for o in progress.outcomes.values()] == [""]
    with Workers(1) as workers:
        progress = sweep.sweep([run], tmp_path / "papermill", workers, notebook=EXPERIMENT)
    assert [o.error for o in progress.outcomes.values()] == [""]
    one, other = (records.load(tmp_path / place / run.run_id) for place in ("dask", "papermill"))
    assert same_history(one.history, other.history)
    passed = nbformat.read(tmp_path / "papermill" / run.run_id / "run.ipynb", 4)
    assert any("method.py" in cell.source for cell in passed.cells)


def test_a_job_is_plain_data() -> None:
    plugged("predsim")
    made = job.Job.of(tiny(method="pred-sim"), Path("runs"))
    assert json.loads(json.dumps(made.choices)) == made.choices
    assert [type(plugin) for plugin in made.plugins] == [plugins.Plugin]
    assert made.plugins[0].source == (PLUGINS / "predsim.py").read_text()


COMMAND = ("--preset", "quick", "--limit", "64", "--val-fraction", "0", "--batch-size", "32",
           "--epochs", "1", "--norm", "none", "--precision", "float32")  # fmt: skip


@pytest.mark.parametrize(("file", "name"), IDEAS.items())
def test_ranks_train_an_idea_as_one_process_does(file: str, name: str, tmp_path: Path) -> None:
    """A pipeline to the last bit; data parallelism but for rounding: no loss misses a sample."""
    words = [*COMMAND, "--method", name, "--plugin", str(PLUGINS / f"{file}.py")]
    norms = file == "dgl"  # its own BatchNorm sees a rank's share alone
    assert main(["train", *words, "--out", str(tmp_path / "one")]) == 0
    run_ranks(2, *words, "--out", str(tmp_path / "pipeline"), folder=tmp_path)
    parallel = [*words, "--out", str(tmp_path / "parallel"), "--data-parallel"]
    run_ranks(2, *parallel, folder=tmp_path)
    one, pipeline, parallel_run = (
        next(iter(records.find(tmp_path / place))) for place in ("one", "pipeline", "parallel")
    )
    assert isinstance(one, records.Record)
    assert same_history(one.history, pipeline.history)  # type: ignore[union-attr]
    for key, loss in one.history[0].items():
        if key.startswith("loss_") and not norms:
            assert parallel_run.history[0][key] == pytest.approx(loss, rel=2e-3)  # type: ignore[union-attr]


def test_a_command_takes_a_plug_in_with_its_options(tmp_path: Path, capsys: Any) -> None:
    plugin = ["--plugin", str(PLUGINS / "predsim.py")]
    words = ["--preset", "quick", "--epochs", "1", "--limit", "64", "--sim-weight", "0.5"]
    methods_ = ["--methods", "bp,pred-sim", "--seeds", "1"]
    assert main(["compare", *methods_, *words, *plugin, "--out", str(tmp_path)]) == 0
    assert "PredSim" in capsys.readouterr().out
    options = {r.experiment.method: r.experiment.get("sim_weight") for r in records.find(tmp_path)}  # type: ignore[union-attr]
    assert options == {"bp": None, "pred-sim": 0.5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "plug-in: cannot read"),
        ("x = 1", "declares nothing: it needs @delog_nb.method"),
        ("def broken(:", "does not run alone: SyntaxError"),
        ("import delog_nb\n1 / 0", "ZeroDivisionError: division by zero (line 2)"),
        (
            CELL.replace("shape, classes):", "shape, classes, *, tau=0.5):"),
            "option 'tau' of method mean-exit is declared otherwise by delog-scl",
        ),
        (CELL.replace("shape, classes):", "shape):"), "takes (shape, classes), then options"),
        (CELL.replace("shape, classes):", "shape, classes, *, k):"), "needs a default"),
        (CELL.replace('"mean-exit"', '"Mean Exit"'), "small letters, digits and -"),
        (CELL.replace("label=", "cut='stage', label="), "'stage' is not allowed: one of block, la"),
        (CELL.replace('"mean-exit"', '"bp"'), "is one of the package's own"),
        (NET.replace('"plain"', '"../plain"'), "net name '../plain' is not allowed"),
        (DATA.replace(", classes=2", ""), "is a function: give classes, their number"),
        (DATA.replace('"stripes"', '"../stripes"'), "dataset name '../stripes' is not allowed"),
        ("import delog_nb\ndelog_nb.Option('k', None, 'k')", "is not allowed: a name as of a"),
    ],
)
def test_a_bad_plug_in_gets_one_sentence(
    text: str | None, words: str, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    assert main(["train", "--plugin", str(path), "--out", str(tmp_path / "runs")]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_run_is_loaded_with_its_plug_in_only_when_told(tmp_path: Path) -> None:
    plugged("mean_exit")
    run = tiny(method="mean-exit", epochs=1)
    records.train_once(run, tmp_path, keep_checkpoint=True)
    folder = tmp_path / run.run_id
    del METHODS._entries["mean-exit"]
    with pytest.raises(records.record.RecordError, match="made with a plug-in that is not"):
        delog_nb.load_run(folder)
    loaded = delog_nb.load_run(folder, plugin=folder / "method.py")
    pixels = data.load(tiny()).test.images[:4]
    assert torch.equal(loaded.predict(pixels), train(run).predict(pixels))


def test_the_same_experiment_twice_is_no_second_seed() -> None:
    from delog_nb import lab
    from delog_nb.records.summary import summary

    run = tiny(method="bp", epochs=1)
    with pytest.raises(ExperimentError, match="BP, ConvNet, seed 0 stands twice"):
        lab.train_all([run, tiny(seed=1), run])
    record = records.record_of(train(run))
    assert summary([record, record])[0]["seeds"] == 1


# --- from a package


def test_a_package_plugs_in_by_its_entry_point(tmp_path: Path) -> None:
    site = tmp_path / "site"
    info = site / "mean_exit_package-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "mean_exit_package.py").write_text(CELL)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mean-exit-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[delog_nb.plugins]\nmean = mean_exit_package\n")
    env = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "fixed: {preset: quick, epochs: 1, limit: 64}\ncross: {method: [mean-exit, bp]}\n"
    )
    out = tmp_path / "runs"
    done = subprocess.run(
        [sys.executable, "-m", "delog_nb", "sweep", str(grid), "--out", str(out), "--no-notebook",
         "--workers", "1"],
        env=env, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {r.experiment.method_label for r in records.find(out)} == {"Mean Exit", "BP"}  # type: ignore[union-attr]


# --- directly


def test_a_method_blocks_and_images_of_ones_own_train_directly(tmp_path: Path) -> None:
    class Mine(delog_nb.Objective):
        def __init__(self, shape: Any, classes: int, *, scale: float = 2.0) -> None:
            super().__init__()
            self.classifier, self.scale = nn.Linear(shape[0], classes), scale

        def forward(self, r: Any, batch: Batch) -> Any:
            return self.scale * F.cross_entropy(self.classifier(r.mean((2, 3))), batch.labels)

    blocks = [nn.Sequential(nn.Conv2d(c, 8, 3, padding=1), nn.ReLU()) for c in (1, 8, 8)]
    run = train(tiny(), method=Mine, blocks=blocks)
    assert (run.own, len(run.model.parts()), run.experiment.depth) == (("method", "blocks"), 4, 3)
    with pytest.raises(records.record.RecordError, match="a run with method and blocks of one's"):
        records.record_of(run)
    path = tmp_path / "own.pt"
    train(tiny(), method=Mine, checkpoint=path)
    assert path.exists()

    digits = data.load(tiny(limit=None))
    pixels = [split.images.permute(0, 2, 3, 1).numpy() for split in (digits.train, digits.test)]
    images = data.arrays(
        pixels[0], digits.train.labels, pixels[1], digits.test.labels, val_fraction=0.2
    )
    own = train(tiny(method="bp"), data=images)
    record = records.record_of(own)
    assert record.run_id.startswith("arrays-convnet-bp-s0-")
    assert record.experiment.data_id == images.content_id
    flat = nn.Sequential(nn.Flatten(), nn.Linear(8 * 256, 3))
    with pytest.raises(ExperimentError, match=r"block 2 gives \('B', 3\)"):
        train(tiny(method="bp"), blocks=[blocks[0], flat])
    with pytest.raises(data.DataError, match="uint8"):
        data.arrays(pixels[0] / 255, digits.train.labels, pixels[1], digits.test.labels)


def test_a_data_set_of_ones_own_is_a_function(tmp_path: Path) -> None:
    source = """
    import numpy as np
    import delog_nb

    @delog_nb.dataset("noise", label="Noise", channels=1, size=16, classes=2)
    def noise(folder):
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (64, 8, 8), dtype=np.uint8)
        labels = np.arange(64) % 2
        return pixels, labels, pixels[:20], labels[:20]
    """
    registry.use(plugins.Plugin("noise", textwrap.dedent(source)))
    record = records.train_once(tiny(dataset="noise", method="al"), tmp_path)
    assert record is not None
    assert record.experiment.data_label == "Noise"
    assert (tmp_path / record.run_id / "dataset.py").exists()


def test_labels_beyond_the_declared_classes_and_flat_blocks_are_refused() -> None:
    registry.use(plugins.Plugin("bad", textwrap.dedent("""
        import delog_nb
        import numpy as np
        from torch import nn

        @delog_nb.dataset("three", label="Three", channels=1, size=16, classes=2)
        def three(folder):
            pixels = np.zeros((6, 16, 16), np.uint8)
            return pixels, np.arange(6) % 3, pixels, np.arange(6) % 3

        @delog_nb.net("flat", label="Flat")
        def build(in_shape, classes, width, depth):
            def block(number, shape):
                return nn.Sequential(nn.Flatten(), nn.LazyLinear(8))
            return delog_nb.Parts(block, lambda features: nn.Linear(features, classes))
    """)))  # fmt: skip
    with pytest.raises(data.DataError, match="labels of 3 classes where it declares 2"):
        data.load(tiny(dataset="three"))
    with pytest.raises(ExperimentError, match=r"block 1 gives \('B', 8\) of \('B', 1, 16, 16\)"):
        train(tiny(net="flat"))


# --- what names no method


def test_rooms_know_no_method_by_name() -> None:
    """Lessons are about named methods; the rooms that every method goes through are not."""
    package = Path(delog_nb.__file__).parent
    found = []
    for room in ("experiment", "measure", "pipeline", "grids", "cli", "lab", "records", "training"):
        for path in (package / room).rglob("*.py"):
            place = str(path.relative_to(package))
            if place.startswith("lab/lessons/"):
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                code = line.partition("#")[0]
                if line.lstrip().startswith(">>>") or line.lstrip().startswith("..."):
                    continue
                if any(f'"{name}"' in code for name in METHODS.own):
                    found.append(f"{place}:{number}: {line.strip()}")
    assert [line.partition(": ")[2] for line in found] == [
        'method: str = field_of("delog-scl", "training method", "run")'  # the default
    ]


def test_an_experiment_of_a_grid_takes_options_by_method(tmp_path: Path) -> None:
    plugged("predsim")
    found = experiments_of(
        [{"method": m, "sim_weight": 0.5, "tau": 0.2} for m in ("pred-sim", "delog-scl", "bp")]
    )
    assert [(e.get("sim_weight"), e.get("tau")) for e in found] == [
        (0.5, None), (None, 0.2), (None, None),
    ]  # fmt: skip
