"""Records as the paper's tables: one cell a setting, mean and deviation over seeds, marks."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from delog_nb.course.paired import Difference, difference, holm, p_text
from delog_nb.experiment import ExperimentError
from delog_nb.experiment.registry import METHODS, NETS, end_to_end
from delog_nb.grids.grid import Layout
from delog_nb.lab.charts.exhibit import table_html
from delog_nb.lab.runs.curves import value_label
from delog_nb.records import Record, mean_and_std
from delog_nb.records.summary import diverged, percent, precisions

LABELS = {
    "val_acc": "Validation accuracy, last epoch (%)",
    "test_acc": "Test accuracy, last epoch (%)",
    "test_acc_at_best_val": "Test accuracy, epoch chosen on validation (%)",
    "test_acc_best_over_epochs": "Best test accuracy over epochs (%, optimistic)",
    "train_params": "Parameters in training",
    "inference_params": "Parameters at inference",
    "sec_per_epoch": "Training (s per epoch)",
    "eval_sec_per_epoch": "Evaluation (s per epoch)",
    "peak_train_mb": "Peak memory of a step (MB)",
}


@dataclass(frozen=True)
class Cell:
    """One setting's result: by seed, with its marks.

    ``best``: the highest accuracy of its column, BP left out where rows are methods. ``beats_bp``:
    its mean is above BP's. ``difference`` is to BP, or to the column's best where rows are no
    methods; p is corrected for the number of cells of the table. ``diverged`` runs have no result.
    """

    row: str
    column: str
    value: str
    by_seed: dict[int, float]
    precision: str
    diverged: int = 0
    best: bool = False
    beats_bp: bool = False
    difference: Difference | None = None

    @property
    def mean(self) -> float:
        return mean_and_std(list(self.by_seed.values()))[0]

    @property
    def std(self) -> float:
        return mean_and_std(list(self.by_seed.values()))[1]

    @property
    def text(self) -> str:
        """Mean and deviation, without marks."""
        if "acc" in self.value:
            return percent(self.mean, self.std)
        if "params" in self.value:
            return f"{self.mean:,.0f}"
        spread = "" if math.isnan(self.std) else f" ± {self.std:.2f}"
        return f"{self.mean:.2f}{spread}"


def cells(records: Sequence[Record], layout: Layout) -> list[Cell]:
    """The table's cells, row by row.

    Raises:
        ExperimentError: runs that would share a cell differ in more than their seed.
    """
    groups: dict[tuple[Any, Any], list[Record]] = {}
    for record in sorted(records, key=_order):
        e = record.experiment
        groups.setdefault((getattr(e, layout.rows), getattr(e, layout.columns)), []).append(record)
    found = []
    for value in layout.values:
        made = {key: _cell(runs, layout, value) for key, runs in groups.items()}
        found += _marked(made, layout) if "acc" in value else list(made.values())
    return found


_SHARED = {"seed", "device", "precision", "preset", "data_dir"}  # runs of one cell may differ here


def _order(record: Record) -> tuple[int, int, int]:
    e = record.experiment
    return NETS.place(e.net), METHODS.place(e.method), e.seed


def _cell(runs: list[Record], layout: Layout, value: str) -> Cell:
    first = runs[0].experiment
    for run in runs[1:]:
        for name in (first.choices() | run.experiment.choices()).keys() - _SHARED:
            own, other = first.get(name), run.experiment.get(name)
            if own != other:
                raise ExperimentError(
                    f"{runs[0].folder} and {run.folder} would share a cell of the table but differ "
                    f"in {name}: {own} and {other}; tabulate the runs of a grid file"
                )
    return Cell(
        row=value_label(layout.rows, first),
        column=value_label(layout.columns, first),
        value=value,
        by_seed={
            r.experiment.seed: float(r.results[value])
            for r in runs
            if not diverged(r) and r.results.get(value) is not None
        },
        precision=precisions(runs),
        diverged=sum(map(diverged, runs)),
    )


def _marked(made: dict[tuple[Any, Any], Cell], layout: Layout) -> list[Cell]:
    marked = {}
    for (row, column), cell in made.items():
        rivals = {r: c for (r, k), c in made.items() if k == column}
        bp = rivals.pop(end_to_end() if layout.rows == "method" else None, None)
        top = max((c.mean for c in rivals.values() if c.by_seed), default=math.nan)
        best = row in rivals and cell.mean == top
        reference = bp or next((c for c in rivals.values() if c.mean == top), None)
        marked[row, column] = replace(
            cell,
            best=best and len(rivals) > 1,
            beats_bp=bp is not None and cell.mean > bp.mean,
            difference=(
                difference(cell.by_seed, reference.by_seed)
                if reference is not None and reference is not cell
                else None
            ),
        )
    tested = [key for key, cell in marked.items() if cell.difference is not None]
    corrected = holm([d for key in tested if (d := marked[key].difference) is not None])
    for key, corrected_difference in zip(tested, corrected, strict=True):
        marked[key] = replace(marked[key], difference=corrected_difference)
    return list(marked.values())


def numbers(found: Sequence[Cell]) -> pd.DataFrame:
    """A row per cell: figures, marks and the paired test, for programs to read."""
    return pd.DataFrame(
        [
            {
                "row": cell.row,
                "column": cell.column,
                "value": cell.value,
                "seeds": len(cell.by_seed),
                "diverged": cell.diverged,
                "precision": cell.precision,
                "mean": cell.mean,
                "std": cell.std,
                "best": cell.best,
                "beats_bp": cell.beats_bp,
                "difference": cell.difference.mean if cell.difference else None,
                "p": cell.difference.p if cell.difference else None,
                "verdict": str(cell.difference or ""),
            }
            for cell in found
        ]
    )


def table(found: Sequence[Cell], layout: Layout, style: str) -> pd.DataFrame:
    """The cells as text in rows and columns; ``style`` is markdown, latex or html."""
    mixed = len({cell.precision for cell in found}) > 1
    rows: dict[str, dict[str, str]] = {}
    for cell in found:
        column = cell.column
        if len(layout.values) > 1:
            column = f"{cell.column}: {LABELS[cell.value]}"
        precision = f" ({cell.precision})" if mixed else ""
        rows.setdefault(cell.row, {})[column] = _marks(cell, style) + precision
    frame = pd.DataFrame.from_dict(rows, orient="index").fillna("–")
    frame.insert(0, layout.rows.replace("_", " ").capitalize(), frame.index)
    return frame


def differences(found: Sequence[Cell]) -> pd.DataFrame:
    """The paired tests for reading: difference in points, seeds, p, and what to call it."""
    tested = [(c, c.difference) for c in found if c.difference is not None]
    return pd.DataFrame(
        {
            "Setting": [f"{c.row}, {c.column}" for c, _ in tested],
            "Difference (points)": [f"{100 * d.mean:+.2f}" for _, d in tested],
            "Seeds": [d.seeds for _, d in tested],
            "p": [p_text(d.p) for _, d in tested],
            "Verdict": [str(d) for _, d in tested],
        }
    )


def legend(found: Sequence[Cell], layout: Layout) -> str:
    """What the numbers and marks mean, in a sentence or two."""
    seeds = sorted({len(cell.by_seed) for cell in found})
    count = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    text = f"{LABELS[layout.values[0]]}. " if len(layout.values) == 1 else ""
    text += "One seed" if count == "1" else f"Mean ± standard deviation over {count} seeds"
    kinds = {cell.precision for cell in found}
    text += f", in {kinds.pop()}." if len(kinds) == 1 else "; precision in brackets."
    if failed := [cell for cell in found if cell.value == layout.values[0] and cell.diverged]:
        text += " Diverged, and not in the mean: "
        text += ", ".join(f"{cell.diverged} of {cell.row}, {cell.column}" for cell in failed) + "."
    of_methods = layout.rows == "method"
    if any(cell.best for cell in found):
        text += f" Bold: the best {'method other than BP' if of_methods else 'of its column'}."
    if any(cell.beats_bp for cell in found):
        text += " †: mean above BP's."
    if any(cell.difference for cell in found):
        text += f" ≈: the difference from {'BP' if of_methods else 'the best'} is within noise"
        text += " (paired t test over seeds, Holm's correction, p not below 0.05)."
    return text


def _noise(cell: Cell) -> bool:
    return cell.difference is not None and cell.difference.within_noise


def _latex(text: str) -> str:
    return text.replace("±", r"$\pm$").replace("–", "--")


# how text is escaped, the best cell, a mean above BP's, and a difference within noise
_STYLES: dict[str, tuple[Callable[[str], str], str, str, str]] = {
    "markdown": (str, "**{}**", "†", " ≈"),
    "latex": (_latex, r"\textbf{{{}}}", r"$^\dagger$", r" $\approx$"),
    "html": (html.escape, "<b>{}</b>", "†", " ≈"),
}


def _marks(cell: Cell, style: str) -> str:
    escape, best, above, noise = _STYLES[style]
    text = best.format(escape(cell.text)) if cell.best else escape(cell.text)
    return text + above * cell.beats_bp + noise * _noise(cell)


def to_markdown(frame: pd.DataFrame) -> str:
    """A table in GitHub's Markdown."""
    lines = [list(frame.columns), ["---"] * len(frame.columns)]
    lines += [[str(value) for value in row] for row in frame.itertuples(index=False)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def to_latex(frame: pd.DataFrame, caption: str) -> str:
    """A table for LaTeX with booktabs; the cells are LaTeX already."""

    return frame.rename(columns=escape_latex).to_latex(
        index=False,
        escape=False,
        caption=escape_latex(caption),
        column_format=f"l{'r' * (len(frame.columns) - 1)}",
    )


def escape_latex(text: str) -> str:
    """Plain text with LaTeX's special characters escaped.

    >>> escape_latex("50 % ± 1_a")
    '50 \\\\% $\\\\pm$ 1\\\\_a'
    """
    for plain in "&%$#_{}":
        text = text.replace(plain, "\\" + plain)
    symbols = {"±": r"$\pm$", "†": r"$\dagger$", "≈": r"$\approx$", "–": "--"}
    for plain, latex in symbols.items():
        text = text.replace(plain, latex)
    return text


def to_html(frame: pd.DataFrame) -> str:
    """A table for a page; the cells are HTML already."""
    return table_html(frame, (str(frame.columns[0]),), marked_up=True)
