"""One trained run: its history, its errors, its blocks, its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
from torch import Tensor

from delog_nb.experiment.registry import METHODS
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.heat import heat
from delog_nb.lab.charts.lines import lines
from delog_nb.lab.charts.scatter import scatter
from delog_nb.measure.probes import principal_components
from delog_nb.records import Record

_POINTS = 400  # of an embedding: more hide one another


def history(record: Record) -> Exhibit:
    """Test accuracy by epoch; the table has each component's loss and the seconds too.

    >>> from delog_nb import lab
    >>> list(lab.history(lab.recorded("table2").records[0]).table)[:2]
    ['loss_1', 'val_acc']
    """
    found = pd.DataFrame(record.history).set_index("epoch").rename_axis("Epoch")
    shown = lines(
        {record.experiment.method_label: found["test_acc"].dropna().to_dict()},
        f"Test accuracy by epoch: {record.experiment.net_label} on {record.experiment.data_label}",
        "Epoch",
        "Test accuracy (%)",
    )
    table = found.drop(columns=[c for c in found if found[c].isna().all()])
    return replace(shown, table=table, digits=".4g")


def confusion(counts: Tensor, classes: Sequence[str]) -> Exhibit:
    """Which class is taken for which, in % of each class's test images.

    ``counts`` (C, C) are images of each class (row) by the class predicted (column).

    >>> import torch
    >>> confusion(torch.tensor([[3, 1], [0, 2]]), ["cat", "dog"]).table["dog"].tolist()
    [25.0, 100.0]
    """
    shares = (counts / counts.sum(1, keepdim=True).clamp_min(1)).tolist()
    return heat(
        {
            name: dict(zip(classes, row, strict=True))
            for name, row in zip(classes, shares, strict=True)
        },
        "Which class is taken for which",
        "Predicted class",
        "Class of the image",
        "Share of the class (%)",
    )


def probes(shares: Sequence[float], method: str) -> Exhibit:
    """Test accuracy of a linear probe on each block of a run of ``method``.

    >>> probes([0.25, 0.5], "bp").table["BP"].tolist()
    [25.0, 50.0]
    """
    by_block = {f"r<sub>{place}</sub>": share for place, share in enumerate(shares, 1)}
    title = f"What a linear classifier reads from each block: {METHODS.label(method)}"
    series = {METHODS.label(method): by_block}
    return lines(series, title, "Features of block", "Test accuracy of the probe (%)")


def embeddings(features: Sequence[Tensor], labels: Tensor, classes: Sequence[str]) -> Exhibit:
    """Features r_1 ... r_H on their two principal components, a panel a block, coloured by class.

    At most 400 images are drawn, evenly spaced.

    >>> import torch
    >>> shown = embeddings([torch.randn(6, 3)], torch.tensor([0, 1] * 3), ["cat", "dog"])
    >>> len(shown.table)
    6
    """
    kept = slice(None, None, max(1, len(labels) // _POINTS))
    labels = labels[kept].cpu()
    panels: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for place, r in enumerate(features, 1):
        points = principal_components(r[kept]).cpu()
        panels[f"r<sub>{place}</sub>"] = {
            name: [(x, y) for x, y in points[labels == number].tolist()]
            for number, name in enumerate(classes)
        }
    title = "Test images in the space of each block (two principal components)"
    return scatter(panels, title, "", panels=True, square=True)
