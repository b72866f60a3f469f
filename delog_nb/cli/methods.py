"""``delog-nb methods``: what every method learns from, and what it costs beside BP."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from delog_nb.cli.shared.flags import (
    add_experiment_flags,
    add_force_flag,
    experiment_values,
    path_of,
)
from delog_nb.experiment import Experiment, ExperimentError, experiments_of
from delog_nb.experiment.entries import MethodEntry
from delog_nb.experiment.published import published
from delog_nb.experiment.registry import FIELDS, METHODS, NETS, end_to_end
from delog_nb.experiment.rules import refusals
from delog_nb.instruments.run_files import PROBES

if TYPE_CHECKING:
    from delog_nb.records import Record

END_TO_END = end_to_end()
Lines = list[tuple[str, str]]
_LOSS = "Local loss"
_OWN = "method", "components", "cut", "lr"  # what a method chooses by itself


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="print a page in Markdown")
    parser.add_argument(
        "--runs", type=path_of, action="append", default=[], help="folder of records to set beside"
    )
    parser.add_argument(
        "--tries", type=path_of, action="append", default=[],
        help="folder of records of the learning rates that were tried",
    )  # fmt: skip
    add_force_flag(parser)
    add_experiment_flags(parser, without=("method",))


def run(values: argparse.Namespace) -> int:
    """Print all methods, by default with what they cost on the paper's ConvNet for CIFAR-10."""
    for folder in (*values.runs, *values.tries):
        if not folder.is_dir():
            raise ExperimentError(f"{folder} is not a folder: name one that train or sweep made")

    from delog_nb.measure.estimate import check_weights
    from delog_nb.methods import obstacles

    given = {"preset": "paper", "dataset": "cifar10"} | experiment_values(values)
    net = given.get("net", "convnet")
    reasons = refusals((net, name) for name in METHODS)
    chosen = [given | {"method": name} for name in METHODS if (net, name) not in reasons]
    made = experiments_of(chosen)
    reasons |= obstacles(made)
    todo = {e.method: e for e in made if (net, e.method) not in reasons}
    if not values.force:
        check_weights(todo.values())
    ours, tries = _comparable(values.runs), list(_records(values.tries))
    found = {
        f"{entry.label} (`{name}`)": [
            *_lines(name, entry, _cost(name, todo) or reasons[net, name]),
            *(("Learning rate", text) for text in _tried(name, tries)),
            *(("Measured here", text) for text in _measured(name, ours)),
        ]
        for name, entry in METHODS.items()
    }
    print(_markdown(found) if values.markdown else _text(found))
    return 0


def _lines(name: str, entry: MethodEntry, cost: str) -> Lines:
    refused = [f"not on {NETS.label(net)}, since {why}" for net, why in entry.refuses.items()]
    allowed = [NETS.label(net) for net in NETS if net not in entry.refuses]
    lines = [
        (_LOSS, entry.loss),
        ("Constant in it", entry.constant),
        ("Cost", cost),
        ("Nets", "; ".join([", ".join(allowed), *refused])),
        ("From", entry.published),
        ("Note", entry.note),
        *(("Published", text) for text in _published(name)),
    ]
    return [(noun, text) for noun, text in lines if text]


def _cost(name: str, todo: dict[str, Experiment]) -> str:
    if name not in todo:
        return ""

    from delog_nb.measure.cost import parameter_counts, step_bytes

    run, whole = todo[name], todo[END_TO_END]
    (training, inference), (plain, _) = parameter_counts(run), parameter_counts(whole)
    memory, least = step_bytes(run), step_bytes(whole)
    where = f"{run.net_label}, {run.data_label}, batch {run.batch_size}"
    text = f"{training:,} parameters in training, {inference:,} at inference, "
    text += f"{memory / 1e6:,.0f} MB a step in float32 ({where})"
    if run == whole:
        return text
    times = f"{training / plain:.2f} and {memory / least:.2f} times"
    return f"{text}: {times} those of {whole.method_label}"


def _published(name: str) -> list[str]:
    """Figures from papers, each with what it was made with."""
    return [
        f"{row['test_error']} % test error, {row['dataset']}, {row['net']}, "
        f"{_cut(row['components'])}: "
        f"{row['epochs']} epochs, {row['image_size']} pixels, width {row['width']}, "
        f"{row['views']} view, {row['selection']} ({row['source']})"
        for row in published(name)
    ]


def _comparable(folders: Iterable[Path]) -> list[Record]:
    """Records of runs whose method is as its preset has it, where BP has one of the same size.

    Each may have its own learning rate.
    """
    found: dict[str, list[Record]] = {}
    for item in _records(folders):
        if item.results["test_acc"] is not None:
            run = item.experiment
            size = {name: run.get(name) for name in FIELDS if name not in _OWN}
            if run == Experiment(**size, method=run.method, lr=run.lr):
                found.setdefault(str(size), []).append(item)
    groups = [g for g in found.values() if any(r.experiment.method == END_TO_END for r in g)]
    return [record for group in groups for record in group]


def _records(folders: Iterable[Path]) -> Iterator[Record]:
    from delog_nb import records

    for item in (item for folder in folders for item in records.find(folder)):
        if isinstance(item, ValueError):
            print(f"Skipped: {item}", file=sys.stderr)
        else:
            yield item


def _tried(name: str, tries: Iterable[Record]) -> list[str]:
    """The rates that were tried on each data set, and how many validation images were right."""
    alike: dict[Experiment, list[Record]] = {}
    for record in tries:
        if record.experiment.method == name:
            alike.setdefault(record.experiment.but(lr=FIELDS["lr"].default), []).append(record)
    texts = []
    for run, found in alike.items():
        rates = {r.experiment.lr: r.results["val_acc"] or 0.0 for r in found}
        said = ", ".join(f"{lr:g}: {100 * rates[lr]:.1f}" for lr in sorted(rates))
        best = max(sorted(rates), key=rates.__getitem__)
        texts.append(
            f"{best:g} for {run.data_label}. Tried, in % of validation images after {run.epochs} "
            f"epochs, seed {run.seed}: {said}"
        )
    return texts


def _measured(name: str, ours: Iterable[Record]) -> list[str]:
    """Our records, as `published` says the papers'."""
    from delog_nb.records import mean_and_std

    alike: dict[Experiment, list[Record]] = {}
    for record in ours:
        if record.experiment.method == name:
            alike.setdefault(record.experiment.but(seed=0), []).append(record)
    return [
        _figure(run, *mean_and_std([100 - 100 * r.results["test_acc"] for r in found]), len(found))
        + _probed(found)
        for run, found in alike.items()
    ]


def _probed(found: Iterable[Record]) -> str:
    """What linear classifiers read from the blocks of these runs, where they were probed."""
    from delog_nb.measure.invariance import CLASS, read_probes
    from delog_nb.records import mean_and_std

    by_block: dict[int, list[float]] = {}
    folders = [r.folder for r in found if r.folder and (r.folder / PROBES).exists()]
    for probe in (probe for folder in folders for probe in read_probes(folder)):
        if (probe.features, probe.task) == ("r", CLASS):
            by_block.setdefault(probe.block, []).append(100 * probe.accuracy)
    if not by_block:
        return ""
    means = [mean_and_std(shares)[0] for shares in by_block.values()]
    return f"; linear classifiers read from r_1, r_2, ...: {', '.join(f'{m:.1f}' for m in means)} %"


def _figure(run: Experiment, mean: float, std: float, seeds: int) -> str:
    images = "" if run.limit is None else f"{run.limit:,} images, "
    views = 1 if run.augment == "none" else 2
    spread = f" ± {std:.2f}" if seeds > 1 else ""
    return (
        f"{mean:.2f}{spread} % test error (n {seeds}), {run.data_label}, {run.net_label}, "
        f"{_cut(run.num_components)}: {images}{run.epochs} epochs, {run.image_size} pixels, width "
        f"{run.width:g}, {views} view{'s' * (views > 1)}, learning rate {run.lr:g}, last epoch"
    )


def _cut(components: int | str) -> str:
    return "end to end" if int(components) == 1 else f"{components} components"


def _text(found: dict[str, Lines]) -> str:
    parts = []
    for title, lines in found.items():
        parts.append(title.replace("`", ""))
        for noun, text in lines:
            parts += textwrap.wrap(
                text, 98, initial_indent=f"  {noun:<16}", subsequent_indent=" " * 18
            )
        parts.append("")
    return "\n".join(parts[:-1])


def _markdown(found: dict[str, Lines]) -> str:
    parts = [
        "# Methods",
        "Written by `delog-nb methods --markdown --runs results/cpu --runs results/digits --runs "
        "results/short --tries results/rates`. `delog-nb explain METHOD` "
        "shows a method's file with its formulas beside the lines that compute them. A published "
        "figure and ours stand side by side, not in one table: nets, images, epochs, views and "
        "the choice of the epoch differ, and each says which they are.",
    ]
    for title, lines in found.items():
        parts.append(f"## {title}")
        shown = [(noun, f"`{text}`" if noun == _LOSS else text) for noun, text in lines]
        parts.append("\n".join(f"- **{noun}:** {text}" for noun, text in shown))
    return "\n\n".join(parts)
