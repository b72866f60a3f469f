"""scikit-learn's handwritten digits: real images that need no download."""

from pathlib import Path

import numpy as np

from delog_nb.data.declare import dataset
from delog_nb.data.images import stratified


@dataset(
    "digits",
    label="Digits",
    channels=1,
    size=16,
    classes=10,
    images=(1438, 359),
    flip=False,
    crop_padding=2,
)
def read_digits(folder: Path | None = None) -> tuple[np.ndarray, ...]:  # noqa: ARG001
    """scikit-learn's 1,797 handwritten digits, 8x8, values 0 to 16; every fifth is a test image."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    rng = np.random.default_rng(0)
    test = stratified(labels, len(labels) // 5, rng)
    train = np.delete(np.arange(len(labels)), test)
    return pixels[train], labels[train], pixels[test], labels[test]
