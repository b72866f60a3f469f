"""The names that a run can choose from. A new method, net or data set is one entry here.

This module imports nothing heavy, so that the command line can show its help at once.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class MethodEntry:
    """A training method: its label in figures and the module that builds it.

    The module has one function, ``build(experiment) -> Method``.
    """

    label: str
    module: str


@dataclass(frozen=True)
class NetEntry:
    """A network: its label and the smallest image side, in pixels, that its blocks allow."""

    label: str
    min_size: int


@dataclass(frozen=True)
class DatasetEntry:
    """What is known of a data set before it is read.

    ``mean`` and ``std`` are per channel, of pixels scaled to [0, 1]; where they are None they are
    computed from the training images. ``classes`` is 0 and ``images`` None where only the files can
    tell.
    """

    label: str
    channels: int
    size: int
    classes: int
    images: tuple[int, int] | None  # for training, for testing
    flip: bool = True
    crop_padding: int = 4
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


METHODS: dict[str, MethodEntry] = {
    "bp": MethodEntry("BP", "delog_nb.methods.bp"),
    "early-exit": MethodEntry("Early Exit", "delog_nb.methods.early_exit"),
    "al": MethodEntry("AL", "delog_nb.methods.al"),
    "delog-scl": MethodEntry("Delog-SCL", "delog_nb.methods.delog_scl"),
}

NETS: dict[str, NetEntry] = {
    "convnet": NetEntry("ConvNet", 4),
    "vgg": NetEntry("VGG", 16),
    "resnet": NetEntry("ResNet", 8),
}

# CIFAR and Tiny-ImageNet statistics: the authors' (see the README's "Sources").
DATASETS: dict[str, DatasetEntry] = {
    "digits": DatasetEntry("Digits", 1, 16, 10, (1438, 359), flip=False, crop_padding=2),
    "fashion-mnist": DatasetEntry("Fashion-MNIST", 1, 28, 10, (60_000, 10_000)),
    "cifar10": DatasetEntry(
        "CIFAR-10",
        3,
        32,
        10,
        (50_000, 10_000),
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2023, 0.1994, 0.2010),
    ),
    "cifar100": DatasetEntry(
        "CIFAR-100",
        3,
        32,
        100,
        (50_000, 10_000),
        mean=(0.5071, 0.4867, 0.4408),
        std=(0.2675, 0.2565, 0.2761),
    ),
    "tiny-imagenet": DatasetEntry(
        "Tiny-ImageNet",
        3,
        32,
        200,
        (100_000, 10_000),
        mean=(0.4802, 0.4481, 0.3975),
        std=(0.2770, 0.2691, 0.2821),
    ),
    "folder": DatasetEntry("Image folder", 3, 32, 0, None),
}
