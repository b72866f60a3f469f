"""Image files to uint8 arrays."""

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image
from tqdm import tqdm

from delog_nb.data.images import DataError


def decode_all(
    names: Sequence[str], read: Callable[[str], bytes], size: int, label: str
) -> np.ndarray:
    """Decode image files to RGB, resized (bicubic) to ``size`` x ``size``: (N, size, size, 3).

    ``read`` gives the bytes of a named file. Pillow leaves the interpreter lock while it decodes,
    so threads share the work. Raises `DataError` that names the first unreadable file.
    """
    images = np.empty((len(names), size, size, 3), np.uint8)

    def one(index: int) -> None:
        name = names[index]
        try:
            with Image.open(io.BytesIO(read(name))) as image:
                pixels = image.convert("RGB")
            if pixels.size != (size, size):
                pixels = pixels.resize((size, size), Image.Resampling.BICUBIC)
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            raise DataError(f"{name} is not a readable image: {error}") from error
        images[index] = np.asarray(pixels)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = pool.map(one, range(len(names)))
        try:
            for _ in tqdm(done, f"Decoding {label}", len(names), unit=" images", disable=None):
                pass
        except DataError:
            pool.shutdown(cancel_futures=True)
            raise
    return images
