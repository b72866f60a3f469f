"""Methods of other papers: what is reported of them, and what is measured here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pandas as pd

from delog_nb.experiment.published import published
from delog_nb.experiment.registry import METHODS, end_to_end
from delog_nb.grids import grid
from delog_nb.instruments.course_files import RESULTS
from delog_nb.instruments.run_files import PROBES
from delog_nb.lab.charts.exhibit import DIGITS, NOTHING
from delog_nb.measure.invariance import CLASS, read_probes
from delog_nb.measure.paths import Part, Paths
from delog_nb.records import Record, mean_and_std, readable
from delog_nb.records.summary import diverged

_Value = TypeVar("_Value")

# by its grid among the results, what a study is called
_STUDIES = {
    "digits/grids/digits.yaml": "Digits",
    "short/grids/methods.yaml": "CIFAR-10, 5,000 images",
}


def by_component(found: Paths, layers_of_a_block: int = 1) -> Paths:
    """``found`` with its losses numbered by component, and blocks named by their layers.

    >>> from delog_nb import data, lab
    >>> from delog_nb.measure.paths import paths
    >>> run = lab.experiment(method="infopro", batch_size=8)
    >>> named = by_component(paths(run, data.load(run)), 2)
    >>> [layer.name for layer in named.layers], named.losses[-1].name
    (['f₁₋₂', 'f₃₋₄', 'f₅₋₆', 'f₇₋₈', 'classifier'], 'CE4')
    """
    of_layer = {layer: k for k, own in enumerate(found.components, 1) for layer in own}
    names = {}
    for loss in found.losses:
        for name in (loss.name, *(module.name for module in loss.modules)):
            names[name] = f"{name.removesuffix(str(loss.layer))}{of_layer[loss.layer]}"
    if (many := layers_of_a_block) > 1:
        for k, layer in enumerate(found.layers):
            if layer.name == f"f{k + 1}":
                first, last = f"{many * k + 1}", f"{many * (k + 1)}"
                names[layer.name] = f"f{first}₋{last}".translate(DIGITS)

    def renamed(part: Part) -> Part:
        return replace(part, name=names.get(part.name, part.name))

    def keyed(values: Mapping[str, _Value]) -> dict[str, _Value]:
        return {names.get(name, name): value for name, value in values.items()}

    return replace(
        found,
        layers=[renamed(layer) for layer in found.layers],
        losses=[
            replace(
                loss,
                name=names[loss.name],
                modules=[renamed(module) for module in loss.modules],
                norms=keyed(loss.norms),
            )
            for loss in found.losses
        ],
        prediction=[names.get(name, name) for name in found.prediction],
        kept=keyed(found.kept),
    )


def reported(methods: Iterable[str]) -> pd.DataFrame:
    """What papers say of ``methods``, a row for each paper and net, at its most components.

    Of a paper's data sets the first one in `published` is taken. "BP there" is what the same source
    reports of BP on the same net.

    >>> reported(["predsim"])[["Net", "Test error (%)", "BP there (%)"]].values.tolist()
    [['vgg8b', '5.58', '5.99'], ['ResNet-110', '25.05', '5.39']]
    """
    rows = []
    for name in methods:
        nets: dict[tuple[str, str], dict[str, str]] = {}
        data: dict[str, str] = {}
        for figure in published(name):
            if data.setdefault(figure["source"], figure["dataset"]) == figure["dataset"]:
                key = figure["source"], figure["net"]
                nets[key] = max(nets.get(key, figure), figure, key=lambda f: int(f["components"]))
        rows += [_row(name, figure) for figure in nets.values()]
    return pd.DataFrame(rows)


def _row(name: str, figure: dict[str, str]) -> dict[str, str | int]:
    same = ("source", "net", "dataset", "epochs")
    whole = [f for f in published(end_to_end()) if all(f[n] == figure[n] for n in same)]
    return {
        "Method": METHODS.label(name),
        "Test error (%)": figure["test_error"],
        "BP there (%)": whole[0]["test_error"] if whole else NOTHING,
        "Components": int(figure["components"]),
        "Data": figure["dataset"],
        "Net": figure["net"],
        "Epochs": int(figure["epochs"]),
        "Epoch that is reported": figure["selection"],
        "Source": figure["source"],
    }


def measured(methods: Iterable[str], results: Path = RESULTS) -> pd.DataFrame:
    """Test errors of ``methods`` in the runs that are kept with the course, and those of a linear
    probe on the last block; n is the number of seeds. There is no column for what a study lacks.

    >>> measured(["bp", "gim"])["Method"].tolist()
    ['BP', 'Greedy InfoMax']
    """
    kept = {
        title: grid.records_of(grid.read(results / path), readable((results / path).parents[1]))
        for path, title in _STUDIES.items()
        if (results / path).exists()
    }
    rows = []
    for name in methods:
        row = {"Method": METHODS.label(name)}
        for title, found in kept.items():
            runs = [r for r in found if r.experiment.method == name]
            own = [1 - r.results["test_acc"] for r in runs if not diverged(r)]
            row[f"{title}: test error (%)"] = _spread(own, len(runs) - len(own))
            if any(_probed(r) for r in found):
                read = [1 - share for r in runs for share in _probed(r)]
                row[f"{title}: of a probe on the last block (%)"] = _spread(read)
        rows.append(row)
    return pd.DataFrame(rows).fillna(NOTHING)


def _probed(record: Record) -> list[float]:
    """The share of test images that a linear probe on the last block reads right, if it did."""
    if record.folder is None or not (record.folder / PROBES).exists():
        return []
    probes = [p for p in read_probes(record.folder) if (p.features, p.task) == ("r", CLASS)]
    return [max(probes, key=lambda p: p.block).accuracy] if probes else []


def _spread(errors: Sequence[float], diverged: int = 0) -> str:
    """Mean and deviation over seeds in percent, or that there is none."""
    lost = [f"{diverged} diverged"] if diverged else []
    if not errors:
        return ", ".join(lost) or "no runs yet"
    mean, deviation = mean_and_std([100 * error for error in errors])
    around = f" ± {deviation:.1f}" if len(errors) > 1 else ""
    return f"{mean:.1f}{around} ({', '.join([f'n {len(errors)}', *lost])})"
