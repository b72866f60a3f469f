"""Two views of CIFAR-shaped images beside torchvision in a DataLoader, and beside kornia."""

from __future__ import annotations

import statistics
import time
from typing import Any

import kornia.augmentation as K
import torch
import torchvision.transforms.v2 as T
import torchvision.transforms.v2.functional as TF
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.common import Report, agree, command
from delog_nb.data import Views
from delog_nb.data.views import GRAY_CHANCE, HUE, JITTER, JITTER_CHANCE
from delog_nb.experiment.registry import DATASETS

BATCH, BATCHES, ROUNDS, WORKERS = 128, 20, 5, 2
CIFAR = DATASETS["cifar10"]
MEAN, STD = CIFAR.mean or (), CIFAR.std or ()


class TwoViews(Dataset[tuple[Tensor, Tensor]]):
    """The authors' two views with torchvision, one image at a time from a PIL image, as usual."""

    def __init__(self, images: Tensor) -> None:
        self.images = [TF.to_pil_image(image) for image in images]
        to_tensor = [T.PILToTensor(), T.ToDtype(torch.float32, scale=True), T.Normalize(MEAN, STD)]
        weak = [T.RandomCrop(32, padding=4), T.RandomHorizontalFlip()]
        jitter = T.ColorJitter(JITTER, JITTER, JITTER, HUE)
        strong = [*weak, T.RandomApply([jitter], JITTER_CHANCE), T.RandomGrayscale(GRAY_CHANCE)]
        self.weak, self.strong = T.Compose([*weak, *to_tensor]), T.Compose([*strong, *to_tensor])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        return self.weak(self.images[place]), self.strong(self.images[place])


def kornia_views() -> tuple[nn.Module, nn.Module]:
    """The same two views with kornia, a batch at a time."""
    normalize = K.Normalize(torch.tensor(MEAN), torch.tensor(STD))
    weak = [K.RandomCrop((32, 32), padding=4), K.RandomHorizontalFlip()]
    jitter = K.ColorJitter(JITTER, JITTER, JITTER, HUE, p=JITTER_CHANCE)
    strong = [K.RandomCrop((32, 32), padding=4), K.RandomHorizontalFlip(), jitter]
    gray = K.RandomGrayscale(p=GRAY_CHANCE)
    return nn.Sequential(*weak, normalize), nn.Sequential(*strong, gray, normalize)


def check() -> None:
    """Our operations against torchvision's, image by image with the same random numbers."""
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
    maker = Views(MEAN, STD)
    numbers = maker.plan(64, 0).randoms
    batch = maker(images, numbers)
    for place in range(64):
        for view in range(2):
            n = numbers[place, view].tolist()
            image = TF.pad(images[place], [4]) / 255
            image = TF.crop(image, int(n[0] * 9), int(n[1] * 9), 32, 32)
            if n[2] < 0.5:
                image = TF.hflip(image)
            if view and n[3] < JITTER_CHANCE:
                for change, number in zip(
                    (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation),
                    n[4:7],
                    strict=True,
                ):
                    image = change(image, 1 + JITTER * (2 * number - 1))
                image = TF.adjust_hue(image, HUE * (2 * n[7] - 1))
            if view and n[8] < GRAY_CHANCE:
                image = TF.rgb_to_grayscale(image, 3)
            found = batch[view * 64 + place]
            agree("views", float((found - TF.normalize(image, MEAN, STD)).abs().max()), 0.02)


def measure() -> Report:
    report = Report(
        "views",
        "Two-view augmentation",
        f"{BATCHES} batches of {BATCH} images of 32 x 32 x 3, a weak and a strong view of each. "
        f"torchvision: v2 transforms of one PIL image at a time in a `DataLoader` with {WORKERS} "
        "workers that are already running; kornia: batched. Our views are compared with "
        "torchvision's operations first, with the same random numbers.",
    )
    check()
    images = torch.randint(0, 256, (BATCH * BATCHES, 32, 32, 3), dtype=torch.uint8)
    images = images.permute(0, 3, 1, 2)
    maker = Views(MEAN, STD)
    weak, strong = kornia_views()
    loader: Any = DataLoader(
        TwoViews(images), BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )

    def by_us() -> None:
        plan = maker.plan(len(images), 0)
        for index in plan.order.split(BATCH):
            maker(images[index], plan.randoms[index])

    def by_kornia() -> None:
        for index in torch.randperm(len(images)).split(BATCH):
            batch = images[index].float() / 255
            torch.cat([weak(batch), strong(batch)])

    def by_loader() -> None:
        batches = iter(loader)
        next(batches)  # the workers start
        begin = time.perf_counter()
        for one, other in batches:
            torch.cat([one, other])
        spent["torchvision"].append((time.perf_counter() - begin) * BATCHES / (BATCHES - 1))

    spent: dict[str, list[float]] = {"ours": [], "kornia": [], "torchvision": []}
    for round_ in range(-1, ROUNDS):
        for name, work in (("ours", by_us), ("kornia", by_kornia)):
            begin = time.perf_counter()
            work()
            spent[name].append(time.perf_counter() - begin)
        by_loader()
        if round_ < 0:
            for seconds in spent.values():
                seconds.clear()
    for name, seconds in spent.items():
        rates = [len(images) / s for s in seconds]
        ratios = [s / own for s, own in zip(seconds, spent["ours"], strict=True)]
        report.rows.append(
            {
                "views by": name,
                "images / s": statistics.median(rates),
                "ms for a batch": statistics.median(seconds) / BATCHES * 1e3,
                "ours is x as fast": statistics.median(ratios),
            }
        )
    report.at_least(
        "at least 10 x the images per second of the DataLoader",
        [report.rows[-1]["ours is x as fast"]],
        10,
    )
    return report


if __name__ == "__main__":
    command(measure)
