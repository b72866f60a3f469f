"""Lesson 8: what it measures and draws is so, and its checks know right from wrong."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from support.runs import tiny
from torch import nn

from delog_nb import data, methods
from delog_nb.components import Batch
from delog_nb.components.component import count_parameters
from delog_nb.course import COMPARED
from delog_nb.experiment import ExperimentError
from delog_nb.experiment.registry import METHODS
from delog_nb.lab.lessons.local_objectives import associated, probe_shares
from delog_nb.measure.codes import (
    class_codes,
    distance,
    encoders_and_decoders,
    follow_codes,
    survivors,
)
from delog_nb.measure.cost import parameter_counts
from delog_nb.measure.exits import exit_accuracies
from delog_nb.measure.invariance import Probe, write_probes
from delog_nb.measure.reach import reach
from delog_nb.records import load, record_of, save
from delog_nb.training import train


def test_codes_followed_by_labels_alone_are_those_of_a_whole_run() -> None:
    """Every encoder and decoder state after each epoch, seen from inside the run."""
    experiment = tiny(method="al", device="cpu", depth=3, epochs=3)
    images = data.load(experiment)
    followed = follow_codes(experiment, images)
    assert [state.epoch for state in followed] == [0, 1, 2, 3]
    pairs = encoders_and_decoders(train(experiment, data=images).model.parts())
    for place, codes in enumerate(class_codes(pairs, len(images.classes))):
        assert distance(codes, 2.0) == pytest.approx(followed[-1].distances[place], rel=1e-4)
    assert survivors(pairs, len(images.classes)) == followed[-1].survivors
    untrained = encoders_and_decoders(methods.build(experiment).parts())
    first = class_codes(untrained, len(images.classes))
    assert distance(first[0], 2.0) == pytest.approx(followed[0].distances[0], rel=1e-6)


def test_no_loss_leads_from_images_to_encoders_or_from_targets_to_blocks() -> None:
    part = methods.build(tiny(method="al", depth=2)).parts()[0]
    objective = part.objective
    images, t = torch.randn(4, 1, 16, 16), F.one_hot(torch.tensor([0, 1, 2, 3]), 10).float()
    bridge, encoder, decoder = (
        objective.get_submodule(name) for name in ("bridge", "encoder", "decoder")
    )
    loss = part(images, Batch.of(torch.arange(4)))[2]
    meet = F.mse_loss(bridge(part.layers(images)), encoder(t).detach())
    back = F.mse_loss(decoder(encoder(t)), t)
    assert loss.item() == pytest.approx(meet.item() + back.item(), rel=1e-5)
    found = reach([meet, back], [part.layers, bridge, encoder, decoder])
    assert (~found.isnan()).tolist() == [[True, True, False, False], [False, False, True, True]]


def test_distance_is_that_of_pairs_one_by_one() -> None:
    codes = torch.rand(5, 7)
    pairs = [(a, b) for a in range(5) for b in range(5) if a != b]
    squares = [((codes[a] - codes[b]) ** 2).mean().item() for a, b in pairs]
    by_hand = math.sqrt(sum(squares) / len(squares))
    assert distance(codes) == pytest.approx(by_hand, rel=1e-5)
    assert distance(codes, 2.0) == pytest.approx(by_hand / 2, rel=1e-5)
    corners = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    assert distance(corners, 2.0) == pytest.approx(1.0)
    assert distance(torch.ones(3, 4)) == 0


@pytest.mark.parametrize(("activation", "slope"), [("sigmoid", 0.25), ("tanh", 1.0)])
def test_first_weights_shrink_distances_as_the_formula_says(activation: str, slope: float) -> None:
    states = [
        follow_codes(tiny(method="al", al_activation=activation, al_lr=0.01, epochs=1, seed=s), d)
        for s in range(3)
        for d in [data.load(tiny(method="al"))]
    ]
    for place in range(4):
        measured = sum(s[0].distances[place] for s in states) / len(states)
        expected = math.sqrt(2 / 10) * (slope / math.sqrt(3)) ** (place + 1)
        value_range = 1.0 if activation == "sigmoid" else 2.0
        assert measured * value_range == pytest.approx(expected, rel=0.25)


def test_classes_come_back_where_codes_are_kept_apart_and_not_where_they_are_one() -> None:
    eye = nn.Linear(4, 4, bias=False)
    eye.weight.data = torch.eye(4)
    blind = nn.Linear(4, 4)
    blind.weight.data.zero_()
    assert survivors([(eye, eye), (eye, eye)], 4) == 4
    assert survivors([(eye, eye), (blind, eye)], 4) == 1


def test_codes_of_other_methods_are_refused() -> None:
    experiment = tiny(method="early-exit")
    with pytest.raises(ValueError, match="target codes"):
        follow_codes(experiment, data.load(experiment))
    with pytest.raises(ValueError, match="not of bp"):
        associated(tiny(method="bp"))


@pytest.mark.parametrize("method", COMPARED)
def test_the_last_way_out_is_the_prediction(method: str) -> None:
    experiment = tiny(method=method)
    images = data.load(experiment)
    run = train(experiment, data=images)
    found = exit_accuracies(run, images)
    assert len(found) == len(run.model.components)
    assert found[-1] == pytest.approx(run.test_acc)
    assert not run.model.training
    assert [share is None for share in found[:-1]] == {
        "bp": [],
        "early-exit": [False] * 4,
        "al": [False] * 3,
        "delog-scl": [True] * 4,
        "infopro": [True] * 3,
        "cwcomp": [False] * 3,
        "scl-exit": [False] * 4,
        "gim": [True] * 4,
    }[method]


def test_an_early_exit_is_scored_with_its_own_classifier() -> None:
    experiment = tiny(method="early-exit", device="cpu")
    images = data.load(experiment)
    run = train(experiment, data=images)
    part = run.model.parts()[0]
    run.model.eval()
    with torch.no_grad():
        pixels = images.test.images.float() / 255
        mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (images.mean, images.std))
        logits = part.objective.get_submodule("classifier")(part.layers((pixels - mean) / std))
    hits = (logits.argmax(1) == images.test.labels).float().mean().item()
    assert exit_accuracies(run, images)[0] == pytest.approx(hits, abs=2e-3)


def test_the_diagram_has_every_module_and_the_table_every_parameter() -> None:
    experiment = tiny(method="al", depth=3)
    shown = associated(experiment)
    texts = [a.text for a in shown.figure.layout.annotations]
    for number in "₁₂₃":
        for name in ("f", "b", "g", "inv"):
            assert name + number in texts
    assert list(shown.table["Needs images"]) == ["yes", "no"] * 3
    assert shown.table["Compares"].tolist()[2:4] == ["b₂(r₂) with t₂", "inv₂(t₂) with t₁"]
    assert shown.table["Parameters"].sum() == parameter_counts(experiment).training
    assert "A₂ compares b₂(r₂) with t₂ and trains f₂ and b₂" in shown.says


@pytest.mark.parametrize("method", METHODS)
def test_parameters_of_a_prediction_are_those_on_its_way(method: str) -> None:
    run = tiny(method=method, depth=2)
    built = methods.build(run)
    parts = built.parts()
    way = [layer for part in parts for layer in part.layers]
    if method == "al":
        way += [parts[-1].objective.get_submodule("bridge")]
        way += [part.objective.get_submodule("decoder") for part in parts]
    used = sum(count_parameters(module.parameters()) for module in way)
    assert parameter_counts(run) == (count_parameters(built.parameters()), used)


def test_probes_of_recorded_runs_are_read_by_method_block_and_seed(tmp_path: Path) -> None:
    runs = []
    for method, seed in (("early-exit", 0), ("bp", 1), ("bp", 0), ("bp", 2)):
        run = train(tiny(method=method, seed=seed, epochs=1, limit=50, depth=2))
        folder = save(record_of(run), tmp_path)
        if seed < 2:
            rows = [
                Probe(2, "r", "class", 0.5, 0.1, 40),
                Probe(1, "r", "class", 0.1 * seed, 0.1, 40),
            ]
            rows += [Probe(1, "z", "class", 0.9, 0.1, 40), Probe(1, "r", "flip", 0.75, 0.5, 40)]
            write_probes(rows, folder)
        runs.append(load(folder))
    early, second, first, without = runs
    own = [run.results["test_acc"] for run in (first, second)]
    shares = probe_shares(runs)
    assert list(shares) == ["BP", "Early Exit"]
    assert shares["BP"] == {"r₁": [0.0, 0.1], "r₂": [0.5, 0.5], "prediction": own}
    assert shares["Early Exit"]["prediction"] == [early.results["test_acc"]]
    assert probe_shares([first], "flip") == {"BP": {"r₁": [0.75]}}
    with pytest.raises(ExperimentError, match="none of these 1 runs has probes"):
        probe_shares([without])
