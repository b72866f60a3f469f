"""``delog-nb methods`` and the page that it writes."""

from __future__ import annotations

import re

import pytest
import torch
from support.runs import ROOT

from delog_nb import methods, records
from delog_nb.cli import main
from delog_nb.experiment import Experiment
from delog_nb.experiment.published import published
from delog_nb.experiment.registry import METHODS


def test_the_page_is_what_the_command_writes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    written = (ROOT / "docs" / "methods.md").read_text()
    (command,) = re.findall(r"Written by `delog-nb (.*?)`", written)
    assert main(command.split()) == 0
    assert written == capsys.readouterr().out, "run the command that the page names"


def test_every_method_of_ours_says_its_loss_and_where_it_is_from() -> None:
    for name in METHODS.own:
        entry = METHODS[name]
        assert entry.loss, name
        assert entry.published or name == "bp", name


def test_published_figures_say_what_they_were_made_with() -> None:
    rows = published()
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    for row in rows:
        assert row["method"] in METHODS
        assert all(row.values()), row
        assert 0 < float(row["test_error"]) < 100


def test_costs_and_errors_are_those_of_the_method_and_its_records(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = ROOT / "results" / "cpu"
    assert main(["methods", "--runs", str(folder), "--width", "0.5"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    part = text[text.index("Delog-SCL (delog-scl)") :]
    built = methods.build(
        Experiment(preset="paper", dataset="cifar10", method="delog-scl", width=0.5)
    )
    count = sum(p.numel() for p in built.parameters())
    assert f"Cost {count:,} parameters in training" in part
    errors = [
        100 - 100 * item.results["test_acc"]
        for item in records.find(folder)
        if isinstance(item, records.Record)
        and item.experiment.method == "delog-scl"
        and item.experiment.net == "vgg"
        and item.experiment.head == "mlp"
        and item.experiment.num_components == 5
    ]
    mean = torch.tensor(errors).mean()
    assert re.search(rf"{mean:.2f} ± [\d.]+ % test error \(n {len(errors)}\)[^%]* VGG", part)
