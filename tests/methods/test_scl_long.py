"""SCL, one flow: the loss and the gradients of all of Delog-SCL's losses, by plain PyTorch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from support.runs import narrow, tiny
from torch import Tensor

from delog_nb import methods
from delog_nb.components import Batch


def contrast(z: Tensor, labels: Tensor, tau: float = 0.1) -> Tensor:
    """Eq. 2 by loops."""
    z = F.normalize(z.flatten(1), dim=1)
    losses = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        positives = [p for p in others if labels[p] == labels[i]]
        if positives:
            below = torch.stack([z[i] @ z[a] / tau for a in others]).exp().sum()
            losses.append(-sum((z[i] @ z[p] / tau).exp().div(below).log() for p in positives)
                          / len(positives))  # fmt: skip
    return torch.stack(losses).mean()


@pytest.mark.parametrize("net", ["convnet", "vgg", "resnet"])
def test_every_loss_goes_through_all_blocks_up_to_its_own(net: str) -> None:
    torch.manual_seed(0)
    method = methods.build(tiny(method="scl-long", net=net, width=narrow(net))).double().eval()
    (part,) = method.parts()
    images = torch.rand(8, 1, 16, 16, dtype=torch.float64)
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 3, 4])

    r, by_hand = images, []
    for place, layer in enumerate(part.layers, 1):
        r = layer(r)
        if place < len(part.layers):
            head = part.inside[str(place)].projection_head()
            by_hand.append(contrast(head(r), labels))
    total = torch.stack([*by_hand, F.cross_entropy(r, labels)]).sum()
    assert len(by_hand) == len(part.layers) - 1
    wanted = torch.autograd.grad(total, list(method.parameters()), allow_unused=True)

    _, _, loss = part(images, Batch.of(labels))
    assert loss.item() == pytest.approx(total.item(), rel=1e-10)
    loss.backward()
    for parameter, gradient in zip(method.parameters(), wanted, strict=True):
        assert gradient is not None
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-8, atol=1e-12)


def test_it_has_the_parameters_of_delog_scl() -> None:
    one, cut = (methods.build(tiny(method=name)) for name in ("scl-long", "delog-scl"))
    shapes = [sorted(tuple(p.shape) for p in m.parameters()) for m in (one, cut)]
    assert shapes[0] == shapes[1]
    assert len(one.affiliated_parameters()) == len(cut.affiliated_parameters()) > 0
