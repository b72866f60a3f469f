"""Lesson 6: what its figures and tables say is so, and its checks know right from wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest
from support.made import made
from support.runs import tiny

from delog_nb import data, lab, train
from delog_nb.lab.lessons.projection_heads import head_parameters
from delog_nb.measure.invariance import Probe, probe_run
from delog_nb.records import record_of


def rows(*values: tuple[str, str, int, int, float]) -> pd.DataFrame:
    names = ["head", "features", "seed", "block", "accuracy"]
    return pd.DataFrame(values, columns=names).assign(task="flip", chance=0.5)


TWO_SEEDS = rows(
    ("mlp", "z", 0, 1, 0.6),
    ("mlp", "z", 0, 2, 0.7),
    ("mlp", "z", 1, 1, 0.8),
    ("mlp", "r", 0, 1, 0.9),
    ("mlp", "r", 0, 2, 0.8),
    ("mlp", "r", 1, 1, 0.7),
)


def test_differences_are_within_a_seed_and_over_common_blocks() -> None:
    (row,) = lab.differences_table(TWO_SEEDS, "features", "r", "z").to_dict("records")
    # seed 0: (0.3 + 0.1) / 2 = 0.2; seed 1: -0.1; deviation of 20 and -10: 21.2
    assert row["r minus z (points)"] == "+5.0 ± 21.2"
    assert (row["Seeds"], row["Verdict"]) == (2, "within noise")
    # two seeds: t = mean / (difference of both / 2) = 5 / 15, p = 1 - 2 atan(t) / pi
    assert float(row["p"]) == pytest.approx(1 - 2 * math.atan(5 / 15) / math.pi, abs=5e-4)
    one = TWO_SEEDS[TWO_SEEDS["seed"] == 0]
    (row,) = lab.differences_table(one, "features", "z", "r").to_dict("records")
    assert (row["z minus r (points)"], row["p"]) == ("-20.0", "–")
    assert row["Verdict"] == "one seed: no test"
    assert not len(lab.differences_table(TWO_SEEDS, "features", "z", "z0"))


def test_differences_near_guessing_are_called_that() -> None:
    near = TWO_SEEDS.assign(accuracy=0.5 + TWO_SEEDS["accuracy"] / 100)
    (row,) = lab.differences_table(near, "features", "r", "z").to_dict("records")
    assert row["Verdict"] == "both at guessing"


def test_lines_and_table_show_the_same_numbers() -> None:
    figure = lab.probe_lines_figure(TWO_SEEDS, "features", "title")
    lines = {trace.name.split(",")[0]: trace for trace in figure.data}
    assert list(lines) == ["r", "z", "guessing"]  # r first, whatever the order of the rows
    assert list(lines["z"].y) == pytest.approx([70, 70])
    assert list(lines["guessing"].y) == [50, 50]
    table = lab.probe_lines_table(TWO_SEEDS, "features")
    assert list(table["Block 1"]) == ["80.00 ± 14.14", "70.00 ± 14.14"]
    assert list(table["Block 2"]) == ["80.00", "70.00"]
    assert list(table["Guessing"]) == ["50.00", "50.00"]


def test_probes_made_now_are_drawn_like_recorded_ones() -> None:
    run = train(tiny(epochs=1))
    found = probe_run(run, data.load(run.experiment), 40, tasks=["flip"])
    frame = lab.probes_frame({"mlp": found, "linear": [replace(p, block=9) for p in found]})
    assert set(map(str, Probe.__annotations__)) < set(frame)
    assert len(frame) == 2 * len(found) == 2 * 12
    assert len(lab.probe_lines_figure(frame, "head", "t").data) == 3
    assert set(frame[frame["head"] == "linear"]["block"]) == {9}


def test_questions_show_the_changed_images() -> None:
    run = tiny()
    figure = lab.questions_figure(data.load(run), run)
    assert list(figure.layout.yaxis.ticktext) == ["image", "rotation", "flip", "colour"]
    table = lab.questions_table(10).set_index("Probe")
    assert table["Guessing (%)"].to_dict() == {
        "class": 10.0,
        "rotation": 25.0,
        "flip": 50.0,
        "colour": 50.0,
    }


def test_parameters_of_heads_are_counted_from_the_heads() -> None:
    run = train(tiny(epochs=1, pool=1))
    heads = [part.objective.get_submodule("head") for part in run.model.parts()[:-1]]
    count = sum(p.numel() for head in heads for p in head.parameters())
    assert head_parameters(record_of(run)) == count


def test_pooled_figure_and_table() -> None:
    runs = [
        replace(
            made(acc, seed=seed, pool=pool),
            results=made(acc).results | {"train_params": 10**size + 100, "inference_params": 100},
        )
        for pool, size, acc, seed in ((0, 6, 0.5, 0), (1, 3, 0.7, 0), (1, 3, 0.8, 1))
    ]
    figure = lab.pooled_figure(runs)
    assert [trace.name for trace in figure.data] == ["pooled to 1 × 1", "not pooled"]
    assert list(figure.data[0].x) == [1000, 1000]
    assert list(figure.data[1].y) == [50.0]
    table = lab.pooled_table(runs)
    assert list(table["Parameters of all heads"]) == ["1,000", "1,000,000"]
    assert list(table["Test accuracy (%)"]) == ["75.00 ± 7.07", "50.00"]


def test_sizes_are_those_of_the_authors_networks() -> None:
    table = lab.pooled_sizes_table([0, 1], dataset="cifar10").set_index("Net")
    # computed from the definitions of the authors' networks, see the parameter table
    assert table["Not pooled"].to_dict() == {
        "ConvNet": "33,560,576",
        "VGG": "57,677,824",
        "ResNet": "61,085,696",
    }
    channels = (32, 32, 64, 64)
    assert table.loc["ConvNet", "Pooled to 1 × 1"] == (
        f"{sum((c + 1) * 512 + 513 * 1024 for c in channels):,}"
    )
    assert table.loc["VGG", "The network itself"] == "11,938,294"
