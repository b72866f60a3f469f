"""Many records as one table: rows of plain values, for programs and for people."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from delog_nb.experiment.registry import METHODS, NETS
from delog_nb.instruments.spread import mean_and_std
from delog_nb.records.record import Record

Group = tuple[str, str, Any]  # labels of data set and net, value of a field (the method's name)


def grouped(records: Iterable[Record], by: str = "method") -> dict[Group, list[Record]]:
    """Records by data set, net and the field ``by``, in the registry's order; seeds together.

    The values of other fields than the method come in the order of the records.
    """
    records = list({record.run_id: record for record in records}.values())  # a run is one seed
    experiments = sorted(
        (r.experiment for r in records), key=lambda e: (NETS.place(e.net), e.depth)
    )
    nets = list(dict.fromkeys(e.net_label for e in experiments))
    values = list(dict.fromkeys(r.experiment.get(by) for r in records))
    places = sorted(values, key=METHODS.place) if by == "method" else values

    def key(record: Record) -> Group:
        e = record.experiment
        return e.data_label, e.net_label, e.get(by)

    def order(record: Record) -> tuple[str, int, int, int]:
        label, net, value = key(record)
        return label, nets.index(net), places.index(value), record.experiment.seed

    return {group: list(runs) for group, runs in groupby(sorted(records, key=order), key)}


def by_epoch(runs: Iterable[Record], column: str) -> dict[int, list[float]]:
    """Values of a history column over ``runs``, by epoch."""
    values: dict[int, list[float]] = {}
    for run in runs:
        for row in run.history:
            value = row[column]
            if value is not None:
                values.setdefault(int(row["epoch"] or 0), []).append(float(value))
    return dict(sorted(values.items()))


def diverged(record: Record) -> bool:
    """Whether the run ended without an accuracy."""
    return record.results.get("state") == "diverged"


def outcome(record: Record, text: str) -> str:
    """``text`` with the results put in, and the test accuracy as ``percent``.

    Of a run that diverged, where it did.
    """
    results = record.results
    if diverged(record):
        return "diverged in epoch {epoch}, step {step} (component {component})".format(
            **results["diverged"]
        )
    return text.format(percent=100 * results["test_acc"], **results)


def precisions(records: Iterable[Record]) -> str:
    """What the runs computed in: one precision, or several by commas."""
    return ", ".join(sorted({r.results.get("precision", "unknown") for r in records}))


def summary(records: Iterable[Record]) -> list[dict[str, Any]]:
    """A row per data set, net and method: mean and standard deviation over seeds.

    Accuracies are shares (0 to 1) after the last epoch, and at the epoch that validation chooses;
    ``sec_per_epoch`` is training alone; ``peak_train_mb`` counts live tensors of a training step.
    Runs that diverged are counted in ``seeds``; all figures are those of the others.
    """
    return [_row(label, runs) for (label, _, _), runs in grouped(records).items()]


def _row(label: str, runs: list[Record]) -> dict[str, Any]:
    finished = [run for run in runs if not diverged(run)]
    first = (finished or runs)[0]

    def column(name: str) -> tuple[float, float]:
        values = [run.results[name] for run in finished]
        return mean_and_std([float(value) for value in values if value is not None])

    test, chosen = column("test_acc"), column("test_acc_at_best_val")
    return {
        "dataset": first.experiment.dataset,
        "data_label": label,
        "net": first.experiment.net,
        "net_label": first.experiment.net_label,
        "method": first.experiment.method,
        "method_label": first.experiment.method_label,
        "seeds": len(runs),
        "diverged": len(runs) - len(finished),
        "precision": precisions(runs),
        "epochs": first.results["epochs"],
        "test_acc_mean": test[0],
        "test_acc_std": test[1],
        "test_acc_at_best_val_mean": chosen[0],
        "test_acc_at_best_val_std": chosen[1],
        "test_acc_best_over_epochs_mean": column("test_acc_best_over_epochs")[0],
        "train_params": first.results["train_params"],
        "inference_params": first.results["inference_params"],
        "sec_per_epoch": column("sec_per_epoch")[0],
        "eval_sec_per_epoch": column("eval_sec_per_epoch")[0],
        "peak_train_mb": column("peak_train_mb")[0],
    }


def percent(mean: float, std: float = math.nan) -> str:
    """Mean and deviation of a share, as a table shows them.

    >>> percent(0.9812, 0.0041)
    '98.12 ± 0.41'
    """
    spread = "" if math.isnan(std) else f" ± {100 * std:.2f}"
    return _number(100 * mean, ".2f") + spread


def _number(value: float, digits: str) -> str:
    return "–" if math.isnan(value) else f"{value:{digits}}"


def summary_for_people(rows: Iterable[Mapping[Any, Any]]) -> list[dict[str, str]]:
    """The rows of `summary` with names, units and rounding for reading."""
    return [
        {
            "Data": row["data_label"],
            "Net": row["net_label"],
            "Method": row["method_label"],
            "Seeds": f"{row['seeds']}" + _failures(row["diverged"]),
            "Precision": row["precision"],
            "Test accuracy, last epoch (%)": percent(row["test_acc_mean"], row["test_acc_std"]),
            "Test accuracy, epoch chosen on validation (%)": percent(
                row["test_acc_at_best_val_mean"], row["test_acc_at_best_val_std"]
            ),
            "Best over epochs (%, optimistic)": percent(row["test_acc_best_over_epochs_mean"]),
            "Parameters in training": f"{row['train_params']:,}",
            "Parameters at inference": f"{row['inference_params']:,}",
            "Training (s per epoch)": _number(row["sec_per_epoch"], ".2f"),
            "Peak memory of a step (MB)": _number(row["peak_train_mb"], ".1f"),
        }
        for row in rows
    ]


def _failures(count: int) -> str:
    return f", {count} diverged" if count else ""


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as comma-separated values below their names; NaN is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    # NaN is the one value that differs from itself
    writer.writerows({k: v if v == v else "" for k, v in row.items()} for row in rows)
    return text.getvalue()


def aligned(lines: Sequence[Sequence[str]], gap: str = " ") -> str:
    """Lines of cells as text, in columns that end on the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        gap.join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def side_by_side(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of `summary_for_people` as text, each one a column."""
    longest = max(map(len, rows[0]))
    lines = [[name.ljust(longest), *(row[name] for row in rows)] for name in rows[0]]
    return aligned(lines, gap="  ")
