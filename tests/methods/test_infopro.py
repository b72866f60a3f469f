"""InfoPro against values of the authors' code (blackfeather-wang/InfoPro-Pytorch), in float64."""

from __future__ import annotations

import pytest
import torch
from support.reference import LABELS, features, filled, images, loss_and_gradient
from support.runs import tiny
from torch import Tensor, nn

from delog_nb import Experiment, ExperimentError, check_method, methods
from delog_nb.components import Batch, Objective
from delog_nb.components.component import Terms, count_parameters
from delog_nb.experiment.registry import NETS
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.methods.delog_scl import ContrastiveObjective
from delog_nb.methods.early_exit import ExitObjective
from delog_nb.methods.infopro import Reconstruction, auxiliary, decoder
from delog_nb.training import local_losses


def aux(outputs: int) -> nn.Module:
    return filled(auxiliary((16, 8, 8), outputs, deepest=False))


def value(objective: Objective, h: Tensor) -> tuple[float, float]:
    loss = objective(h, Batch.of(LABELS, inputs=images()))
    assert isinstance(loss, Tensor)
    return loss_and_gradient(loss, h)


def test_the_decoder_and_its_cross_entropy() -> None:
    goal = Reconstruction(filled(decoder((8, 4, 4), (3, 8, 8))))
    assert value(goal, features(8, 4)) == pytest.approx((0.710118, 0.004441), abs=5e-7)


def test_both_losses_of_labels_and_the_local_loss() -> None:
    recon = Reconstruction(filled(decoder((16, 8, 8), (3, 8, 8))))
    contrast = ContrastiveObjective(aux(128), 0.07, "all")
    softmax = ExitObjective(aux(3))
    for goal, known in (
        (contrast, (1.610256, 0.002118)),
        (softmax, (1.098064, 0.001937)),
        (Terms([(5, recon), (0.5, contrast)]), (4.384724, 0.027373)),
        (Terms([(5, recon), (0.5, softmax)]), (4.128628, 0.026932)),
    ):
        assert value(goal, features(16, 8)) == pytest.approx(known, abs=5e-7)


def test_an_anchor_without_positives_counts_as_0_in_the_mean() -> None:
    means = features(8, 4).mean((2, 3)).detach().requires_grad_()
    flat = features(8, 4).flatten(1).detach().requires_grad_()
    lone = torch.tensor([0, 1, 2, 0, 1, 1])
    for z, labels, known in (
        (means, LABELS, (2.762462, 30.838975)),
        (means, lone, (3.388784, 18.473023)),
        (flat, LABELS, (2.365244, 1.003244)),
    ):
        loss = supervised_contrastive_loss(z, labels, 0.07, scaling="all")
        assert loss_and_gradient(loss, z) == pytest.approx(known, abs=5e-7)


@pytest.mark.parametrize(
    ("channels", "decoding", "contrast", "softmax"),
    [(16, 2_091, 25_408, 10_186), (32, 3_819, 43_392, 28_170), (64, 7_275, 61_824, 46_602)],
)
def test_parameters(channels: int, decoding: int, contrast: int, softmax: int) -> None:
    """Of the nets for each stage of a ResNet-32, whose deepest one has 64 channels."""
    shape = (channels, 8, 8)
    assert count_parameters(decoder(shape, (3, 32, 32)).parameters()) == decoding
    assert decoding == 108 * channels + 363
    for outputs, known in ((128, contrast), (10, softmax)):
        made = auxiliary(shape, outputs, deepest=channels == 64)
        assert count_parameters(made.parameters()) == known


def lambdas(count: int, **changes: object) -> list[tuple[float, float]]:
    """(lambda1, lambda2) of each local loss, read off what was built; 0 where there is no net."""
    found = []
    run = tiny(method="infopro", depth=16, components=count, **changes)
    for part in methods.build(run).parts()[:-1]:
        goal = part.objective
        assert isinstance(goal, Terms)
        of = {type(term): weight for weight, term in zip(goal.weights, goal.terms, strict=True)}
        label = ExitObjective if run.infopro_loss == "softmax" else ContrastiveObjective
        found.append((of.get(Reconstruction, 0), of.get(label, 0)))
    return found


def test_weights_go_in_a_straight_line_from_the_first_local_loss_to_the_last() -> None:
    assert lambdas(2) == [(5, 1)]
    assert lambdas(4) == [(6, 0), (3.5, 1), (1, 2)]
    assert lambdas(4, infopro_loss="softmax") == lambdas(4)
    assert sum(lambdas(8), ()) == pytest.approx(
        (5, 0, 25 / 6, 1 / 3, 20 / 6, 2 / 3, 15 / 6, 1, 10 / 6, 4 / 3, 5 / 6, 5 / 3, 0, 2)
    )
    assert lambdas(16)[0] == (5, 0.05)
    assert lambdas(16)[-1] == pytest.approx((0.2, 0.5))
    # where the paper has none: those of the next larger K, and of 16 beyond
    assert lambdas(3) == [(6, 0), (1, 2)]
    assert lambdas(17)[7] == pytest.approx((5 - 7 / 15 * 4.8, 0.05 + 7 / 15 * 0.45))
    mine = {"lambda1_first": 2, "lambda2_first": 1, "lambda1_last": 0}
    assert lambdas(4, **mine) == [(2, 1), (1, 1.5), (0, 2)]
    assert lambdas(2, lambda1_last=3) == [(5, 1)]  # the only local loss is the first one


def test_a_component_that_nothing_would_train_is_refused() -> None:
    run = tiny(method="infopro", lambda1_last=0, lambda2_last=0)
    with pytest.raises(ExperimentError, match="lambda1 and lambda2 of component 3 are both 0"):
        methods.build(run)


def test_the_last_block_is_trained_with_the_classifier() -> None:
    parts = methods.build(tiny(method="infopro")).parts()
    assert [len(part.layers) for part in parts] == [1, 1, 1, 2]
    assert parts[-1].objective.short == "CE"


def test_auxiliary_nets_double_the_width_but_in_the_deepest_stage() -> None:
    """ConvNet has 32, 32, 64, 64 channels after its blocks."""
    run = Experiment(preset="paper", method="infopro", components=5, lambda2_first=1)
    heads = [part.objective.projection_head() for part in methods.build(run).parts()[:-1]]
    convs = [head[0] for head in heads if isinstance(head, nn.Sequential)]
    assert [(c.in_channels, c.out_channels, c.stride[0]) for c in convs] == [
        (32, 64, 2), (32, 64, 2), (64, 64, 1), (64, 64, 1),
    ]  # fmt: skip


def test_under_autocast_the_reconstruction_is_compared_in_float32() -> None:
    goal = Reconstruction(decoder((8, 4, 4), (3, 8, 8)))
    h, x = features(8, 4).float(), images().float()
    with torch.autocast("cpu", torch.bfloat16):
        logits = goal.decoder(h)
        loss = goal(h, Batch.of(LABELS, inputs=x))
    assert (logits.dtype, loss.dtype) == (torch.bfloat16, torch.float32)
    p = logits.double().sigmoid()
    expected = -(x * p.log() + (1 - x) * (1 - p).log()).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("loss", ["contrast", "softmax"])
@pytest.mark.parametrize("net", NETS.own)
def test_it_keeps_what_every_method_promises(net: str, loss: str) -> None:
    assert check_method("infopro", net=net, width=0.1, infopro_loss=loss) == []
    assert check_method("infopro", net=net, width=0.1, cut="layer", infopro_loss=loss) == []


def test_grey_images_and_features_of_one_position() -> None:
    """As ResNet's pooling leaves them."""
    built = methods.build(tiny(method="infopro", net="resnet", width=0.1, components=5))
    x = torch.rand(4, 1, 16, 16)
    batch = Batch.of(torch.arange(2).repeat(2), inputs=x)
    made = list(local_losses(built.parts(), x, batch))
    assert made[3].r.shape[2:] == (1, 1)
    assert all(local.loss.isfinite() for local in made)
