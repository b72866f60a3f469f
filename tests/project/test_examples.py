"""Contrasts in examples/: scripts that are no methods of the package."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from delog_nb import nets

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


def names_of(script: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"{script}.py"))


def net() -> nets.Backbone:
    """Two blocks and a linear classifier, in float64."""
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Conv2d(c, 6, 3), nn.Tanh()) for c in (5, 6)]
    return nets.of_blocks(blocks, (5, 6, 6), 4).double()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_it_is_short_says_why_it_is_no_component_and_runs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 80
    assert "\nIt is no component of delog_nb: " in text
    words = ["--preset", "quick", "--limit", "100", "--epochs", "1"]
    done = subprocess.run(
        [sys.executable, path, *words], capture_output=True, text=True, timeout=120, check=True
    )
    assert re.fullmatch(r"[\w-]+, ConvNet, seed 0: test \d+\.\d ?%\n", done.stdout)


def test_feedback_by_the_classifiers_own_weights_is_backpropagation_to_the_last_block() -> None:
    dfa, own = names_of("dfa"), net()
    r, y = torch.randn(8, 5, 6, 6).double(), torch.arange(8) % 4
    (linear,) = [m for m in own.classifier.modules() if isinstance(m, nn.Linear)]
    matrices = [torch.randn(4, 6 * 4 * 4).double(), linear.weight.detach()]
    dfa["backward"](own, matrices, r, y)
    found = [p.grad.clone() for p in own.parameters() if p.grad is not None]
    own.zero_grad()
    F.cross_entropy(own(r), y).backward()
    exact = [p.grad for p in own.parameters() if p.grad is not None]
    assert len(found) == len(exact) == 6
    for a, b in zip(found[2:], exact[2:], strict=True):
        torch.testing.assert_close(a, b)
    assert not torch.allclose(found[0], exact[0])


def test_forward_forward_gives_each_block_the_gradient_of_its_own_loss() -> None:
    ff, own = names_of("forward_forward"), net()
    views, y = torch.randn(8, 1, 6, 6).double(), torch.arange(8) % 4
    torch.manual_seed(1)
    ff["backward"](own, views, y)
    torch.manual_seed(1)
    wrong = (y + torch.randint_like(y, 1, 4)) % 4
    assert not (wrong == y).any()
    kernel = own.blocks[0][0].weight.detach().clone().requires_grad_()
    total = torch.zeros(()).double()
    for labels, sign in ((y, -1), (wrong, 1)):
        for image, label in zip(views, labels.tolist(), strict=True):
            planes = torch.zeros(4, 6, 6).double()
            planes[label] = 1
            out = F.conv2d(torch.cat([image, planes])[None], kernel, own.blocks[0][0].bias).tanh()
            goodness = sum(out[0, c].square().mean() for c in range(6))
            total = total + (1 + (sign * (goodness - 6)).exp()).log() / 8
    (expected,) = torch.autograd.grad(total, kernel)
    torch.testing.assert_close(own.blocks[0][0].weight.grad, expected)
