"""Image files to uint8 arrays."""

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from torch import Tensor
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


def as_pixels(images: Tensor | Sequence[Image.Image], shape: tuple[int, int, int]) -> Tensor:
    """Images as they come, as uint8 (N, C, H, W) of ``shape`` (C, H, W).

    PIL images are converted to grey or RGB and resized (bicubic); a tensor has to fit already.

    Raises:
        DataError: ``images`` are neither, or a tensor of another type or shape.
    """
    channels, height, width = shape
    if isinstance(images, Tensor):
        if images.dtype != torch.uint8 or images.shape[1:] != shape:
            raise DataError(
                f"images are {images.dtype} of shape {tuple(images.shape)}: uint8 of shape "
                f"(N, {channels}, {height}, {width}) are needed"
            )
        return images
    if not images or not all(isinstance(image, Image.Image) for image in images):
        raise DataError("images are neither a uint8 tensor nor a list of PIL images, at least one")
    mode = "L" if channels == 1 else "RGB"
    done = [
        np.array(image.convert(mode).resize((width, height), Image.Resampling.BICUBIC))
        for image in images
    ]
    stacked = torch.from_numpy(np.stack(done)).view(len(done), height, width, channels)
    return stacked.permute(0, 3, 1, 2)
