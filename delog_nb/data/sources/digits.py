"""scikit-learn's handwritten digits: real images that need no download."""

import numpy as np

from delog_nb.data.images import Raw, stratified


def read_digits() -> Raw:
    """scikit-learn's 1,797 handwritten digits, 8x8, values 0 to 16; every fifth is a test image."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    rng = np.random.default_rng(0)
    test = stratified(labels, len(labels) // 5, rng)
    train = np.delete(np.arange(len(labels)), test)
    return Raw(
        pixels[train], labels[train], pixels[test], labels[test], tuple(str(d) for d in range(10))
    )
