from __future__ import annotations

import gc

import pytest
import torch
from support.runs import tiny

from delog_nb import Experiment, data, train
from delog_nb.instruments.machine import machine, versions
from delog_nb.instruments.memory import LiveBytes
from delog_nb.measure.cost import parameter_counts
from delog_nb.measure.probes import block_outputs
from delog_nb.nets import build
from delog_nb.training import evaluating


def test_live_bytes_follow_every_storage_once() -> None:
    with LiveBytes() as live:
        a = torch.zeros(100)  # 400 bytes
        b = a.view(10, 10)[2:]  # the same storage
        assert live.now == 400
        c = a + 1
        assert (live.now, live.peak) == (800, 800)
        a += 1  # in place
        assert live.now == 800
        del a, c
        assert live.now == 400  # b keeps the storage of a
        del b
        assert (live.now, live.peak) == (0, 800)


def test_tensors_from_before_count_only_when_tracked() -> None:
    old = torch.zeros(100)
    with LiveBytes() as live:
        view = old.t()
        view += 1
        assert live.peak == 0
        live.track([old, view])
        assert live.peak == 400


def test_live_bytes_see_what_backward_keeps() -> None:
    def peak(kept: bool) -> int:
        x = torch.randn(1000, requires_grad=True)
        with LiveBytes() as live, torch.set_grad_enabled(kept):
            y = x.exp().exp().exp().exp().sum()
            if kept:
                y.backward()
        return live.peak

    assert peak(kept=True) > 2 * peak(kept=False)


def test_live_bytes_let_go_of_everything() -> None:
    with LiveBytes() as live:
        x = torch.randn(10, 10, requires_grad=True)
        (x @ x).sum().backward()
        del x
        gc.collect()
        assert live.now == 0


def test_counting_parameters_takes_no_memory() -> None:
    experiment = Experiment(preset="paper", dataset="cifar10", net="resnet", method="al")
    with LiveBytes() as live:
        counts = parameter_counts(experiment)
    assert counts.training > 300e6
    assert live.peak < 1e6  # as float32 they would take 1.3 GB


def test_meta_networks_have_the_shapes_of_real_ones() -> None:
    experiment = Experiment(preset="quick")
    with torch.device("meta"):
        meta = build(experiment, *data.shape(experiment))
    assert meta.shapes == build(experiment, *data.shape(experiment)).shapes


def test_machine_and_versions_name_what_a_figure_belongs_to() -> None:
    facts = machine()
    assert facts["cores"] >= 1
    assert facts["memory_gb"] > 0
    assert facts["processor"]
    found = versions()
    assert torch.__version__.startswith(str(found["torch"]))
    assert found["delog_nb"] == "0.1.0"


@pytest.mark.parametrize("method", ["delog-scl", "predsim"])
def test_features_are_those_of_every_place_where_the_network_can_be_cut(method: str) -> None:
    run = train(tiny(method=method, epochs=1))
    test = data.load(run.experiment).test
    outputs = next(block_outputs(run, data.load(run.experiment), test))
    assert len(outputs) == run.experiment.hidden
    classifier = run.model.parts()[-1].layers[-1]
    with evaluating(run.model):
        logits = classifier(outputs[-1])
    torch.testing.assert_close(logits, run.predict(test.images[: len(logits)]))
