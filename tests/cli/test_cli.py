from __future__ import annotations

import csv
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from support.runs import PAIRS

from delog_nb import records
from delog_nb.cli import main
from delog_nb.experiment import PARAMETERS
from delog_nb.experiment.registry import METHODS

SMALL = ["--preset", "quick", "--limit", "100", "--epochs", "1"]


def compare(out: Path, *words: str) -> int:
    return main(["compare", *SMALL, "--out", str(out), *words])


def test_compare_leaves_table_page_and_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(tmp_path, "--seeds", "2", "--methods", "bp,delog-scl") == 0
    table = pd.read_csv(tmp_path / "summary.csv")
    assert list(table["method"]) == ["bp", "delog-scl"]
    assert list(table["seeds"]) == [2, 2]
    asked = "dataset net method seeds test_acc_mean test_acc_std train_params inference_params"
    assert {*asked.split(), "sec_per_epoch", "peak_train_mb"} <= set(table.columns)
    kept = [r for r in records.find(tmp_path) if isinstance(r, records.Record)]
    assert len(kept) == 4
    shares = pd.Series([r.results["test_acc"] for r in kept if r.experiment.method == "bp"])
    row = table.set_index("method").loc["bp"]
    assert row["test_acc_mean"] == pytest.approx(shares.mean())
    assert row["test_acc_std"] == pytest.approx(shares.std())
    assert (tmp_path / "report.html").stat().st_size > 1e6  # plotly is inside
    shown = capsys.readouterr()
    assert "Delog-SCL" in shown.out
    assert "Delog-SCL, ConvNet, seed 1: test " in shown.err
    assert "(4 of 4 done, 0 running, 0 failed)" in shown.err
    assert "\r" not in shown.err  # plain lines where there is no terminal

    written = {r.folder: (r.folder / "record.json").stat().st_mtime_ns for r in kept if r.folder}
    assert compare(tmp_path, "--seeds", "2") == 0  # two methods more, none again
    assert len(pd.read_csv(tmp_path / "summary.csv")) == len(METHODS)
    assert all((f / "record.json").stat().st_mtime_ns == at for f, at in written.items())


def test_train_says_where_the_record_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *SMALL, "--method", "al", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    (record,) = records.find(tmp_path)
    assert isinstance(record, records.Record)
    assert f"Record: {record.folder}" in shown.out
    assert "epoch 1, test" in shown.err


def test_params_csv_is_the_parameter_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["params", "--csv", "--dataset", "cifar10"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert list(rows[0]) == ["net", "method", "train_params", "inference_params"]
    assert {(r["method"], r["net"]) for r in rows} == set(PAIRS)
    found = {(r["net"], r["method"]): (r["train_params"], r["inference_params"]) for r in rows}
    assert found["vgg", "delog-scl"] == ("69616118", "11938294")
    assert found["resnet", "al"] == ("326270598", "35034598")
    assert main(["params"]) == 0
    assert "57,677,824" in capsys.readouterr().out


def test_compare_leaves_out_what_does_not_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--preset", "quick", "--limit", "64", "--epochs", "1", "--width", "0.05"]
    words = ["compare", "--nets", "vgg", "--seeds", "1", "--out", str(tmp_path), *small]
    assert main([*words, "--methods", "gim,cwcomp,bp"]) == 0
    assert pd.read_csv(tmp_path / "summary.csv")["method"].tolist() == ["bp"]
    said = "method = gim does not go on net = vgg: its blocks halve the side four times"
    narrow = "cwcomp needs at least a channel for each class: features of 6 channels"
    shown = capsys.readouterr().out
    assert f"\nLeft out: {said}" in shown
    assert f"\nLeft out: method = cwcomp does not go on net = vgg here: {narrow}" in shown
    assert f"Left out: {said}" in (tmp_path / "report.html").read_text()
    for method, why in (("gim", said), ("cwcomp", narrow)):
        assert main([*words, "--methods", method]) == 2
        assert why in capsys.readouterr().err


def test_doctor_finds_nothing_wrong_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 8
    assert all(line.startswith("[OK]") for line in lines)


def test_doctor_names_the_precisions_of_the_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("delog_nb.training.pick_device", lambda _name: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_options: True)
    main(["doctor"])
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("[OK]   device"))
    assert line.endswith("bf16 by itself, float32 or tf32 on request")


def test_doctor_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DELOG_NB_CACHE", str(tmp_path / "file" / "cache"))
    assert main(["doctor"]) == 1
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("[FAIL]"))
    assert "cache" in line
    assert "Point DELOG_NB_CACHE" in line


@pytest.mark.parametrize("command", ["train", "compare", "params"])
def test_every_field_is_a_flag_with_help_and_default(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    left_out = {"train": (), "compare": ("method", "net", "seed"), "params": ("method", "net")}
    for name, parameter in PARAMETERS.items():
        if name not in left_out[command]:
            assert "--" + name.replace("_", "-") in shown
            assert " ".join(parameter.help.split()[:3]) in shown
            assert f"(default: {parameter.default_text.split()[0]}" in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "--epoch", "3"], "does not take '--epoch' (did you mean --epochs?)"),
        (["train", "--epochs", "0"], "epochs = '0' is not allowed: a whole number from 1"),
        (["train", "--epochs", "many"], "epochs = 'many' is not allowed"),
        (["train", "--methods", "bp"], "does not take '--methods' (did you mean --method?)"),
        (["compare", "--methods", "bp,delog"], "method = 'delog' is not allowed"),
        (
            ["compare", "--methods", "bp,al,bp"],
            "methods = 'bp,al,bp' is not allowed: bp",
        ),
        (["compare", "--nets", "vgg,vgg"], "nets = 'vgg,vgg' is not allowed: vgg stands twice"),
        (["train", "--plugin"], "argument --plugin: expected one argument: see 'delog-nb --help'"),
        (
            ["train", "--optimizer", "sgd", "--momentum", "1"],
            "momentum = '1' is not allowed: a number from 0 to below 1",
        ),
        (["train", "--optimizer", "adma"], "one of adam, adamw, sgd (did you mean 'adam'?)"),
        (["train", "--checkpoint-every", "-1"], "checkpoint-every = '-1' is not allowed"),
        (["compare", "--seeds", "0"], "seeds = '0' is not allowed: a whole number from 1 up"),
        (["compare", "--nets", "vgg", "--dataset", "digits", "--image-size", "8"], "too small"),
        (["trian"], "see 'delog-nb --help'"),
        (["train", "--dataset", "folder"], "needs data_dir"),
        (["train", "--dataset", "folder", "--data-dir", "/no/such"], "/no/such does not exist"),
    ],
)
def test_mistakes_get_one_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = ["--out", str(tmp_path)] if len(words) > 1 else []
    assert main([*words, *out]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert sentence in shown.err
    assert len(shown.err.splitlines()) == 1


def test_help_loads_neither_torch_nor_plotly() -> None:
    code = (
        "import sys; from delog_nb.cli import main; main([])\n"
        "assert not {'torch', 'plotly', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_core_loads_no_widgets_figures_or_tables() -> None:
    code = (
        "import sys, delog_nb, delog_nb.records; delog_nb.train; delog_nb.data.load\n"
        "assert not {'plotly', 'ipywidgets', 'pandas', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.long
def test_ctrl_c_keeps_what_is_finished_and_says_where(tmp_path: Path) -> None:
    """A real process, interrupted in its second run."""
    command = [sys.executable, "-m", "delog_nb", "compare", *SMALL, "--methods", "bp,al"]
    command += ["--epochs", "60", "--seeds", "1", "--workers", "1", "--out", str(tmp_path)]
    command += ["--checkpoint-every", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob("*-al-*/checkpoint.pt")):
            with pytest.raises(subprocess.TimeoutExpired):  # it is still there
                process.wait(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"1 of 2 runs are finished and kept in {tmp_path}; the same command goes" in errors
    assert "Traceback" not in errors
    assert len(pd.read_csv(tmp_path / "summary.csv")) == 1
    assert list(tmp_path.glob("*-al-*/checkpoint.pt"))  # its epochs are not lost


@pytest.mark.long
def test_real_colour_photographs_end_to_end(cifar10_jpeg: Path, tmp_path: Path) -> None:
    """The comparison on a thousand JPEG files: each method learns, the page names the data."""
    methods = ("bp", "early-exit", "al", "delog-scl")
    words = ["compare", "--methods", ",".join(methods)]
    words += ["--dataset", "folder", "--data-dir", str(cifar10_jpeg)]
    words += ["--dataset-label", "CIFAR-10 (JPEG)", "--preset", "quick", "--limit", "1000"]
    words += ["--epochs", "5", "--batch-size", "32", "--seeds", "1", "--out", str(tmp_path)]
    assert main(words) == 0
    table = pd.read_csv(tmp_path / "summary.csv")
    assert list(table["method"]) == list(methods)
    assert set(table["data_label"]) == {"CIFAR-10 (JPEG)"}
    # 200 test images, 10 classes: chance is 10 % with a deviation of 2 %
    assert (table["test_acc_best_over_epochs_mean"] > 0.16).all(), table
    for record in records.find(tmp_path):
        assert isinstance(record, records.Record)
        first, last = record.history[0], record.history[-1]
        assert all(last[k] < first[k] for k in first if k.startswith("loss_"))  # type: ignore
    assert "CIFAR-10 (JPEG)" in (tmp_path / "report.html").read_text()
