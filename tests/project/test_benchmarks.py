"""The parts of the benchmarks that figures depend on; nothing here is timed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.runs import EACH, narrow, tiny

from benchmarks import __main__ as all_of_them
from benchmarks import epoch, gpu, plain, scale
from benchmarks.common import (
    Goal,
    Report,
    agree,
    command,
    difference,
    interleaved,
    made_up,
    ours,
    ratio,
    table,
)
from benchmarks.common import Turn as T
from delog_nb import methods
from delog_nb.training import make_optimizers


@pytest.mark.parametrize(("name", "net"), EACH)
def test_twenty_steps_of_ours_equal_the_plain_ones(name: str, net: str) -> None:
    experiment = tiny(method=name, net=net, width=narrow(net), image_size=16)
    one, other = methods.build(experiment).double(), methods.build(experiment).double()
    other.to(memory_format=torch.channels_last)
    adam, adams = plain.adam(one, experiment), make_optimizers(other, experiment)
    generator = torch.Generator().manual_seed(0)
    r = torch.randn(6, 1, 16, 16, generator=generator, dtype=torch.float64)
    t = torch.randint(0, 3, (6,), generator=generator)
    for number in range(20):
        torch.manual_seed(number)
        expected = plain.step(one, adam, r, t)
        torch.manual_seed(number)
        found = ours(other, adams, r, t)
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)


def test_a_checkpointed_step_equals_one_of_bp() -> None:
    experiment = tiny(method="bp", width=0.1, depth=6)
    one, other = methods.build(experiment).double(), methods.build(experiment).double()
    adam, adam2 = plain.adam(one, experiment), plain.adam(other, experiment)
    r, t = torch.randn(8, 1, 16, 16, dtype=torch.float64), torch.arange(8)
    for _ in range(3):
        expected = plain.step(one, adam, r, t)
        found = plain.checkpointed_step(other.parts()[0], adam2, r, t)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("what", scale.GROWS)
def test_whatever_grows_is_measured(what: str) -> None:
    seconds, megabytes = scale.point(what, 16)
    assert seconds > 0
    assert megabytes > 0


def test_an_epoch_is_taken_apart() -> None:
    row = epoch.epoch_of("delog-scl", "lesson", made_up(64, 16, side=16))
    parts = ("forward", "backward", "optimizer", "evaluation")
    assert all(0 < float(row[part].rstrip("%")) < 100 for part in parts)
    assert 0 < row["outside %"] < 100


def test_turns_alternate_and_the_first_round_is_not_counted() -> None:
    seen: list[str] = []
    turns = {name: T(lambda name=name: seen.append(name)) for name in "ab"}
    seconds = interleaved(turns, 2)
    assert "".join(seen) == "ababab"
    assert {name: len(values) for name, values in seconds.items()} == {"a": 2, "b": 2}
    assert ratio([4.0, 9.0, 1.0], [2.0, 3.0, 1.0]) == 2


def test_disagreement_stops_the_benchmark() -> None:
    assert difference(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.0])) == 0
    agree("x", 1e-6, 1e-5)
    for error in (1e-4, float("nan")):
        with pytest.raises(SystemExit, match="x: results differ"):
            agree("x", error, 1e-5)


def test_a_report_says_which_goals_are_met() -> None:
    report = Report("x", "X", "note", [{"a": 1, "b": 0.123456}, {"a": None, "b": 1234.5}])
    report.at_least("fast", [3.0, 5.0], 4)
    report.at_most("small", [0.1], 0.1)
    assert report.goals == [
        Goal("fast", "3.00 (smallest)", False),
        Goal("small", "0.1 (largest)", True),
    ]
    assert "- NOT MET: fast; reached 3.00" in report.text()
    assert table(report.rows).splitlines()[2:] == ["| 1 | 0.123 |", "|   | 1234  |"]


def test_only_what_is_between_the_marks_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "README.md"
    begin, end = all_of_them.BEGIN, all_of_them.END
    page.write_text(f"above\n{begin}\n\n## A\n\nold\n\n## B\n\nstays\n\n{end}\nbelow\n")
    monkeypatch.setattr(all_of_them, "README", page)
    all_of_them.write_readme("A", "## A\n\nnew")
    all_of_them.write_readme("C", "## C\n\nadded")
    assert page.read_text() == (
        f"above\n{begin}\n\n## A\n\nnew\n\n## B\n\nstays\n\n## C\n\nadded\n\n{end}\nbelow\n"
    )
    assert all_of_them.BEGIN in Path(all_of_them.__file__).with_name("README.md").read_text()


def test_the_gpu_benchmark_steps_like_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "DEVICE", torch.device("cpu"))
    experiment = gpu.experiment_of("convnet", images=4, width=0.05).but(
        precision="float32", device="cpu"
    )
    images = gpu.made_up(12, 4)
    one = gpu.Stepper(experiment, images)
    other = gpu.Stepper(experiment, images, summed=True)
    for _ in range(4):  # more steps than batches
        torch.testing.assert_close(one.step(), other.step(), rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_its_benchmark_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["gpu", "--json", "never.json"])
    command(gpu.measure, gpu.MISSING)
    assert capsys.readouterr().out == f"{gpu.MISSING}\n"
    assert "gpu" not in all_of_them.NAMES
