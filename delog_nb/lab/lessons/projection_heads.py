"""Lesson 6's recorded runs, photographs, and features that are seen as a loss sees them."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from delog_nb.data import ImageData, Split
from delog_nb.instruments.course_files import RESULTS
from delog_nb.measure.features import SPRITE_COLUMNS
from delog_nb.measure.probes import block_features
from delog_nb.records import Record, readable
from delog_nb.training import Run


def digits_by_head() -> list[Record]:
    """The runs of ``experiments/heads``: heads on the digits, with classes and without.

    >>> sorted({run.experiment.get("head") for run in digits_by_head()})
    ['identity', 'linear', 'mlp']
    """
    return readable(RESULTS / "heads")


def photographs(count: int) -> tuple[Tensor, str]:
    """Test photographs kept beside recorded runs, uint8 (count, 3, S, S), and their source.

    Of several sheets that with the largest images; evenly from all of its classes.

    >>> images, source = photographs(2)
    >>> images.shape[:2], source
    (torch.Size([2, 3]), '2 of 200 test images of CIFAR-10 (JPEG)')
    """
    sheets = [Image.open(path) for path in sorted(RESULTS.glob("*/thumbnails-folder-*.png"))]
    sheet = max(sheets, key=lambda one: one.width)
    side = sheet.width // SPRITE_COLUMNS
    pixels = torch.from_numpy(np.array(sheet.convert("RGB"))).permute(2, 0, 1)
    tiles = pixels.unfold(1, side, side).unfold(2, side, side).flatten(1, 2).transpose(0, 1)
    chosen = torch.arange(count) * len(tiles) // count
    return tiles[chosen].contiguous(), f"{count} of {sheet.info['Source']}"


def compared(run: Run, images: ImageData, chosen: Tensor) -> list[Tensor]:
    """r_1 ... r_H as a loss without a head compares them: averaged to 4 x 4, of norm 1."""
    at = chosen.to(images.test.labels.device)
    split = Split(images.test.images[at], images.test.labels[at])
    return [F.normalize(r) for r in block_features(run, images, split)]
