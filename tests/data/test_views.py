from __future__ import annotations

import pytest
import torch
import torchvision.transforms.v2.functional as TF
from torch import Tensor

from delog_nb.data import Views, views

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def images(count: int = 64, channels: int = 3, size: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(
        0, 256, (count, channels, size, size), dtype=torch.uint8, generator=generator
    )


def back(batch: Tensor) -> Tensor:
    """Normalised views as pixels 0 to 255."""
    scale, shift = torch.tensor(STD)[:, None, None], torch.tensor(MEAN)[:, None, None]
    return (batch * scale + shift) * 255


def test_without_augmentation_both_views_are_the_normalised_image() -> None:
    x = images()
    maker = Views(MEAN, STD, augment="none")
    batch = maker(x, maker.plan(64, 0).randoms)
    expected = (x / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(batch[:64], expected)
    torch.testing.assert_close(batch[64:], expected)


@pytest.mark.parametrize("flip", [True, False])
def test_weak_views_are_crops_of_the_padded_image_by_hand(flip: bool) -> None:
    x, pad = images(), 4
    maker = Views(MEAN, STD, augment="weak", crop_padding=pad, flip=flip)
    plan = maker.plan(64, 0)
    found = back(maker(x, plan.randoms)).round().to(torch.uint8)
    shifts = set()
    for view in range(2):
        for sample in range(64):
            numbers = plan.randoms[sample, view]
            top, left = (int(n * (2 * pad + 1)) for n in numbers[:2])
            shifts.add((top, left))
            expected = TF.crop(TF.pad(x[sample], pad), top, left, 16, 16)
            if flip and numbers[2] < 0.5:
                expected = TF.hflip(expected)
            assert torch.equal(found[view * 64 + sample], expected)
    assert len(shifts) > 40  # samples differ from each other


def test_strong_views_equal_torchvisions_operations() -> None:
    """Sample by sample: brightness, contrast, saturation, hue, grayscale with the same factors."""
    x = images(40)
    maker = Views(MEAN, STD, crop_padding=0, flip=False)
    plan = maker.plan(40, 0)
    found = back(maker(x, plan.randoms))[40:] / 255
    changed = gray = 0
    for sample in range(40):
        numbers = plan.randoms[sample, 1]
        image = x[sample] / 255
        if numbers[3] < 0.8:
            spread = (numbers[4:8] * 2 - 1).tolist()
            image = TF.adjust_brightness(image, 1 + 0.4 * spread[0])
            image = TF.adjust_contrast(image, 1 + 0.4 * spread[1])
            image = TF.adjust_saturation(image, 1 + 0.4 * spread[2])
            image = TF.adjust_hue(image, 0.1 * spread[3])
            changed += 1
        if numbers[8] < 0.2:
            image = TF.rgb_to_grayscale(image, 3)
            gray += 1
        torch.testing.assert_close(found[sample], image, atol=2e-3, rtol=0)
    assert 20 < changed < 40
    assert 0 < gray < 20


def test_the_first_view_has_no_jitter() -> None:
    x = images()
    maker = Views(MEAN, STD, crop_padding=0, flip=False)
    batch = back(maker(x, maker.plan(64, 0).randoms))
    torch.testing.assert_close(batch[:64], x.float(), atol=1e-3, rtol=0)
    assert (batch[64:] - x).abs().mean() > 5


def test_one_channel_is_jittered_in_brightness_and_contrast() -> None:
    x = images(channels=1)
    maker = Views((0.0,), (1.0,), crop_padding=0, flip=False)
    plan = maker.plan(64, 0)
    found = maker(x, plan.randoms)[64:]
    for sample in range(64):
        numbers = plan.randoms[sample, 1]
        on = float(numbers[3] < 0.8)
        image = TF.adjust_brightness(x[sample] / 255, 1 + 0.4 * on * float(numbers[4] * 2 - 1))
        image = TF.adjust_contrast(
            image.expand(3, -1, -1), 1 + 0.4 * on * float(numbers[5] * 2 - 1)
        )
        torch.testing.assert_close(found[sample], image[:1], atol=2e-3, rtol=0)


def test_hue_equals_torchvisions() -> None:
    x = torch.rand(8, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    x[0] = 0.5  # grey has no hue
    for turn in (-0.5, -0.1, 0.0, 0.03, 0.1):
        found = x.clone()
        views._turn_hue(found, torch.full((8,), turn))
        torch.testing.assert_close(found, TF.adjust_hue(x, turn), atol=1e-5, rtol=0)


def test_choices_follow_from_seed_and_epoch_alone() -> None:
    plans = {
        (seed, epoch): Views(MEAN, STD, seed=seed).plan(50, epoch)
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    again = Views(MEAN, STD, seed=1).plan(50, 1)
    assert torch.equal(again.randoms, plans[1, 1].randoms)
    assert torch.equal(again.order, plans[1, 1].order)
    orders = {tuple(plan.order.tolist()) for plan in plans.values()}
    assert len(orders) == 4
    assert all(sorted(order) == list(range(50)) for order in orders)


def test_the_source_images_are_left_alone() -> None:
    x = images()
    kept = x.clone()
    maker = Views(MEAN, STD)
    maker(x, maker.plan(64, 0).randoms)
    maker.normalize(x)
    assert torch.equal(x, kept)
