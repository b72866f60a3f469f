from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import golden
from support.runs import ONCE

KNOWN = json.loads(golden.GOLDEN.read_text())


def same(found: dict[str, Any], known: dict[str, Any]) -> None:
    """Within what another processor's rounding changes in a few steps."""
    assert found.keys() == known.keys()
    for name, case in known.items():
        for row, expected in zip(found[name]["history"], case["history"], strict=True):
            losses = {key: value for key, value in expected.items() if key.startswith("loss_")}
            assert {key: row[key] for key in losses} == pytest.approx(losses, rel=2e-2)
            assert row["lr"] == pytest.approx(expected["lr"])
        assert found[name]["square"] == pytest.approx(case["square"], rel=1e-3)


def test_plain_training_is_what_it_was() -> None:
    found = golden.plain(ONCE)
    same(found, {name: KNOWN["plain"][name] for name in found})


@pytest.mark.long
def test_a_resumed_run_is_the_plain_one(tmp_path: Path) -> None:
    assert KNOWN["resumed"] == KNOWN["plain"]
    found = golden.resumed(tmp_path)
    same(found, KNOWN["plain"])


@pytest.mark.long
def test_processes_train_what_they_did(tmp_path: Path) -> None:
    same(golden.in_processes("pipeline", tmp_path), KNOWN["pipeline"])
    same(golden.in_processes("data_parallel", tmp_path), KNOWN["data parallel"])
