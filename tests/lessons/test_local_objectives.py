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
from delog_nb.experiment import ExperimentError
from delog_nb.experiment.registry import METHODS
from delog_nb.lab.lessons.associated import associated_figure, associated_table, predictions_table
from delog_nb.lab.lessons.codes import (
    distances_figure,
    distances_table,
    spreading_figure,
    spreading_table,
)
from delog_nb.lab.lessons.local_objectives import (
    blocks_figure,
    blocks_table,
    exits_figure,
    exits_table,
    probe_shares,
)
from delog_nb.lab.lessons.paths import paths_figure, paths_table
from delog_nb.measure.codes import (
    CodeState,
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
from delog_nb.methods import Batch
from delog_nb.methods.component import count_parameters
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
        associated_figure(tiny(method="bp"))


@pytest.mark.parametrize("method", METHODS)
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
    figure, table = associated_figure(experiment), associated_table(experiment)
    texts = [a.text for a in figure.layout.annotations]
    for number in "₁₂₃":
        for name in ("f", "b", "g", "inv"):
            assert name + number in texts
    assert list(table["Needs images"]) == ["yes", "no"] * 3
    counts = sum(int(n.replace(",", "")) for n in table["Parameters"])
    assert counts == parameter_counts(experiment)[0]


def test_ways_of_predictions_count_what_is_used_and_left_out() -> None:
    runs = [tiny(method=method, depth=2) for method in METHODS]
    table = predictions_table(runs).set_index("Method")
    way = "A prediction goes through"
    assert table.loc["AL", way] == "f₁ → f₂ → b₂ → inv₂ → inv₁"
    assert table.loc["Delog-SCL", way] == "f₁ → f₂ → classifier"
    for run in runs:
        row = table.loc[METHODS[run.method].label]
        used, left = (
            int(row[name].replace(",", ""))
            for name in ("Parameters on the way", "Left out (affiliated)")
        )
        assert (used + left, used) == parameter_counts(run)
        assert used + left == count_parameters(methods.build(run).parameters())


def test_heads_in_paths_have_the_name_they_are_given() -> None:
    run = tiny(method="early-exit", depth=2)
    assert paths_table(run, head="c")["Goes through"][0] == "x → f₁ → c₁"
    assert "c₂" in [a.text for a in paths_figure(run, head="c").layout.annotations]


def test_probes_of_recorded_runs_are_read_by_method_and_seed(tmp_path: Path) -> None:
    found = []
    for seed in (0, 1):
        run = train(tiny(method="bp", seed=seed, epochs=1, limit=50, depth=2))
        folder = save(record_of(run), tmp_path)
        if seed == 0:
            rows = [Probe(2, "r", "class", 0.5, 0.1), Probe(1, "r", "class", 0.25, 0.1)]
            rows += [Probe(1, "z", "class", 0.9, 0.1), Probe(1, "r", "flip", 0.75, 0.5)]
            write_probes(rows, folder)
        found.append(load(folder))
    assert probe_shares(found) == {"bp": [[0.25, 0.5, found[0].results["test_acc"]]]}
    assert probe_shares(found, "flip") == {"bp": [[0.75]]}
    with pytest.raises(ExperimentError, match="none of these 1 runs has probes"):
        probe_shares(found[1:])


def test_figures_and_tables_hold_the_same_numbers() -> None:
    shares = {"bp": [[0.5, 0.6, 0.7], [0.7, 0.8, 0.9]], "al": [[0.1, 0.2, 0.3]]}
    figure, table = blocks_figure(shares, "t", chance=0.1), blocks_table(shares)
    assert figure.data[0].y == pytest.approx((60, 70, 80))
    assert figure.data[0].error_y.array == pytest.approx([100 * math.sqrt(0.02)] * 3)
    assert figure.data[2].y == (10, 10)
    assert table.to_numpy().tolist() == [
        ["BP", 2, "60.00 ± 14.14", "70.00 ± 14.14", "80.00 ± 14.14"],
        ["AL", 1, "10.00", "20.00", "30.00"],
    ]
    assert list(blocks_table({"al": [[0.5]]}, output=False)) == ["Method", "Seeds", "r_1 (%)"]
    probes, exits = {"early-exit": [0.5, 0.75]}, {"early-exit": [0.25, None, 1.0]}
    assert exits_figure(probes, exits).data[1].y == (25, None)
    assert exits_table(probes, exits)["r_2 (%)"].tolist() == ["75.00", "–"]
    states = {"a": [CodeState(0, (0.5, 0.01), 1), CodeState(1, (0.5, 0.25), 10)]}
    drawn = spreading_figure(states, {"a": [0.5]})
    assert [list(trace.y) for trace in drawn.data] == [[1, 25], [1, 10], [50]]
    assert spreading_table(states, {"a": [0.5]}).iloc[1].tolist() == ["25.00", "10", "50.0"]
    both = ({"tanh": [0.5, 0.1]}, {"tanh": [0.4, 0.2]})
    assert [list(trace.y) for trace in distances_figure(*both).data] == [[40, 20], [50, 10]]
    assert distances_table(*both)["t_2 (%)"].tolist() == ["10", "20"]
