"""Two views of every image in a batch, made on the batch's device.

View 1 is weak (random crop, random flip); view 2 is strong (weak, then colour jitter and
grayscale), as in the authors' recipe. Every sample has random choices of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from delog_nb.experiment import Experiment

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
        deviation = torch.tensor(std, device=self.device).view(1, -1, 1, 1)
        self._shift = torch.tensor(mean, device=self.device).view(1, -1, 1, 1) / deviation
        self._scale = 1 / (255 * deviation)

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        device: torch.device | str = "cpu",
    ) -> Views:
        """The views that ``experiment`` asks for."""
        return cls(
            mean,
            std,
            augment=experiment.augment,
            crop_padding=experiment.crop_padding,
            flip=experiment.flip,
            seed=experiment.seed,
            device=device,
        )

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
        return self._standardize(images.float())

    def __call__(self, images: Tensor, randoms: Tensor) -> Tensor:
        """uint8 (B, C, H, W), (B, 2, k) -> (2B, C, H, W): first all view 1, then all view 2."""
        if self.augment == "none":
            return self.normalize(images).repeat(2, 1, 1, 1)
        numbers = randoms.transpose(0, 1).flatten(0, 1)  # (2B, k)
        batch = self._crop_and_flip(images, numbers).float()
        if self.augment == "strong":
            self._jitter(batch[len(images) :], randoms[:, 1])
        return self._standardize(batch).contiguous(memory_format=torch.channels_last)

    def pixels(self, views: Tensor) -> Tensor:
        """Normalised (B, C, H, W) as they were before: pixels from 0 to 1."""
        return ((views + self._shift) / (255 * self._scale)).clamp_(0, 1)

    def _standardize(self, pixels: Tensor) -> Tensor:
        """Pixels 0 to 255, in place."""
        return pixels.mul_(self._scale).sub_(self._shift)

    def _crop_and_flip(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Two crops of each image, (B, C, H, W) -> (2B, C, H, W), some of them mirrored."""
        count, channels, height, width = images.shape
        pad = self.padding
        padded = images.new_zeros(1 + self.flip, count, channels, height + 2 * pad, width + 2 * pad)
        padded[0, :, :, pad : pad + height, pad : pad + width] = images
        top, left = (numbers[:, :2] * (2 * pad + 1)).long().T  # (2B,)
        mirrored = torch.zeros_like(top)
        if self.flip:
            padded[1] = padded[0].flip(-1)
            mirrored = (numbers[:, 2] < 0.5).long()
            left = torch.where(numbers[:, 2] < 0.5, 2 * pad - left, left)
        # every crop as a window of a padded image; picking one copies whole rows
        windows = padded.unfold(3, height, 1).unfold(4, width, 1)  # (2, B, C, dy, dx, H, W)
        sample = torch.arange(count, device=images.device).repeat(2)
        return windows.permute(0, 1, 3, 4, 2, 5, 6)[mirrored, sample, top, left]

    def _jitter(self, images: Tensor, randoms: Tensor) -> None:
        """Colours of pixels 0 to 255 changed at random, in place."""
        change = (randoms[:, 3] < JITTER_CHANCE).float()  # 0 leaves a sample as it is
        spread = (randoms[:, 4:8] * 2 - 1) * change[:, None]  # (B, 4) in (-1, 1)
        change_colours(images, spread, (randoms[:, 8] < GRAY_CHANCE).float())


def change_colours(images: Tensor, spread: Tensor, gray: Tensor) -> None:
    """Brightness, contrast, saturation, hue and grayscale of pixels 0 to 255, in place.

    The operations are torchvision's; their order is fixed where torchvision's is random. Images of
    one channel have neither saturation nor hue.

    Args:
        images: (B, C, H, W) in float32
        spread: (B, 4), the change of each of the four as a share of the strongest one, -1 to 1
        gray: (B,), 1 takes an image's colours away and 0 leaves them
    """
    brightness, contrast, saturation = (JITTER * spread[:, :3]).T[..., None, None, None]
    images.mul_(1 + brightness).clamp_(0, 255)
    # a change of x by c away from m is a step of -c from x towards m
    images.lerp_(_luma(images).mean((1, 2, 3), keepdim=True), -contrast).clamp_(0, 255)
    if images.shape[1] == 1:
        return
    images.lerp_(_luma(images), -saturation).clamp_(0, 255)
    _turn_hue(images, HUE * spread[:, 3])
    images.lerp_(_luma(images), gray.view(-1, 1, 1, 1))


def _luma(images: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 1, H, W)."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.split(1, 1)
    weights = GRAY_WEIGHTS
    return (red * weights[0]).add_(green, alpha=weights[1]).add_(blue, alpha=weights[2])


def _turn_hue(images: Tensor, turns: Tensor) -> None:
    """Turn the hue of RGB images by ``turns`` (B,) of the colour circle, in place.

    With value V = max, chroma C = max - min and hue h in sixths of the circle, 0 <= h < 6, each
    channel is V - C * clamp(d - 1, 0, 1), d the way on the circle from h to the channel's own hue:
    0 for red, 2 for green, 4 for blue. Ways of 2 and more all give V - C, so that only red, where
    the circle closes, needs the shorter of two ways: 3 - |h - 3|.
    """
    red, green, blue = images.unbind(1)
    value = torch.maximum(red, green).maximum(blue)
    chroma = value - torch.minimum(red, green).minimum(blue)
    sixth = chroma.clamp_min(1e-8).reciprocal_()
    hue = torch.where(value == green, 2 + (blue - red) * sixth, 4 + (red - green) * sixth)
    hue = torch.where(value == red, (green - blue) * sixth, hue)
    hue.add_(6 * turns[:, None, None]).remainder_(6)
    for channel, way in (
        (red, (hue - 3).abs_().neg_().add_(2)),
        (green, (hue - 2).abs_().sub_(1)),
        (blue, (hue - 4).abs_().sub_(1)),
    ):
        torch.addcmul(value, chroma, way.clamp_(0, 1), value=-1, out=channel)
