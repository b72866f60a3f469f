"""What lesson 2 measures, against something independent; and its exercises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from delog_nb.components import Batch
from delog_nb.measure.flows import (
    WEIGHTS,
    Stack,
    feature_gradients,
    flow_lengths,
    gradient_norms,
    layers_of,
    longest_path,
    peak_bytes,
    spread,
    stretch,
    trace,
)
from delog_nb.pipeline.schedule import Schedule, sequential_bp, table_1


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(16, 1, 16, 16), torch.arange(16) % 4


@pytest.mark.parametrize("components", [1, 2, 3, 5])
def test_flows_counted_in_the_graph_are_what_components_say(batch: Any, components: int) -> None:
    method = Stack(4).build(components)
    found = flow_lengths(method, *batch)
    assert [flow.local_gradients for flow in found] == [p.flow_length for p in method.parts()]


def test_eq_1_has_h_plus_2_factors_and_a_component_3_or_2(batch: Any) -> None:
    for depth in (1, 3, 9):
        whole = flow_lengths(Stack(depth).build(1), *batch)
        local = flow_lengths(Stack(depth).build(depth + 1), *batch)
        assert [flow.local_gradients for flow in whole] == [depth + 2]
        assert [flow.local_gradients for flow in local] == [3] * depth + [2]
        assert len({flow.nodes for flow in local[:-1]}) == 1  # independent of depth


def test_the_longest_way_is_found_among_several() -> None:
    w = torch.ones(3, requires_grad=True)
    loss = (w.exp().exp().exp() + w).sum()  # add, three times exp, the parameter
    assert longest_path(loss.grad_fn) == 5
    for _ in range(60):  # ways double each time, nodes do not
        w = w + w
    assert longest_path(w.sum().grad_fn) == 61


def test_a_stack_starts_from_the_same_layers_however_it_is_cut() -> None:
    for components in (2, 5):
        pairs = zip(
            layers_of(Stack(4).build(1)), layers_of(Stack(4).build(components)), strict=True
        )
        for one, other in pairs:
            for p, q in zip(one.parameters(), other.parameters(), strict=True):
                assert torch.equal(p, q)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weights_have_the_size_that_they_say(weights: str) -> None:
    block = layers_of(Stack(2, weights=weights, channels=40).build())[1]
    drawn = next(block.parameters())
    variance = {"PyTorch's": 1 / 3, "He's": 2.0, "twice He's": 8.0}[weights] / (9 * 40)
    assert drawn.var().item() == pytest.approx(variance, rel=0.05)
    if weights == "PyTorch's":
        default = nn.Conv2d(40, 40, 3, padding=1).weight
        assert drawn.var().item() == pytest.approx(default.var().item(), rel=0.05)


def test_the_trace_sees_the_gradients_of_plain_backpropagation(batch: Any) -> None:
    method = Stack(3).build()
    seen = trace(Stack(3).build(), *batch, steps=2)
    loss = cross_entropy(method.predict(batch[0]), batch[1])
    loss.backward()
    expected = [
        torch.cat([p.grad.flatten() for p in layer.parameters()]).norm().item()
        for layer in layers_of(method)
    ]
    assert seen.norms[0] == pytest.approx(expected, rel=1e-5)
    assert seen.losses[0] == pytest.approx(loss.item())
    assert seen.losses[1] < seen.losses[0]
    assert [len(norms) for norms in seen.norms] == [4, 4]


def test_the_trace_of_components_has_every_layer_and_the_last_loss(batch: Any) -> None:
    seen = trace(Stack(3).build(4), *batch, steps=1)
    method = Stack(3).build(4)
    first = method.parts()[0]
    first(batch[0], Batch.of(batch[1]))[2].backward()
    assert len(seen.norms[0]) == 4
    assert seen.norms[0][0] == pytest.approx(gradient_norms(list(first.layers))[0], rel=1e-5)
    output = cross_entropy(method.predict(batch[0]), batch[1]).item()  # one classifier, uncut
    assert seen.losses[0] == pytest.approx(output, rel=1e-5)


def test_tiny_gradients_have_a_length() -> None:
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.grad = torch.full((1, 2), 1e-30)  # its square is 0 in float32
    assert gradient_norms([layer]) == [pytest.approx(2**0.5 * 1e-30)]
    assert gradient_norms([nn.Linear(2, 1)]) == [0.0]


def test_feature_gradients_are_autograds(batch: Any) -> None:
    method = Stack(2).build()
    first, second, classifier = layers_of(method)
    r1 = first(batch[0]).detach().requires_grad_()
    cross_entropy(classifier(second(r1)), batch[1]).backward()
    found = feature_gradients(method, *batch)
    assert found[0] == pytest.approx(r1.grad.norm().item(), rel=1e-5)
    assert stretch(Stack(2), *batch) == pytest.approx(found[0] / found[1])


def test_gradients_vanish_and_explode_where_the_lesson_says(batch: Any) -> None:
    assert stretch(Stack(16, "sigmoid", weights="PyTorch's"), *batch) < 1e-9
    assert stretch(Stack(16, "ReLU", weights="PyTorch's"), *batch) < 1e-4
    assert 0.05 < stretch(Stack(16, "ReLU", weights="He's"), *batch) < 20
    assert 0.05 < stretch(Stack(16, "sigmoid", batch_norm=True), *batch) < 20
    assert stretch(Stack(16, "ReLU", weights="twice He's"), *batch) > 1e3


def test_batch_norm_makes_the_size_of_the_weights_irrelevant(batch: Any) -> None:
    sizes = [stretch(Stack(8, batch_norm=True, weights=name), *batch) for name in WEIGHTS]
    assert sizes == pytest.approx([sizes[0]] * len(sizes), rel=0.05)


def test_spread_is_0_for_equal_images_and_changes_no_statistics(batch: Any) -> None:
    method = Stack(3, batch_norm=True).build()
    before = {name: value.clone() for name, value in method.named_buffers()}
    images = batch[0]
    assert spread(method, images[:1].expand(8, -1, -1, -1)) == pytest.approx([0.0] * 4, abs=1e-3)
    assert all(0 < value <= 1 for value in spread(method, images))
    for name, value in method.named_buffers():
        assert torch.equal(value, before[name]), name


def test_peak_memory_of_bp_grows_with_depth_by_what_a_block_keeps(batch: Any) -> None:
    shallow, deep = (peak_bytes(Stack(depth).build(), *batch) for depth in (4, 8))
    features = 16 * 8 * 16 * 16 * 4  # images, channels, pixels, bytes
    weights = 3 * (8 * 8 * 9 + 8) * 4  # a block's, and Adam's two averages of them
    assert (deep - shallow) / 4 == pytest.approx(features + weights, rel=0.1)
    assert peak_bytes(Stack(8).build(9), *batch) > deep  # few images: heads outweigh features
    many = batch[0].repeat(4, 1, 1, 1), batch[1].repeat(4)
    assert peak_bytes(Stack(8).build(9), *many) < peak_bytes(Stack(8).build(), *many)


def waits(schedule: Schedule) -> list[float]:
    """Time between each layer's forward pass on the first batch and its backward pass on it."""
    first = {(t.stage, t.kind): t for t in schedule.tasks if t.batch == 0}
    return [
        first[layer, "backward"].start - first[layer, "forward"].end
        for layer in range(schedule.stages)
    ]


def test_layers_wait_for_their_gradients_in_bp_alone() -> None:
    for layers, backward in ((1, 1), (4, 1), (5, 2)):
        whole = sequential_bp([1] * layers, [backward] * layers, 3)
        cut = table_1([1 + backward] * layers, 3)
        assert waits(whole) == [(layers - k) * (1 + backward) for k in range(1, layers + 1)]
        assert {task.kind for task in cut.tasks} == {"task"}  # forward and backward at once
        assert 1 - whole.bubble == pytest.approx(1 / layers)  # one machine at a time
        assert cut.makespan == (3 + layers - 1) * (1 + backward)  # Table 1


def test_cutting_changes_every_layers_gradient_but_the_classifiers(batch: Any) -> None:
    whole, cut = (trace(Stack(3).build(k), *batch, steps=1).norms[0] for k in (1, 4))
    assert cut[-1] == pytest.approx(whole[-1], rel=1e-5)
    assert all(abs(a / b - 1) > 0.01 for a, b in zip(cut[:-1], whole[:-1], strict=True))
