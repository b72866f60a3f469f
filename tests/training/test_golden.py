from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import golden
from support.runs import ONCE, PAIRS

KNOWN = json.loads(golden.GOLDEN.read_text())


def same(found: dict[str, Any], known: dict[str, Any]) -> None:
    """Within what another processor's rounding changes in a few steps."""
    for name, run in found.items():
        case = known[name]
        for row, expected in zip(run["history"], case["history"], strict=True):
            losses = {key: value for key, value in expected.items() if key.startswith("loss_")}
            assert {key: row[key] for key in losses} == pytest.approx(losses, rel=2e-2)
            assert row["lr"] == pytest.approx(expected["lr"])
        assert run["square"] == pytest.approx(case["square"], rel=1e-3)


def test_plain_training_is_what_it_was() -> None:
    found = golden.plain(ONCE)
    same(found, KNOWN["plain"])


@pytest.mark.long
def test_every_method_trains_what_it_did_on_every_net() -> None:
    assert KNOWN["plain"].keys() == {f"{method} {net}" for method, net in PAIRS}
    same(golden.plain([pair for pair in PAIRS if pair not in ONCE]), KNOWN["plain"])


@pytest.mark.long
def test_processes_that_share_a_batch_train_what_they_did(tmp_path: Path) -> None:
    found = golden.data_parallel(tmp_path)
    assert found.keys() == KNOWN["data parallel"].keys() == {f"{m} {net}" for m, net in ONCE}
    same(found, KNOWN["data parallel"])
