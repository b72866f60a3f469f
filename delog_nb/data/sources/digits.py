"""scikit-learn's handwritten digits: real images that need no download."""

import importlib.util
from pathlib import Path

import numpy as np

from delog_nb.data.declare import dataset
from delog_nb.data.images import DataError, stratified


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
    """scikit-learn's 1,797 handwritten digits, 8x8, values 0 to 16; every fifth is a test image.

    Raises:
        DataError: scikit-learn is not installed, or without them.
    """
    package = importlib.util.find_spec("sklearn")  # its import takes a second and is not needed
    if package is None or not package.origin:
        raise DataError("the digits are scikit-learn's, which is not installed here")
    file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    try:
        digits = np.loadtxt(file, np.uint8, delimiter=",")
    except (OSError, ValueError) as error:
        raise DataError(f"scikit-learn's digits cannot be read: {error}") from error
    pixels = np.round(digits[:, :-1].reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    labels = digits[:, -1].astype(np.int64)
    rng = np.random.default_rng(0)
    test = stratified(labels, len(labels) // 5, rng)
    train = np.delete(np.arange(len(labels)), test)
    return pixels[train], labels[train], pixels[test], labels[test]
