"""Image files to uint8 arrays."""

import io
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from tqdm import tqdm

from delog_nb.data.images import DataError
from delog_nb.instruments.cores import cores

MOST_PIXELS = 20_000_000  # of an image before it is resized
# what a folder's images can be; Pillow knows more, of which one starts other programs
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")


def decode_all(
    names: Sequence[str], read: Callable[[str], bytes], size: int, label: str
) -> np.ndarray:
    """Decode image files to RGB, resized (bicubic) to ``size`` x ``size``: (N, size, size, 3).

    ``read`` gives the bytes of a named file. Pillow leaves the interpreter lock while it decodes,
    so threads share the work. Raises `DataError` that names the first file that is unreadable, or
    has more than `MOST_PIXELS`.
    """
    images = np.empty((len(names), size, size, 3), np.uint8)

    def one(index: int) -> None:
        name = names[index]
        content = read(name)
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                check_pixels(image, name)  # by its header: nothing is decoded yet
                pixels = image.convert("RGB")
            if pixels.size != (size, size):
                pixels = pixels.resize((size, size), Image.Resampling.BICUBIC)
        except DataError:
            raise
        except UnidentifiedImageError as error:
            kinds = ", ".join(_FORMATS)
            raise DataError(f"{name} is not a readable image: none of {kinds}") from error
        except Exception as error:  # Pillow raises what it likes for damaged files
            why = " ".join(str(error).split())[:300] or type(error).__name__
            raise DataError(f"{name} is not a readable image: {why}") from error
        images[index] = np.asarray(pixels)

    with warnings.catch_warnings(), ThreadPoolExecutor(cores()) as pool:
        # of many pixels, which are refused; of odd metadata, which is not looked at
        warnings.filterwarnings("ignore", module=r"PIL\.")
        done = pool.map(one, range(len(names)))
        try:
            for _ in tqdm(done, f"Decoding {label}", len(names), unit=" images", disable=None):
                pass
        except DataError:
            pool.shutdown(cancel_futures=True)
            raise
    return images


def check_pixels(image: Image.Image, name: str) -> None:
    """Refuse an image that is too large to be decoded.

    Raises:
        DataError: it has more than `MOST_PIXELS`.
    """
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise DataError(
            f"{name} has {width:,} x {height:,} pixels: at most {MOST_PIXELS:,} are allowed"
        )


def as_pixels(images: Tensor | Sequence[Image.Image], shape: tuple[int, int, int]) -> Tensor:
    """Images as they come, as uint8 (N, C, H, W) of ``shape`` (C, H, W).

    PIL images are converted to grey or RGB and resized (bicubic); a tensor has to fit already.

    Raises:
        DataError: ``images`` are neither, a tensor of another type or shape, or too large.
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
    for number, image in enumerate(images, 1):
        check_pixels(image, f"image {number}")
    mode = "L" if channels == 1 else "RGB"
    done = [
        np.array(image.convert(mode).resize((width, height), Image.Resampling.BICUBIC))
        for image in images
    ]
    stacked = torch.from_numpy(np.stack(done)).view(len(done), height, width, channels)
    return stacked.permute(0, 3, 1, 2)
