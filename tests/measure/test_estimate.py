from __future__ import annotations

from pathlib import Path

import pytest
from support.runs import tiny
from torch import nn

from delog_nb import methods, records
from delog_nb.experiment import Experiment
from delog_nb.grids import expectation

BATCHES = 2 * 6  # epochs; 180 of 200 images, the rest validate, in batches of 32


def test_steps_count_their_operations_forward_and_backward() -> None:
    """BP on the ConvNet: every convolution and matrix product once forward, twice backward."""
    experiment = tiny(method="bp", net="convnet", batch_size=1)
    side, by_hand, first = 16, 0, 0
    for layer in methods.build(experiment).modules():
        if isinstance(layer, nn.Conv2d):
            side //= layer.stride[0]
            by_hand += 3 * 2 * layer.weight.numel() * side**2
            first = first or 2 * layer.weight.numel() * side**2
        elif isinstance(layer, nn.Linear):
            by_hand += 3 * 2 * layer.weight.numel()
    by_hand -= first  # images get no gradient
    assert expectation.step_flops(experiment) == 2 * by_hand  # two views
    assert expectation.step_flops(experiment.model_copy(update={"batch_size": 5})) == 10 * by_hand


def test_a_record_tells_what_others_of_its_kind_take(tmp_path: Path) -> None:
    run = tiny(method="bp", epochs=1)
    record = records.train_once(run, tmp_path)
    assert record is not None
    epoch = record.results["sec_per_epoch"] + record.results["eval_sec_per_epoch"]
    others = [tiny(method="bp", epochs=3, seed=seed) for seed in (1, 2)]
    found = expectation.expected_seconds(others, [record], notebook=False)
    assert found == pytest.approx(6 * epoch)
    with_notebooks = expectation.expected_seconds(others, [record])
    assert with_notebooks == pytest.approx(found + 2 * expectation.NOTEBOOK_SECONDS)


def test_the_cheapest_of_each_net_is_timed_unless_it_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = {net: tiny(method="bp", net=net, width=0.125) for net in ("convnet", "vgg", "resnet")}
    dear = tiny(method="bp", net="convnet", width=0.25)
    cost = {net: expectation.step_flops(run) for net, run in runs.items()}
    assert cost["convnet"] < cost["resnet"] < cost["vgg"]
    timed: list[Experiment] = []

    def seconds(experiment: Experiment) -> float:
        timed.append(experiment)
        return {"convnet": 0.01, "resnet": 1.9}[experiment.net]

    monkeypatch.setattr(expectation, "_step_seconds", seconds)
    monkeypatch.setattr(expectation, "_MOST_SECONDS", 1.9 * cost["vgg"] / cost["resnet"] - 0.01)
    found = expectation.expected_seconds([runs["vgg"], dear, *runs.values()], notebook=False)
    assert timed == [runs["convnet"], runs["resnet"]]
    per_step = 0.01 * (1 + expectation.step_flops(dear) / cost["convnet"])
    per_step += 1.9 * (1 + 2 * cost["vgg"] / cost["resnet"])
    assert found == pytest.approx(BATCHES * per_step)
