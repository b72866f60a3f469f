"""Two views of every image in a batch, made on the batch's device.

View 1 is weak (random crop, random flip); view 2 is strong (weak, then colour jitter and
grayscale), as in the authors' recipe. Every sample has random choices of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# The authors' ColorJitter(.4, .4, .4, .1) with p = .8, and grayscale with p = .2.
JITTER, HUE, JITTER_CHANCE, GRAY_CHANCE = 0.4, 0.1, 0.8, 0.2
GRAY_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R 601-2 luma
_RANDOMS = 9  # random numbers that one view of one image takes


@dataclass(frozen=True)
class EpochPlan:
    """The random choices of one epoch: the order of the images and the numbers of their views."""

    order: Tensor  # (N,)
    randoms: Tensor  # (N, 2, _RANDOMS), uniform in [0, 1)


class Views:
    """Makes batches of two views.

    Args:
        mean, std: per channel, of pixels scaled to [0, 1]
        augment: ``strong`` (a weak and a strong view), ``weak`` (two weak ones), ``none``
        crop_padding: pixels of black around the image before the crop
        flip: whether a left-right mirrored image keeps its class
        seed: of every random choice, with the epoch: the same on every device
    """

    def __init__(
        self,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        *,
        augment: str = "strong",
        crop_padding: int = 4,
        flip: bool = True,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.augment, self.padding, self.flip, self.seed = augment, crop_padding, flip, seed
        self.device = torch.device(device)
        self._shift = torch.tensor(mean, device=self.device).view(1, -1, 1, 1)
        self._scale = 1 / torch.tensor(std, device=self.device).view(1, -1, 1, 1)

    def plan(self, count: int, epoch: int) -> EpochPlan:
        """The random choices for ``count`` images in ``epoch``, from the seed and the epoch alone.

        They are drawn on the CPU and moved in one go, so that they do not depend on the device and
        no batch waits for a transfer.
        """
        generator = torch.Generator().manual_seed((self.seed << 20) + epoch)
        order = torch.randperm(count, generator=generator)
        randoms = torch.rand(count, 2, _RANDOMS, generator=generator)
        return EpochPlan(order.to(self.device), randoms.to(self.device))

    def normalize(self, images: Tensor) -> Tensor:
        """uint8 (B, C, H, W) -> float32 with the data set's mean 0 and deviation 1."""
        return self._standardize(images.float().div_(255))

    def __call__(self, images: Tensor, randoms: Tensor) -> Tensor:
        """uint8 (B, C, H, W), (B, 2, k) -> (2B, C, H, W): first all view 1, then all view 2."""
        if self.augment == "none":
            return self.normalize(images).repeat(2, 1, 1, 1)
        views = self._crop_and_flip(
            images.repeat(2, 1, 1, 1), randoms.transpose(0, 1).flatten(0, 1)
        )
        batch = views.float().div_(255)
        if self.augment == "strong":
            half = len(images)
            batch[half:] = self._jitter(batch[half:], randoms[:, 1])
        return self._standardize(batch)

    def _standardize(self, images: Tensor) -> Tensor:
        return images.sub_(self._shift).mul_(self._scale)

    def _crop_and_flip(self, images: Tensor, randoms: Tensor) -> Tensor:
        size, pad = images.shape[-1], self.padding
        if pad:
            shifts = (randoms[:, :2] * (2 * pad + 1)).long()  # (B, 2)
            padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, pad, pad, pad, pad))  # (B, H, W, C)
            # every crop as a window of the padded image; picking one copies whole rows
            windows = padded.unfold(1, size, 1).unfold(2, size, 1)  # (B, dy, dx, C, H, W)
            windows = windows.permute(0, 1, 2, 4, 5, 3)
            sample = torch.arange(len(images), device=images.device)
            images = windows[sample, shifts[:, 0], shifts[:, 1]].permute(0, 3, 1, 2)
        if self.flip:
            mirrored = (randoms[:, 2] < 0.5).view(-1, 1, 1, 1)
            images = torch.where(mirrored, images.flip(-1), images)
        return images

    def _jitter(self, images: Tensor, randoms: Tensor) -> Tensor:
        """Brightness, contrast, saturation, hue and grayscale of images (B, C, H, W) in [0, 1].

        The operations are torchvision's; their order is fixed where torchvision's is random.
        """
        change = (randoms[:, 3] < JITTER_CHANCE).float()  # 0 leaves a sample as it is
        spread = (randoms[:, 4:8] * 2 - 1) * change[:, None]  # (B, 4) in (-1, 1)
        brightness, contrast, saturation = (1 + JITTER * spread[:, :3]).T[..., None, None, None]
        images = images.mul(brightness).clamp_(0, 1)
        mean = self._luma(images).mean((1, 2, 3), keepdim=True)
        images.mul_(contrast).add_((1 - contrast) * mean).clamp_(0, 1)
        if images.shape[1] == 1:  # one channel has neither saturation nor hue
            return images
        gray = self._luma(images)
        images.mul_(saturation).add_((1 - saturation) * gray).clamp_(0, 1)
        images = _turn_hue(images, HUE * spread[:, 3])
        grayed = (randoms[:, 8] < GRAY_CHANCE).view(-1, 1, 1, 1)
        return torch.where(grayed, self._luma(images), images)

    def _luma(self, images: Tensor) -> Tensor:
        if images.shape[1] == 1:
            return images
        red, green, blue = images.split(1, 1)
        return red * GRAY_WEIGHTS[0] + green * GRAY_WEIGHTS[1] + blue * GRAY_WEIGHTS[2]


def _turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue of RGB images in [0, 1] by ``turns`` (B,) of the colour circle.

    With value V = max, chroma C = max - min and hue h in sixths of the circle, each channel is
    V - C * clamp(min(k, 4 - k), 0, 1), k = (n + h) mod 6, n = 5, 3, 1 for red, green and blue.
    """
    red, green, blue = images.unbind(1)
    value = images.amax(1)
    chroma = value - images.amin(1)
    safe = chroma.clamp_min(1e-8)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue += 6 * turns[:, None, None]
    out = torch.empty_like(images)
    for channel, offset in enumerate((5, 3, 1)):
        k = (hue + offset).remainder_(6)
        weight = torch.minimum(k, 4 - k).clamp_(0, 1)
        out[:, channel] = value - chroma * weight
    return out
