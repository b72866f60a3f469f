"""A batch to play with: weights against autograd in float64, on a page too."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from playwright.sync_api import Page
from support.browser import chromium
from support.played import at, focused, opened, status, watched
from support.runs import tiny
from torch import Tensor

from delog_nb import data, lab, methods
from delog_nb.lab.charts.played import FIGURE, Played
from delog_nb.measure.pairs import contrast_weights

Shown = tuple[Played, Tensor, Tensor, Tensor]


@pytest.fixture(scope="module")
def made() -> Shown:
    """Views, z of the first block, labels; the last image's class is its own."""
    run = tiny(method="delog-scl", batch_size=12)
    views, labels = next(lab.train_batches(run, data.load(run), epoch=0))
    (component, *_) = methods.build(run).parts()
    z = component.objective.projection_head()(component.layers(views))
    labels = torch.tensor([3, 3, 7, 1, 7, 1, 3, 0, 0, 7, 1, 9]).repeat(2)
    shown = lab.batch(views, z, labels, "A batch")
    assert isinstance(shown, Played)
    return shown, views, z.detach(), labels


def gradient(z: Tensor, labels: Tensor, i: int, tau: float) -> tuple[Tensor, Tensor]:
    """tau times the gradient of L_i (Eq. 2) by the unit vector z_i, by autograd; and all z."""
    unit = F.normalize(z.double())
    own = unit[i].clone().requires_grad_()
    loss = torch.zeros((), dtype=torch.float64)
    others = [j for j in range(len(z)) if j != i]
    positives = [p for p in others if labels[p] == labels[i]]
    total = torch.stack([(own @ unit[j] / tau).exp() for j in others]).sum()
    for p in positives:
        loss = loss - ((own @ unit[p] / tau).exp() / total).log() / len(positives)
    (found,) = torch.autograd.grad(loss, own)
    return tau * found, unit


@pytest.mark.parametrize("tau", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("anchor", [0, 17])
def test_the_weights_make_the_gradient_of_the_anchors_loss(
    made: Shown, anchor: int, tau: float
) -> None:
    _, _, z, labels = made
    weights = contrast_weights(z, labels, anchor, tau)
    expected, unit = gradient(z, labels, anchor, tau)
    torch.testing.assert_close(weights @ unit, expected)
    assert weights[anchor] == 0
    assert weights.sum().item() == pytest.approx(0, abs=1e-12)
    assert set((weights < 0).nonzero().flatten().tolist()) == {
        j for j in range(len(z)) if j != anchor and labels[j] == labels[anchor]
    }


def test_an_anchor_without_positives_has_no_weights() -> None:
    z = torch.eye(3)
    assert contrast_weights(z, torch.tensor([0, 1, 1]), 0, 0.1).tolist() == [0, 0, 0]


def test_the_data_are_the_batch(made: Shown) -> None:
    shown, views, z, labels = made
    assert len(json.dumps(shown.data)) < 30_000
    assert shown.outputs()[0][FIGURE]["module"] == "batch"
    assert shown.data["labels"] == labels.tolist()
    cosines = iter(shown.data["cosines"])
    for i in range(len(z)):
        for j in range(i + 1, len(z)):
            exact = F.cosine_similarity(z[i].double(), z[j].double(), dim=0).item()
            assert next(cosines) == pytest.approx(exact, abs=6e-5)
    content = base64.b64decode(shown.data["sprite"].partition(",")[2])
    sheet = Image.open(io.BytesIO(content)).convert("L")
    side = views.shape[3]
    assert sheet.size == (12 * side, 2 * side)
    tile = torch.from_numpy(np.array(sheet.crop((2 * side, side, 3 * side, 2 * side))))
    expected = (views[14] - views.min()) / (views.max() - views.min()) * 255
    assert (tile - expected).abs().max() < 8  # in few tones
    weights = contrast_weights(z, labels, 0, 0.1)
    assert shown.table["Pull (-) or push (+)"].tolist() == pytest.approx(weights[1:].tolist())


@pytest.mark.parametrize(
    ("count", "more", "words"),
    [(3, {}, "got 3 views"), (66, {}, "got 66 views"), (4, {"tau": 2}, "from 0.01 to 1 here")],
)
def test_what_cannot_be_looked_at_is_refused(count: int, more: Any, words: str) -> None:
    views, labels = torch.rand(count, 1, 4, 4), torch.zeros(count).long()
    with pytest.raises(ValueError, match=words):
        lab.batch(views, torch.rand(count, 2), labels, "No", **more)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium(offline=True) as tab:
        yield tab


@pytest.fixture(params=["light", "dark"])
def figure(request: Any, page: Page, made: Shown, tmp_path: Path) -> Iterator[Page]:
    with watched(page):
        yield opened(page, made[0], tmp_path, request.param)


def drawn(page: Page) -> list[float]:
    """Weights as the buttons' names say them: pulls below 0."""
    found = []
    for one in page.locator("[data-view]").all():
        said = (one.get_attribute("aria-label") or "").rpartition(": ")[2]
        number = float(said.split()[1]) if " " in said else 0.0
        found.append(-number if said.startswith("pull") else number)
    return found


def bars(page: Page) -> list[float]:
    found = page.locator(".weight").evaluate_all(
        "bars => bars.map(b => parseFloat(b.style.height))"
    )
    return [float(height) for height in found]


@pytest.mark.browser
def test_an_anchor_is_chosen_and_tau_moves_the_weights(figure: Page, made: Shown) -> None:
    _, _, z, labels = made
    assert drawn(figure) == pytest.approx(contrast_weights(z, labels, 0, 0.1).tolist(), abs=2e-3)
    at(figure, "view-2").click()
    weights = contrast_weights(z, labels, 2, 0.1)
    assert drawn(figure) == pytest.approx(weights.tolist(), abs=2e-3)
    assert bars(figure) == pytest.approx((34 * weights.abs() / weights.abs().max()).tolist(), abs=1)
    assert figure.locator(".positive").count() == 5
    assert figure.locator(".negative").count() == 18
    assert status(figure).startswith("Anchor: view 1 of image 3, class 7. At τ = 0.10: 5 positives")
    at(figure, "tau").focus()
    figure.keyboard.press("End")
    assert "At τ = 1.0:" in status(figure)
    warm = contrast_weights(z, labels, 2, 1.0)
    assert drawn(figure) == pytest.approx(warm.tolist(), abs=2e-3)
    strongest = float(re.search(r"strongest push, ([\d.]+),", status(figure))[1])
    assert strongest == pytest.approx(warm.max().item(), abs=2e-3)


@pytest.mark.browser
def test_arrows_go_from_view_to_view(figure: Page) -> None:
    at(figure, "tau").focus()
    figure.keyboard.press("Tab")  # one stop for all views
    assert focused(figure) == "view-0"
    figure.keyboard.press("ArrowRight")
    figure.keyboard.press("ArrowDown")
    assert focused(figure) == "view-13"
    figure.keyboard.press("Space")
    assert status(figure).startswith("Anchor: view 2 of image 2, class 3.")
    figure.keyboard.press("Tab")
    assert not focused(figure).startswith("view")


@pytest.mark.browser
def test_an_anchor_alone_in_its_class_has_no_loss(page: Page, made: Shown, tmp_path: Path) -> None:
    _, views, z, _ = made
    shown = lab.batch(views[:4], z[:4], torch.tensor([0, 1, 2, 1]), "Alone")
    opened(page, shown, tmp_path)
    assert "has no positives and no loss" in status(page)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 600, 390])
def test_it_scrolls_in_its_own_box(width: int, made: Shown, page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    opened(page, made[0], tmp_path)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
