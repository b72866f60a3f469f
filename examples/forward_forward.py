"""The Forward-Forward algorithm (Hinton, 2022) on the course's nets, data and seeds.

    python examples/forward_forward.py --seed 1

An image goes up with its label (positive) and with a wrong one (negative). Block l makes its
goodness G_l large for the one and small for the other, the squares of its features summed over
channels, as a mean over positions:

    L_l = mean softplus(C - G_l(positive)) + mean softplus(G_l(negative) - C),   C channels

Labels are channels of the image, one-hot. A block sees features of mean square 1, which do not tell
the goodness below. The answer is the label with the largest sum of G_2 ... G_H.

It is no component of delog_nb: a label is part of the input, so every image goes up twice in
training and once for each class to be classified, where a component's features are the image's.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from delog_nb import Experiment, data, nets
from delog_nb.cli.shared.flags import Parser, add_experiment_flags, experiment_values
from delog_nb.data import Views
from delog_nb.training import Batches, evaluating, learning_rate_factor


def labelled(images: Tensor, y: Tensor, classes: int) -> Tensor:
    """(N, C, H, W) with labels (N,) -> (N, C + classes, H, W)."""
    planes = F.one_hot(y, classes).to(images.dtype)[:, :, None, None]
    return torch.cat([images, planes.expand(-1, -1, *images.shape[2:])], 1)


def goodness(net: nets.Backbone, r: Tensor) -> Iterator[Tensor]:
    """G_1 - C_1 ... G_H - C_H (N,), each with a graph of its own block alone."""
    for block in net.blocks:
        r = block(r.detach())
        yield r.square().mean((2, 3)).sum(1) - r.shape[1]  # G_l - C
        r = r / r.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)


def backward(net: nets.Backbone, views: Tensor, y: Tensor) -> None:
    """Add to every block's gradient that of L_l on views (N, C, H, W) with labels (N,)."""
    wrong = (y + torch.randint_like(y, 1, net.classes)) % net.classes
    r = torch.cat([labelled(views, y, net.classes), labelled(views, wrong, net.classes)])
    for g in goodness(net, r):
        positive, negative = g.chunk(2)
        (F.softplus(-positive).mean() + F.softplus(negative).mean()).backward()  # L_l


def train(experiment: Experiment) -> float:
    """Test accuracy (0 to 1) after the last epoch."""
    images = data.load(experiment)
    torch.manual_seed(experiment.seed)
    (channels, *sides), classes = images.shape, len(images.classes)
    net = nets.build(experiment, (channels + classes, *sides), classes)
    adam = torch.optim.Adam(net.blocks.parameters())
    views = Views.of(experiment, images.mean, images.std)
    for epoch in range(experiment.epochs):
        adam.param_groups[0]["lr"] = experiment.lr * learning_rate_factor(experiment, epoch)
        batches = Batches(images.train, views, experiment.batch_size, epoch)
        for place, index in enumerate(batches.parts):
            adam.zero_grad()
            backward(net, batches.views(index), batches.batch(index, place).labels)
            adam.step()
    test, y = views.normalize(images.test.images), images.test.labels
    with evaluating(net):
        asked = (labelled(test, torch.full_like(y, k), classes) for k in range(classes))
        answers = torch.stack([sum([*goodness(net, r)][1:]) for r in asked]).argmax(0)
    return (answers == y).double().mean().item()


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    add_experiment_flags(parser, without={"method"})
    chosen = Experiment(method="bp", **experiment_values(parser.parse_args()))
    print(f"Forward-Forward, {chosen.net_label}, seed {chosen.seed}: test {train(chosen):.1%}")
