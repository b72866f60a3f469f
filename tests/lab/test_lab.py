"""The lab without a browser: its form, its threads, its plain path."""

from __future__ import annotations

import re
import shlex
from typing import Any

import plotly.io as pio
import pytest
import torch
from support.runs import ROOT, same_history, tiny

from delog_nb import Experiment, ExperimentError, lab, train
from delog_nb.cli.shared.flags import Parser, add_experiment_flags, experiment_values
from delog_nb.experiment import PARAMETERS
from delog_nb.experiment.registry import METHODS
from delog_nb.lab.asks import session
from delog_nb.lab.asks.form import Form
from delog_nb.lab.asks.workbench import Workbench, commands
from delog_nb.lab.runs.overlay import names_of
from delog_nb.measure.cost import step_bytes
from delog_nb.measure.estimate import estimate, numbers_of_images

SMALL: dict[str, Any] = {"preset": "quick", "limit": 100, "precision": "float32", "device": "cpu"}


@pytest.fixture(autouse=True)
def renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")  # as in JupyterLab


def finished(bench: Workbench) -> None:
    assert bench._thread is not None
    bench._thread.join(60)
    assert not bench.running


def test_the_widget_and_the_plain_path_give_the_same_history() -> None:
    bench = Workbench(SMALL | {"method": "early-exit"}, records=[])
    bench.begin()
    finished(bench)
    plain = lab.Lab(**SMALL, method="early-exit")
    lines: list[str] = []
    plain.run_once(lines.append)
    assert bench.status.value == "Finished."
    (with_widgets,), (without,) = bench.records, plain.records
    assert with_widgets.experiment == without.experiment
    assert same_history(with_widgets.history, without.history)
    assert same_history(without.history, train(without.experiment).history)
    assert lines[0].startswith("This run takes about ")
    assert [line.partition(":")[0] for line in lines[1:3]] == ["epoch 1", "epoch 2"]


def test_stop_ends_the_run_and_keeps_its_epochs() -> None:
    bench = Workbench(SMALL | {"epochs": 100_000}, records=[])
    seen = bench.live.on_event

    def stop_after_two_epochs(event: Any) -> None:
        seen(event)
        if getattr(event, "row", {}).get("epoch") == 2:
            bench.stop.click()

    bench.live.on_event = stop_after_two_epochs  # type: ignore[method-assign]
    bench.start.click()
    finished(bench)
    assert bench.status.value == "Stopped after 2 whole epochs; Start goes on from there."
    assert len(bench.records[0].history) == 2
    assert (bench.start.disabled, bench.stop.disabled) == (False, True)
    figure, _, table = bench.results.outputs
    assert "application/vnd.plotly.v1+json" in figure["data"]
    assert "Delog-SCL" in table["data"]["text/plain"]


def test_before_a_run_the_charts_have_no_numbers_and_are_as_wide_as_the_page() -> None:
    bench = Workbench(SMALL | {"epochs": 1}, records=[])
    layout = bench.live.figure.layout
    axes = (layout.xaxis, layout.xaxis2, layout.yaxis, layout.yaxis2)
    assert [axis.showticklabels for axis in axes] == [False] * 4
    assert (layout.width, layout.autosize) == (None, True)
    bench.begin()
    finished(bench)
    assert [axis.showticklabels for axis in axes] == [True] * 4


def test_a_stopped_run_goes_on_to_where_an_uninterrupted_one_ends() -> None:
    experiment = Experiment(**SMALL, epochs=3, seed=9)
    bench = Workbench(SMALL | {"epochs": 3, "seed": 9}, records=[])
    seen = bench.live.on_event
    refused: list[str] = []

    def stop_after_one_epoch(event: Any) -> None:
        seen(event)
        if getattr(event, "row", {}).get("epoch") == 1 and not refused:
            bench.begin()  # a second Start while one runs
            refused.append(bench.status.value)
            bench.stop.click()

    bench.live.on_event = stop_after_one_epoch  # type: ignore[method-assign]
    bench.begin()
    finished(bench)
    assert refused == ["A run is going on: stop it, or wait until it ends."]
    bench.begin()
    finished(bench)
    first, whole = bench.records
    assert (len(first.history), bench.status.value) == (1, "Finished.")
    assert same_history(whole.history, train(experiment).history)


def test_finished_runs_are_overlaid_and_named_by_what_differs() -> None:
    bench = Workbench(SMALL | {"epochs": 1}, records=[])
    for seed in (0, 1):
        bench.form.fields["seed"].value = str(seed)
        bench.begin()
        finished(bench)
    assert bench.log.options == ("1. Delog-SCL, seed 0", "2. Delog-SCL, seed 1")
    assert bench.log.index == (0, 1)
    bench.log.index = (1,)
    assert len(bench.results.outputs[0]["data"]["application/vnd.plotly.v1+json"]["data"]) == 1
    assert names_of([tiny(), tiny(method="bp", lr=0.1)]) == ["Delog-SCL, lr 0.002", "BP, lr 0.1"]


def test_an_error_of_a_run_is_shown(tmp_path: Any) -> None:
    bench = Workbench(SMALL, records=[])
    bench.form.experiment = Experiment(dataset="folder", data_dir=tmp_path / "none")
    bench.begin()
    finished(bench)
    assert "none does not exist" in bench.status.value


def test_every_field_has_a_widget_with_help_and_shows_the_presets_choice() -> None:
    form = Form({"preset": "lesson"}, lambda: None)
    assert set(form.fields) == set(PARAMETERS)
    for name, parameter in PARAMETERS.items():
        field = form.fields[name]
        assert parameter.help in field.tooltip
        shown = field.placeholder if hasattr(field, "placeholder") else field.value
        read = Experiment().reads(name)
        assert form.rows[name].layout.display == (None if read else "none")
        if not read:
            continue
        value = getattr(Experiment(), name)
        assert str(shown) == ("none" if value in (None, "") else str(value)), name
    assert form.fields["epochs"].placeholder == "8"
    form.fields["preset"].value = "paper"
    assert form.fields["epochs"].placeholder == "200"
    assert form.fields["width"].placeholder == "1.0"
    form.fields["epochs"].value = "7"
    form.fields["preset"].value = "quick"
    assert form.experiment == Experiment(preset="quick", epochs=7)  # what was typed stays
    form.reset()
    assert form.experiment == Experiment(preset="quick")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("epochs", "many", "epochs = 'many' is not allowed: a whole number"),
        ("lr", "-1", "lr = '-1' is not allowed"),
        ("components", "9", "components = 9 is more than depth = 4 allows"),
        ("dataset", "folder", "dataset = 'folder' needs data_dir"),
    ],
)
def test_a_bad_value_is_marked_at_its_field(name: str, value: str, sentence: str) -> None:
    changes = 0

    def changed() -> None:
        nonlocal changes
        changes += 1

    form = Form({}, changed)
    before = form.fields[name].value
    form.fields[name].value = value
    assert changes == 1
    assert form.experiment is None
    text = form.problems[name].value
    assert sentence.replace("'", "&#x27;") in text
    assert form.fields[name].layout.border_top == "2px solid #c62828"
    form.fields[name].value = before
    assert form.experiment == Experiment()
    assert form.problems[name].value == ""
    assert form.fields[name].layout.border_top is None


def test_the_run_can_be_made_elsewhere() -> None:
    choices = {"method": "bp", "epochs": 3, "flip": False, "dataset_label": "a b", "lr": "0.1"}
    texts = commands(choices)
    parser = Parser()
    add_experiment_flags(parser)
    words = shlex.split(texts["On the command line"])
    assert words[:2] == ["delog-nb", "train"]
    expected = Experiment(**choices)
    assert Experiment(**experiment_values(parser.parse_args(words[2:]))) == expected
    pairs = shlex.split(texts["With papermill"])[3:]
    assert Experiment(**dict(zip(pairs[1::3], pairs[2::3], strict=True))) == expected
    restored = eval(texts["This form again"], {"lab": lab})
    assert Experiment(**restored.choices) == expected


def test_bad_choices_are_refused_at_once() -> None:
    with pytest.raises(ExperimentError, match="method = 'pb' is not allowed"):
        lab.Lab(method="pb")


@pytest.mark.parametrize("method", METHODS)
def test_memory_from_shapes_is_what_a_step_takes(method: str) -> None:
    """Counted without computing, beside a real step in float32."""
    experiment = tiny(method=method, batch_size=64, epochs=1)
    run = train(experiment)
    assert run.peak_train_mb is not None
    assert step_bytes(experiment) / 1e6 == pytest.approx(run.peak_train_mb, rel=0.3)
    found = estimate(experiment)
    assert found.megabytes == pytest.approx(run.peak_train_mb, rel=0.3)
    assert (found.train_params, found.inference_params) == (run.train_params, run.inference_params)
    assert found.fits


def test_what_does_not_fit_is_refused_without_trying() -> None:
    huge = Experiment(
        preset="paper", dataset="cifar10", net="vgg", width=8, batch_size=65536, method="al"
    )
    found = estimate(huge)
    assert not found.fits
    assert found.seconds is None
    assert str(found).startswith("does not fit: it takes ")
    bench = Workbench(SMALL, records=[])
    bench.form.experiment = huge
    bench.tell_cost(huge)
    assert "does not fit" in bench.cost.value
    assert bench.start.disabled


def test_numbers_of_images_are_those_that_are_read() -> None:
    from delog_nb import data

    for choices in ({}, {"limit": 300}, {"val_fraction": 0.25}, {"limit": 5000}):
        experiment = Experiment(**choices)
        read = data.load(experiment)
        assert numbers_of_images(experiment) == (len(read.train), len(read.val), len(read.test))


def test_no_front_end_no_widgets(capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.headless()
    assert lab.pick("net").value == "convnet"
    lab.predict("Which?", ["a", "b"])
    assert capsys.readouterr().out == "net = convnet\nWhich? (a / b)\n"


def test_lessons_run_at_another_size_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(session.PRESET_VARIABLE, raising=False)
    assert lab.experiment(epochs=3, method="bp") == Experiment(epochs=3, method="bp")
    monkeypatch.setenv(session.PRESET_VARIABLE, "quick")
    assert lab.experiment(epochs=3, method="bp") == Experiment(preset="quick", method="bp")


def test_what_came_out_waits_for_a_prediction(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from delog_nb.lab.asks import predict as predictions

    drawn = lab.lines({"BP": [0.5, 0.75]}, "Accuracy", "Epoch", "Test accuracy (%)")
    lab.outcome("Which wins?", "AL", drawn)
    assert "You made no prediction." in capsys.readouterr().out
    shown: list[Any] = []
    monkeypatch.setattr(predictions, "headless", lambda: False)
    monkeypatch.setattr(predictions, "display", shown.append)
    lab.predict("Which wins?", ["BP", "AL"])
    lab.outcome("Which wins?", "AL", drawn)
    asked, area = shown[1].children
    assert area.outputs == ()
    asked.children[1].value = "BP"  # there, or at the question
    told, figure, table = (output["data"] for output in area.outputs)
    assert told["text/plain"] == "Which wins? It came out: AL. You predicted BP."
    assert "application/vnd.plotly.v1+json" in figure
    assert "<table" in table["text/html"]
    assert asked.layout.display == "none"
    lab.predict("Which wins?", ["BP", "AL"])
    assert shown[2].children[1].value == "BP"  # also in a later session
    lab.outcome("Which wins?", "AL")
    assert shown[3].children[1].outputs[0]["data"]["text/plain"] == told["text/plain"]


def test_what_came_out_can_be_played_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a button reveals it: a callback has no cell, so that it seems headless there."""
    from delog_nb.lab.asks import predict as predictions
    from delog_nb.lab.charts import played

    shown: list[Any] = []
    monkeypatch.setattr(predictions, "display", shown.append)
    z, labels = torch.eye(4), torch.tensor([0, 1, 0, 1])
    batch = lab.batch(torch.rand(4, 1, 8, 8), z, labels, "Four views")
    with monkeypatch.context() as cell:
        cell.setattr(predictions, "headless", lambda: False)
        cell.setattr(played, "headless", lambda: False)
        lab.outcome("Which plays?", "both", batch)
    asked, area = shown[0].children
    asked.children[2].click()
    assert "application/vnd.jupyter.widget-view+json" in area.outputs[1]["data"]


def test_one_may_look_without_a_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    from delog_nb.lab.asks import predict as predictions

    shown: list[Any] = []
    monkeypatch.setattr(predictions, "headless", lambda: False)
    monkeypatch.setattr(predictions, "display", shown.append)
    lab.outcome("Which loses?", "BP")
    asked, area = shown[0].children
    asked.children[2].click()
    assert "You made no prediction." in area.outputs[0]["data"]["text/plain"]


def test_threads_of_the_lab_leave_the_global_random_state_alone() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    lab.Lab(**SMALL).run_once(lambda _: None)
    assert torch.equal(torch.get_rng_state(), state)


def test_suggested_investigations_are_choices_that_there_are() -> None:
    text = (ROOT / "notebooks" / "lab.ipynb").read_text()
    lines = re.findall(r"lab\.Lab\(([^)]*)\)`", text.replace('\\"', '"'))
    assert len(lines) == 6
    for line in lines:
        choices = eval(f"dict({line})")
        assert Experiment(preset="lesson", precision="float32", **choices).run_id
