"""Where each loss's gradient goes: against loops in float64, and counted by hand."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from support.runs import tiny
from torch import Tensor, nn

from delog_nb import data, methods
from delog_nb.components import Method
from delog_nb.data import Views
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS
from delog_nb.measure.paths import LocalLoss, every_cut, paths
from delog_nb.training import Batches

LAYERS = ("f1", "f2", "f3", "f4", "classifier")


def first_batch(run: Experiment) -> tuple[Tensor, Tensor]:
    images = data.load(run)
    views = Views.of(run, images.mean, images.std)
    batches = Batches(images.train, views, run.batch_size, 0)
    index = batches.parts[0]
    return batches.views(index).double(), images.train.labels[index].repeat(2)


def contrast(z: Tensor, labels: Tensor, tau: float = 0.1) -> Tensor:
    """Eq. 2, anchor by anchor."""
    z = F.normalize(z)
    losses = []
    for i in range(len(z)):
        logits = torch.cat([z[:i], z[i + 1 :]]) @ z[i] / tau
        alike = torch.cat([labels[:i], labels[i + 1 :]]) == labels[i]
        if alike.any():
            losses.append(-logits.log_softmax(0)[alike].mean())
    return torch.stack(losses).mean()


def lengths(loss: Tensor, modules: dict[str, nn.Module]) -> dict[str, float]:
    """By name those that a backward pass of the loss leaves a gradient in."""
    for module in modules.values():
        module.zero_grad()
    loss.backward(retain_graph=True)
    squares = {
        name: [p.grad.square().sum() for p in module.parameters() if p.grad is not None]
        for name, module in modules.items()
    }
    return {name: math.sqrt(sum(found)) for name, found in squares.items() if found}


def built(run: Experiment) -> tuple[Method, dict[str, nn.Module]]:
    method = methods.build(run).double()
    return method, dict(zip(LAYERS, (m for part in method.parts() for m in part.layers)))  # noqa: B905


def seen(found: list[LocalLoss]) -> dict[str, object]:
    return {loss.name: pytest.approx(loss.norms, rel=1e-4) for loss in found}


def test_one_flow_reaches_everything() -> None:
    run = tiny(method="bp")
    method, modules = built(run)
    views, labels = first_batch(run)
    loss = F.cross_entropy(method.predict(views), labels)
    assert {"CE": lengths(loss, modules)} == seen(paths(run, data.load(run)).losses)


def local_losses(
    method: Method, modules: dict[str, nn.Module], run: Experiment
) -> Iterator[Tensor]:
    """Delog-SCL's, from one detached component to the next."""
    r, labels = first_batch(run)
    for number, part in enumerate(method.parts(), 1):
        r = part.layers(r.detach())
        if number < 5:
            modules[f"head{number}"] = part.objective.get_submodule("head")
            yield contrast(modules[f"head{number}"](r), labels)
        else:
            yield F.cross_entropy(r, labels)


def test_a_contrastive_loss_reaches_its_block_and_its_head() -> None:
    run = tiny(method="delog-scl")
    method, modules = built(run)
    expected = {
        name: lengths(loss, modules)
        for name, loss in zip(
            ("SCL1", "SCL2", "SCL3", "SCL4", "CE5"),
            local_losses(method, modules, run),
            strict=True,
        )
    }
    assert set(expected["SCL2"]) == {"f2", "head2"}
    assert expected == seen(paths(run, data.load(run)).losses)


@pytest.mark.parametrize("code", ["0101", "0000", "1100"])
def test_a_chosen_cut_reaches_down_to_the_cut(code: str) -> None:
    run = tiny(method="delog-scl")
    method, modules = built(run)
    r, labels = first_batch(run)
    expected = {}
    for number, (part, cut) in enumerate(zip(method.parts(), code + "1", strict=True), 1):
        r = part.layers(r)
        if cut == "1" and number < 5:
            modules[f"head{number}"] = part.objective.get_submodule("head")
            expected[f"SCL{number}"] = contrast(modules[f"head{number}"](r), labels)
            r = r.detach()
    expected["CE5"] = F.cross_entropy(r, labels)
    found = every_cut(run, data.load(run))
    assert len(found) == 16
    own = {name: lengths(loss, modules) for name, loss in expected.items()}
    assert own == seen(found[code].losses)


def test_with_no_cut_at_all_it_is_bp() -> None:
    run = tiny(method="delog-scl")
    (alone,) = every_cut(run, data.load(run))["0000"].losses
    (bp,) = paths(run.but(method="bp"), data.load(run)).losses
    assert (alone.norms, alone.name, bp.name) == (bp.norms, "CE5", "CE")


def test_target_codes_learn_beside_the_block_and_decoders_predict() -> None:
    run = tiny(method="al")
    found = paths(run, data.load(run))
    for number, loss in enumerate(found.losses, 1):
        names = {f"{name}{number}" for name in ("encoder", "decoder", "bridge")}
        assert {module.name: module.reads for module in loss.modules} == {
            name: "gradient" if "bridge" in name else "" for name in names
        }
        assert set(loss.norms) == names | {f"f{number}"}
    down = ["bridge4", "decoder4", "decoder3", "decoder2", "decoder1"]
    assert found.prediction == ["f1", "f2", "f3", "f4", *down]
    used = {module.name for loss in found.losses for module in loss.modules if module.used}
    assert used == set(down)


def test_an_exit_that_only_reads_reaches_no_block() -> None:
    run = tiny(method="scl-exit")
    found = paths(run, data.load(run)).losses
    exits = [loss for loss in found if loss.name.startswith("exit")]
    assert [set(loss.norms) for loss in exits] == [{f"exit{k}"} for k in range(1, 5)]
    assert {loss.modules[0].reads for loss in exits} == {"values"}
    taught = paths(run.but(exit_gradient=True), data.load(run)).losses
    assert {"exit1", "f1"} == set(next(x for x in taught if x.name == "exit CE1").norms)


def test_losses_inside_one_flow_reach_down_to_the_first_block() -> None:
    run = tiny(method="scl-long")
    found = paths(run, data.load(run))
    assert found.components == [[1, 2, 3, 4, 5]]
    assert [{n for n in loss.norms if n in LAYERS} for loss in found.losses] == [
        {*LAYERS[:k]} for k in range(1, 6)
    ]


@pytest.mark.parametrize("name", METHODS.own)
def test_no_method_reaches_out_of_a_component(name: str) -> None:
    run = tiny(method=name, batch_size=16)
    found = paths(run, data.load(run))
    numbers = {layer.name: number for number, layer in enumerate(found.layers, 1)}
    method = methods.build(run)
    affiliated = sum(p.numel() for p in method.affiliated_parameters())
    modules = [module for loss in found.losses for module in loss.modules]
    assert sum(m.parameters for m in modules if not m.used) == affiliated
    for own in found.components:
        reached = {
            numbers[name]
            for loss in found.losses
            if loss.layer in own
            for name in loss.norms
            if name in numbers
        }
        assert reached == set(own)


def test_what_is_kept_is_what_the_layers_derivatives_need() -> None:
    """Of a convolution its input, of BatchNorm its input and statistics, of ReLU its output."""
    run = tiny(method="delog-scl")
    found = paths(run, data.load(run)).kept
    views, _ = first_batch(run)
    convolutions = [m for m in built(run)[1]["f1"].modules() if isinstance(m, nn.Conv2d)]
    r, floats = views, views.numel()
    for convolution in convolutions:
        r = convolution(r)
        floats += 2 * r.numel() + 2 * convolution.out_channels
    assert len(convolutions) == 2
    assert found["f1"] == 4 * floats


def test_not_every_method_is_cut_by_hand() -> None:
    for name, words in (("al", "predicts in a way of its own"), ("bp", "after every layer")):
        run = tiny(method=name)
        with pytest.raises(ValueError, match=words):
            every_cut(run, data.load(run))


def test_nothing_of_a_step_stays_in_memory() -> None:
    """Large tensors, also those of cycles that only the garbage collector could end, are gone."""
    run = tiny(method="delog-scl", batch_size=64)
    images = data.load(run)

    def held() -> int:
        gc.collect()
        found = {
            t.data_ptr(): t.untyped_storage().nbytes() for t in gc.get_objects() if is_tensor(t)
        }
        return sum(found.values())

    def is_tensor(thing: object) -> bool:
        return type(thing) is Tensor and thing.device.type == "cpu"

    before = held()
    every_cut(run, images)
    assert held() - before < 10**5
