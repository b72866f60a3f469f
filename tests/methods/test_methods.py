from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.runs import EACH, narrow, tiny
from torch import Tensor, nn

from delog_nb import methods
from delog_nb.components import Batch
from delog_nb.components.component import Method, cut
from delog_nb.experiment.registry import METHODS, NETS
from delog_nb.training import local_losses, make_optimizers, train_step
from delog_nb.training.randomness import Draws


def built(method: str, net: str = "convnet", **changes: object) -> Method:
    return methods.build(tiny(method=method, net=net, width=narrow(net), **changes))


def batch(count: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 1, 16, 16, generator=generator)
    return images, torch.randint(0, 10, (count,), generator=generator)


def told_of(images: Tensor, labels: Tensor) -> Batch:
    """With all that an objective can need."""
    return Batch.of(labels, inputs=images.sigmoid())


def step(method: Method, optimizers: list[Any], images: Tensor, labels: Tensor) -> list[Tensor]:
    flow = local_losses(method.parts(), images, told_of(images, labels))
    return train_step(method.parts(), optimizers, flow)[2]


@pytest.mark.parametrize(("name", "net"), EACH)
def test_a_components_loss_reaches_no_other_component(name: str, net: str) -> None:
    method = built(name, net)
    images, labels = batch()
    r, told = images, told_of(images, labels)
    for place, component in enumerate(method.parts()):
        r, told, loss = component(r.detach(), told)
        method.zero_grad(set_to_none=True)
        loss.backward()
        for other, inner in enumerate(method.parts()):
            gradients = [p.grad for p in inner.parameters()]
            if other == place:
                assert all(g is not None for g in gradients)
            else:
                assert all(g is None for g in gradients), (place, other)


@pytest.mark.parametrize(("name", "net"), EACH)
def test_backward_by_component_equals_one_backward_of_the_sum(name: str, net: str) -> None:
    one, other = built(name, net).double(), built(name, net).double()
    images, labels = batch()
    told, draws = told_of(images.double(), labels), Draws(0, images.device)
    for made in local_losses(one.parts(), images.double(), told, draws=draws):
        made.loss.backward()
    flow = local_losses(other.parts(), images.double(), told, draws=draws)
    sum(made.loss for made in flow).backward()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize(("name", "net"), EACH)
def test_affiliated_parameters_change_no_prediction(name: str, net: str) -> None:
    method = built(name, net).eval()
    images, _ = batch()
    before = method.predict(images)
    with torch.no_grad():
        for parameter in method.affiliated_parameters():
            parameter.fill_(torch.nan)
    assert torch.equal(method.predict(images), before)
    with torch.no_grad():  # while each effective one takes part
        for parameter in method.effective_parameters():
            kept = parameter.clone()
            parameter.fill_(torch.nan)
            assert method.predict(images).isnan().any()
            parameter.copy_(kept)


@pytest.mark.parametrize("name", METHODS)
def test_a_step_changes_every_parameter_and_evaluation_none(name: str) -> None:
    method = built(name)
    before = [p.clone() for p in method.parameters()]
    images, labels = batch()
    step(method, make_optimizers(method, tiny(method=name)), images, labels)
    after = [p.clone() for p in method.parameters()]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    method.eval()
    method.predict(images)
    assert all(torch.equal(a, p) for a, p in zip(after, method.parameters(), strict=True))


@pytest.mark.parametrize("net", NETS)
def test_bp_is_plain_pytorch_training(net: str) -> None:
    """Weight for weight after 3 steps of the same nn.Sequential, loss and Adam."""
    run = tiny(method="bp", net=net, width=narrow(net))
    method = methods.build(run)
    plain: nn.Module = copy.deepcopy(method.parts()[0].layers)
    optimizers = make_optimizers(method, run)
    adam = torch.optim.Adam(plain.parameters(), lr=run.lr, fused=True)
    images, labels = batch()
    for _ in range(3):
        step(method, optimizers, images, labels)
        adam.zero_grad()
        F.cross_entropy(plain(images), labels).backward()
        adam.step()
    for a, b in zip(method.parameters(), plain.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["delog-scl", "early-exit", "infopro"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_cutting_into_any_number_of_components(name: str, count: int) -> None:
    method = built(name, components=count)
    sizes = [len(c.layers) for c in method.parts()]
    assert len(sizes) == count
    assert sum(sizes) == 5
    assert max(sizes) - min(sizes) <= 1
    images, labels = batch()
    losses = step(method, make_optimizers(method, tiny(method=name)), images, labels)
    assert all(loss.isfinite() for loss in losses)


@pytest.mark.parametrize("name", ["delog-scl", "early-exit", "infopro"])
def test_one_component_is_bp(name: str) -> None:
    """The single long gradient flow of Fig. 4."""
    one, bp = built(name, components=1), built("bp")
    images, labels = batch()
    for method in (one, bp):
        step(method, make_optimizers(method, tiny(method="bp")), images, labels)
    for a, b in zip(one.parameters(), bp.parameters(), strict=True):
        assert torch.equal(a, b)


def test_gradient_flow_lengths_are_those_of_the_paper() -> None:
    """H + 2 for BP (section 2.1); 3 for f_l, 2 for the output layer (Eq. 4, 5), whatever H is."""
    for depth in (2, 4, 9):
        assert [c.flow_length for c in built("bp", depth=depth).parts()] == [depth + 2]
        assert [c.flow_length for c in built("delog-scl", depth=depth).parts()] == [3] * depth + [2]


def test_cut_refuses_what_cannot_be() -> None:
    for count in (0, 6):
        with pytest.raises(ValueError, match=f"cannot cut 5 layers into {count} components"):
            cut([nn.Identity()] * 5, count)


def test_building_depends_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = built("delog-scl")
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    two, three = built("delog-scl"), built("delog-scl", seed=5)
    first = [next(m.parameters()) for m in (one, two, three)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_al_by_hand() -> None:
    """Local losses and prediction of associated learning, written out for two blocks."""
    method = built("al", depth=2)
    x, y = batch()
    one, two = (c.objective for c in method.parts())
    t0 = F.one_hot(y, 10).float()
    t1 = one.encoder(t0)
    t2 = two.encoder(t1.detach())
    r1 = method.parts()[0].layers(x)
    r2 = method.parts()[1].layers(r1)
    expected = [
        ((one.bridge(r1) - t1) ** 2).mean() + ((one.decoder(t1) - t0) ** 2).mean(),
        ((two.bridge(r2) - t2) ** 2).mean() + ((two.decoder(t2) - t1) ** 2).mean(),
    ]
    method.eval()
    prediction = one.decoder(
        two.decoder(two.bridge(method.parts()[1].layers(method.parts()[0].layers(x))))
    )
    torch.testing.assert_close(method.predict(x), prediction)
    method.train()
    losses = step(method, make_optimizers(method, tiny(method="al")), x, y)
    torch.testing.assert_close(torch.stack(losses), torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_al_gives_encoders_and_decoders_their_own_learning_rate() -> None:
    run = tiny(method="al", lr=1e-3, al_lr=5e-2)
    for component, optimizer in zip(
        (method := methods.build(run)).parts(), make_optimizers(method, run), strict=True
    ):
        slow, fast = optimizer.param_groups
        assert (slow["lr"], fast["lr"]) == (1e-3, 5e-2)
        objective = component.objective
        expected = {*objective.encoder.parameters(), *objective.decoder.parameters()}
        assert set(fast["params"]) == expected


def test_building_on_several_threads_at_once_gives_each_its_seed() -> None:
    def weights(seed: int) -> Tensor:
        return torch.cat([p.flatten() for p in built("delog-scl", seed=seed).parameters()])

    expected = [weights(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            found = pool.map(weights, range(4))
            assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
