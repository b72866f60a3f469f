"""``delog-nb claims`` and ``delog-nb power``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.made import made
from support.runs import ROOT

from delog_nb.cli import main
from delog_nb.course.claims import CLAIMS
from delog_nb.course.own_claims import OURS
from delog_nb.records import save


def test_the_page_of_claims_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "--markdown", "--results", str(ROOT / "results")]) == 0
    printed = capsys.readouterr().out
    assert printed == (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(#([^)]+)\)", printed)
    titles = re.findall(r"^## (.+)$", printed, re.MULTILINE)
    assert len(links) == len(titles) == len(CLAIMS) + len(OURS)


def test_every_claim_and_comparison_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["claims", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert all(claim.name in printed for claim in (*CLAIMS, *OURS))
    assert "not decided (n = 0)" in printed
    assert "the planned seeds, first" in printed


def test_power_at_a_spread(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", "--spread", "1.5", "--comparisons", "2"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    gaps = {int(n): float(gap) for n, gap in rows}
    rng = np.random.default_rng(0)
    draws = rng.normal(gaps[5], 1.5, (20_000, 5))
    t = draws.mean(1) / (draws.std(1, ddof=1) / 5**0.5)
    # 3.495: Student's t at 1 - .05 / 4 with 4 degrees of freedom, from a table
    assert (abs(t) > 3.495).mean() == pytest.approx(0.8, abs=0.01)


def test_power_of_the_plan_takes_the_spread_that_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, (bp, scl) in enumerate([(0.5, 0.51), (0.5, 0.53)]):
        for method, share in (("bp", bp), ("delog-scl", scl)):
            run = made(share, method=method, seed=seed, dataset="folder", data_dir="x",
                       data_id="0" * 16, dataset_label="CIFAR-10")  # fmt: skip
            save(run, tmp_path / "cpu")
    assert main(["power", "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (known,) = [line for line in lines if re.match(r" *1 +Delog-SCL − BP, ConvNet +long ", line)]
    assert "1.4" in known  # the deviation of .01 and .03, in points
    assert known.endswith("pilot, 2 seeds")
    assert "nothing yet" in "".join(lines)


@pytest.mark.parametrize("command", ["claims", "power"])
def test_a_folder_that_is_none_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--results", str(tmp_path / "none")]) == 2
    assert "none is not a folder" in capsys.readouterr().err
