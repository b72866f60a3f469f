"""Lesson 8: what it measures and draws is so, and its checks know right from wrong."""

from __future__ import annotations

import base64
import itertools
import math
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.browser import chromium
from support.played import at, opened, status, watched
from support.runs import ROOT, tiny
from torch import nn

from delog_nb import data, methods
from delog_nb.components import Batch
from delog_nb.components.component import count_parameters
from delog_nb.course import COMPARED
from delog_nb.experiment import ExperimentError
from delog_nb.experiment.registry import METHODS
from delog_nb.lab.charts.played import Played
from delog_nb.lab.charts.style import method_style
from delog_nb.lab.lessons.local_objectives import associated, codes_in_motion, probe_shares
from delog_nb.lab.runs.recorded import recorded
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
        for name in ("f", "b", "enc", "inv"):
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
    shares = probe_shares(runs, 40)
    assert list(shares) == ["BP", "Early Exit"]
    assert shares["BP"] == {"r₁": [0.0, 0.1], "r₂": [0.5, 0.5], "prediction": own}
    assert shares["Early Exit"]["prediction"] == [early.results["test_acc"]]
    assert probe_shares([first], 80) == {}
    with pytest.raises(ExperimentError, match="none of these 1 runs has probes"):
        probe_shares([without], 40)


LABELS = [k % 4 for k in range(20)]


@pytest.fixture(scope="module")
def ways() -> dict[str, torch.Tensor]:
    """Two epochs, three blocks, twenty images and four codes of six numbers."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(2, 3, 24, 6, generator=generator)
    return {"AL, tanh": spread, "AL, sigmoid": spread / 50}


@pytest.fixture(scope="module")
def shown(ways: dict[str, torch.Tensor]) -> Played:
    made = codes_in_motion(ways, LABELS, "Codes")
    assert isinstance(made, Played)
    return made


def places(shown: Played, name: str) -> np.ndarray:
    (way,) = (way for way in shown.data["ways"] if way["name"] == name)
    return np.frombuffer(base64.b64decode(way["codes"]), np.int8).reshape(2, 3, 24, 2)


def test_codes_and_images_are_drawn_in_one_unit(shown: Played) -> None:
    """The row whose points are fifty times as near lies in the middle of its panels."""
    wide, near = places(shown, "AL, tanh"), places(shown, "AL, sigmoid")
    inside = abs(wide) < 127  # a few stand at the edge
    assert 0.95 < inside.mean() < 1
    assert abs(near.astype(int) * 50 - wide)[inside].max() <= 25  # half a step of the drawing


def test_the_number_below_a_panel_is_the_distance_of_the_codes(
    shown: Played, ways: dict[str, torch.Tensor]
) -> None:
    for way in shown.data["ways"]:
        moved = ways[way["name"]]
        for epoch, block in itertools.product(range(2), range(3)):
            found = 100 * distance(moved[epoch, block, 20:])
            assert way["separation"][epoch][block] == pytest.approx(found, abs=0.006)
            column = f"{way['name']}: t{'₁₂₃'[block]} (%)"
            assert shown.table[column][epoch] == pytest.approx(found)
    assert shown.data["labels"] == [*LABELS, 0, 1, 2, 3]
    assert len(shown.data["images"]) == 20
    assert {way["color"] for way in shown.data["ways"]} == {method_style("al")["color"]}


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_codes_move_and_have_rings(shown: Played, theme: str, tmp_path: Path) -> None:
    with chromium(offline=True) as page, watched(page):
        opened(page, shown, tmp_path, theme)
        assert page.locator(".goal").count() == 2 * 3 * 4
        assert page.locator(".point:not(.goal)").count() == 2 * 3 * 20
        before = page.locator(".goal").first.evaluate("node => node.style.transform")
        at(page, "epoch").focus()
        page.keyboard.press("Home")
        tanh, sigmoid = (way["separation"][0][2] for way in shown.data["ways"])
        assert status(page) == (
            f"Before training: the distance of codes t₃ of two classes, in % of their range: "
            f"AL, tanh: {tanh:.2f}; AL, sigmoid: {sigmoid:.2f}."
        )
        assert page.locator(".goal").first.evaluate("node => node.style.transform") != before
        at(page, "image-back").click(click_count=2)  # the first image, and the last
        assert status(page).endswith("Image 19 is of class 3; a ring marks it.")


CHOICES = ("tanh, fast", "tanh, slow", "sigmoid, fast")
LESSON = ROOT / "notebooks" / "solutions" / "08_local_objectives.ipynb"


@pytest.fixture(scope="module")
def told() -> str:
    """All that the stored lesson prints."""
    cells = nbformat.read(LESSON, as_version=4).cells
    outputs = [o for c in cells if c.cell_type == "code" for o in c.outputs]
    return "".join(o.get("text", o.get("data", {}).get("text/plain", "")) + "\n" for o in outputs)


def numbers(pattern: str, text: str) -> list[float]:
    found = re.findall(pattern, text)
    assert found, pattern
    return [float(number) for number in found]


def test_the_smallest_loss_is_that_of_the_worst_network(told: str) -> None:
    losses = numbers(r"A₄ \+ R₄ of the last batch is ([\d.]+)", told)
    assert losses[2] < min(losses[:2]) / 100
    assert losses[1] == pytest.approx(losses[0], rel=0.1)  # "nearly the same loss"
    assert "It came out: lowest (tanh, fast: " in told
    fast, slow, sigmoid = (numbers(rf"{n}: ([\d.]+) %", told)[0] for n in CHOICES)
    assert fast > 2 * slow > 2 * sigmoid
    shares = numbers(r"A₄ \S+, blind \S+: ([\d.]+) times", told)
    assert max(shares[:2]) < 0.7  # these have learned something
    assert shares[2] > 1  # "worse than blind"


def test_accuracy_waits_for_the_codes(told: str) -> None:
    when = r"(no epoch|epoch \d+)"
    lines = re.findall(f"two classes come back in {when}, twice .* in {when}", told)
    assert [line[0].split()[0] for line in lines] == ["epoch", "epoch", "no"]
    for came, rose in lines:
        assert came.split()[0] == rose.split()[0]
        assert came == "no epoch" or int(came.split()[1]) <= int(rose.split()[1])
    assert numbers(r"sigmoid, fast: ([\d.]+) %", told)[0] > 12  # "ends above chance, though"


def test_ours_and_the_packages_codes_are_the_same(told: str) -> None:
    assert max(numbers(r"differ by (\S+) of their size", told)) < 1e-3
    assert max(numbers(r"difference from the package's losses (\S+)", told)) == 0


def test_a_forgotten_detach_gives_a_smaller_loss_and_a_worse_network(told: str) -> None:
    losses = numbers(r"last loss ([\d.]+)", told)
    rights = numbers(r"([\d.]+) % of test images right", told)
    near = numbers(r"codes t₄ ([\d.]+) % of their range", told)
    assert losses[1] < losses[0]
    assert near[1] < near[0]
    assert rights[1] < rights[0] / 2


def test_codes_that_nobody_learned_do_better_here(told: str) -> None:
    fixed, learned = (
        [float(hits) for hits in line.split(", ")]
        for line in re.findall(r"(?:fixed|learned) codes, by epoch \(%\): (.*)", told)
    )
    assert fixed[-1] > learned[-1]
    assert fixed[1] > learned[1] + 10  # from the second epoch on
    assert max(fixed[0], learned[0]) < 15  # "After one epoch both are at chance"


def test_the_first_block_alone_does_as_well_as_all_four(told: str) -> None:
    rights = numbers(r"turning around after block \d: ([\d.]+) %", told)
    assert len(rights) == 4
    assert rights[0] > rights[3] - 2


def test_probes_of_few_images_are_the_bottleneck_and_those_of_many_are_not(told: str) -> None:
    read = numbers(r"a probe reads ([\d.]+) % from r₄", told)
    (own,) = numbers(r"BP itself predicts ([\d.]+) %", told)
    assert read == sorted(read)
    assert read[1] < own < read[-1]


def test_probed_runs_saw_as_many_images_as_the_text_says() -> None:
    for record in recorded("probes/convnet").records:
        run = record.experiment
        assert (run.limit, run.limit * (1 - run.val_fraction)) == (20_000, 18_000)


def test_local_methods_fall_behind_in_the_later_blocks(told: str) -> None:
    """As the text says of the recorded runs, however many there are."""
    assert "It came out: in blocks 2 to 4 (points: " in told
    lines = re.findall(r"(.+): r₁ ([\d.]+) %, to r₄ (\S+) points, to the prediction (\S+)", told)
    found = {name: tuple(map(float, numbers)) for name, *numbers in lines}
    assert found["BP"][1] > 2  # "BP's blocks add"
    for name in set(found) - {"BP"}:
        assert found[name][1] < 1  # "those of the local methods do not"
        assert found[name][2] < 0  # "every network says less than the probe reads"
        assert found[name][0] > found["BP"][0] - 4  # "nearly as much from it as from BP's"
    assert found["AL"][0] > found["BP"][0]
    fewer = re.findall(
        r"by probes that are fitted to ([\d,]+) images: in the first block (\S+); "
        r"in blocks 2 to 4 (\S+); on the way out (\S+)",
        told,
    )
    assert [size for size, *_ in fewer] == ["500", "2,000", "8,000"]
    for _, *points in fewer:  # "by probes of fewer images too"
        first, middle, out = map(float, points)
        assert middle < 2 * min(first, out)
    assert found["BP"][2] < 0
