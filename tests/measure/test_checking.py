"""What `check_method` finds."""

from __future__ import annotations

from typing import Any

import pytest
from support.runs import PLUGINS
from torch import nn

from delog_nb import check_method
from delog_nb.components import Component, CrossEntropy, Method
from delog_nb.experiment import plugins, registry
from delog_nb.methods.early_exit import ExitObjective

CELL = (PLUGINS / "mean_exit.py").read_text().partition("\n\n")[2]


def test_simclr_in_data_parallel_compares_each_sample_with_all_others() -> None:
    """Without ``join`` it would be wrong, and `check_method` says so."""
    source = (PLUGINS / "simclr.py").read_text()
    alone = source.replace("batch.join(self.head(h), batch.samples)", "self.head(h), batch.samples")
    assert alone != source
    registry.use(plugins.Plugin("alone", alone))
    (sentence, *_) = check_method("simclr")
    assert "where two processes share it" in sentence
    assert "batch.join" in sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("r.mean((2, 3))", "r.mean((2, 3)).detach()"), "never gets a gradient"),
        (("batch.labels)", "batch.labels) / 0"), "is not finite: it has to be a finite scalar"),
        (("batch.labels)", "batch.labels, reduction='none')"), "has shape (12,)"),
    ],
)
def test_check_method_says_what_is_wrong(change: tuple[str, str], words: str) -> None:
    registry.use(plugins.Plugin("bad", CELL.replace(*change)))
    assert any(words in sentence for sentence in check_method("mean-exit"))


def test_check_method_finds_a_gradient_that_leaks() -> None:
    class Leaky(Component):
        def forward(self, r: Any, batch: Any) -> Any:
            r, batch, loss = super().forward(r, batch)
            return r, batch, loss + leak.layers[0].weight.sum() * 0

    leak = Component([nn.Conv2d(1, 4, 3, padding=1)], ExitObjective(
        nn.Sequential(nn.Flatten(), nn.Linear(4 * 256, 10))
    ))  # fmt: skip
    leaky = Leaky([nn.Flatten(), nn.Linear(4 * 256, 10)], CrossEntropy())
    said = check_method(Method([leak, leaky]))
    assert "the loss of component 2 has a gradient for component 1" in said[0]
    assert len(said) == len(set(said))
