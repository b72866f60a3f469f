"""Direct feedback alignment (Nøkland, 2016) on the course's nets, data and seeds.

    python examples/dfa.py --seed 1

Block l is told the error of the output through a fixed random matrix B_l, not by the blocks above:

    e = softmax(f_{H+1}(r_H)) - onehot(y),   gradient of r_l := B_l e

It is no component of delog_nb: what a block learns from is the error of the whole network's output,
so it has no loss of its own and has to wait for the last block's answer.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from delog_nb import Experiment, data, nets
from delog_nb.cli.shared.flags import Parser, add_experiment_flags, experiment_values
from delog_nb.data import Views
from delog_nb.training import Batches, evaluating, learning_rate_factor


def feedback(net: nets.Backbone) -> list[Tensor]:
    """B_1 ... B_H (classes, entries of r_l), of variance 1 / classes."""
    sizes = [torch.Size(shape).numel() for shape in net.shapes]
    return [torch.randn(net.classes, size) / net.classes**0.5 for size in sizes]


def backward(net: nets.Backbone, matrices: list[Tensor], r: Tensor, y: Tensor) -> None:
    """Add to every parameter's gradient that of views ``r`` (N, C, H, W) with labels ``y`` (N,)."""
    outputs = []
    for block in net.blocks:
        r = block(r.detach())
        outputs.append(r)
    logits = net.classifier(r.detach())
    e = (logits.softmax(1) - F.one_hot(y, net.classes)).detach() / len(y)
    logits.backward(e)  # the classifier's gradient is that of cross-entropy
    for r_l, matrix in zip(outputs, matrices, strict=True):
        r_l.backward((e @ matrix).view_as(r_l))  # B_l e, then exact inside the block


def train(experiment: Experiment) -> float:
    """Test accuracy (0 to 1) after the last epoch."""
    images = data.load(experiment)
    torch.manual_seed(experiment.seed)
    net = nets.build(experiment, images.shape, len(images.classes))
    matrices = feedback(net)
    adam = torch.optim.Adam(net.parameters())
    views = Views.of(experiment, images.mean, images.std)
    for epoch in range(experiment.epochs):
        adam.param_groups[0]["lr"] = experiment.lr * learning_rate_factor(experiment, epoch)
        batches = Batches(images.train, views, experiment.batch_size, epoch)
        for place, index in enumerate(batches.parts):
            adam.zero_grad()
            backward(net, matrices, batches.views(index), batches.batch(index, place).labels)
            adam.step()
    with evaluating(net):
        right = net(views.normalize(images.test.images)).argmax(1) == images.test.labels
    return right.double().mean().item()


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    add_experiment_flags(parser, without={"method"})
    chosen = Experiment(method="bp", **experiment_values(parser.parse_args()))
    print(f"DFA, {chosen.net_label}, seed {chosen.seed}: test {100 * train(chosen):.1f} %")
