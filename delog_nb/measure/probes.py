"""What a trained network's blocks have learned: predictions, features and linear probes."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from delog_nb.data import ImageData, Split, Views
from delog_nb.training import Run, evaluating

_BATCH = 500
_SIDE = 4  # features are average-pooled to this side before a probe reads them


def block_outputs(run: Run, images: ImageData, split: Split) -> Iterator[list[Tensor]]:
    """r_1 ... r_H of a split without augmentation, batch by batch, computed in float32.

    Each is (B, C, H, W), on the run's device. ``images`` gives the mean and deviation that the
    network was trained with. A method that trains on parts of images gives their mean.
    """
    blocks = [layer for part in run.model.parts() for layer in part.layers]
    views = _views(run, images)
    for batch in split.images.split(_BATCH):
        with evaluating(run.model):
            features = [views.normalize(batch)]
            for block in blocks[: run.experiment.hidden]:
                features.append(block(features[-1]))
            outputs = [run.model.per_image(r) for r in features[1:]]
        yield outputs


def as_vectors(r: Tensor) -> Tensor:
    """Feature maps (B, C, H, W), average-pooled to at most 4 x 4, as vectors (B, D) in float32."""
    pooled = F.adaptive_avg_pool2d(r, min(_SIDE, *r.shape[2:]))
    return pooled.flatten(1).float()


def block_features(run: Run, images: ImageData, split: Split) -> list[Tensor]:
    """Features r_1 ... r_H of a split without augmentation, one tensor (N, D_l) a block.

    They are as `as_vectors` makes them, on the run's device.
    """
    batches = ([as_vectors(r) for r in features] for features in block_outputs(run, images, split))
    return [torch.cat(parts) for parts in zip(*batches, strict=True)]


def confusion_matrix(run: Run, images: ImageData) -> Tensor:
    """Counts (K, K) of test images: row = their class, column = the class predicted."""
    classes = len(images.classes)
    counts = torch.zeros(classes * classes, dtype=torch.long, device=run.device)
    views, test = _views(run, images), images.test
    with evaluating(run.model):
        for batch, labels in zip(test.images.split(_BATCH), test.labels.split(_BATCH), strict=True):
            predicted = run.model.predict(views.normalize(batch)).argmax(1)
            counts += torch.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.view(classes, classes).cpu()


def linear_probe(
    train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], *, penalty: float = 1e-3
) -> float:
    r"""Test accuracy (0 to 1) of a linear classifier on frozen features (Alain & Bengio, 2017).

    Features are standardised by the training images' mean and deviation; then W and b minimise

    .. math:: \frac{1}{N} \sum_i \mathrm{CE}(W x_i + b, y_i) + \frac{\lambda}{2} \|W\|^2

    by L-BFGS from zero: convex, so that the result depends on the features alone.

    Args:
        train: features (N, D) and labels (N,)
        test: the same for the images that are scored
        penalty: lambda
    """
    labels = train[1]
    x, test_x = _standardised(train[0], test[0])
    classes = int(labels.max()) + 1
    weight = torch.zeros(classes, x.shape[1], device=x.device, requires_grad=True)
    bias = torch.zeros(classes, device=x.device, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = F.cross_entropy(x @ weight.T + bias, labels) + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    solver.step(loss)
    with torch.no_grad():
        hits = (test_x @ weight.T + bias).argmax(1) == test[1]
    return hits.double().mean().item()


def quick_probe(
    train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], penalty: float = 1.0
) -> float:
    r"""Test accuracy (0 to 1) of a linear classifier on frozen features, by least squares.

    As `linear_probe`, but W and b minimise

    .. math:: \frac{1}{N} \sum_i \|W x_i + b - \mathrm{onehot}(y_i)\|^2 + \lambda \|W\|^2

    which is one N x N system of equations: for few images some milliseconds, where the other takes
    a tenth of a second.

    Args:
        train: features (N, D) and labels (N,)
        test: the same for the images that are scored
        penalty: lambda
    """
    x, test_x = _standardised(train[0].double(), test[0].double())
    goals = F.one_hot(train[1]).to(x.dtype)
    bias = goals.mean(0)  # features have mean 0
    system = x @ x.T + penalty * len(x) * torch.eye(len(x), dtype=x.dtype, device=x.device)
    scores = test_x @ (x.T @ torch.linalg.solve(system, goals - bias)) + bias
    return (scores.argmax(1) == test[1]).double().mean().item()


def _standardised(x: Tensor, test_x: Tensor) -> tuple[Tensor, Tensor]:
    """Both by the mean and deviation of ``x``: features (N, D)."""
    mean, std = x.mean(0), x.std(0).clamp_min(1e-6)
    return (x - mean) / std, (test_x - mean) / std


def probe_blocks(run: Run, images: ImageData) -> list[float]:
    """Test accuracy of a linear probe on each of r_1 ... r_H."""
    train, test = (block_features(run, images, split) for split in (images.train, images.test))
    return [
        linear_probe((a, images.train.labels), (b, images.test.labels))
        for a, b in zip(train, test, strict=True)
    ]


def principal_components(features: Tensor) -> Tensor:
    """Features (N, D) on their two directions of largest variance: (N, 2)."""
    centred = features - features.mean(0)
    u, s, _ = torch.linalg.svd(centred, full_matrices=False)
    flat = u[:, :2] * s[:2]
    return F.pad(flat, (0, 2 - flat.shape[1]))


def _views(run: Run, images: ImageData) -> Views:
    return Views(images.mean, images.std, seed=run.experiment.seed, device=torch.device(run.device))
