"""How long gradient flows are, counted in autograd's graph."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from delog_nb.measure.flows import Stack, flow_lengths, layers_of, longest_path


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


def test_a_stacks_weights_are_hes() -> None:
    drawn = next(layers_of(Stack(2, channels=40).build())[1].parameters())
    assert drawn.var().item() == pytest.approx(2 / (9 * 40), rel=0.05)
