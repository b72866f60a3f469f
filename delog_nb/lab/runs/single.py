"""Figures and tables of one trained run: its errors, its blocks, its features."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from delog_nb.experiment.registry import METHODS
from delog_nb.lab.charts.style import COLORS, SYMBOLS, drawn, layout, method_style
from delog_nb.measure.probes import principal_components
from delog_nb.records import Record

_POINTS = 400  # of an embedding figure: more hide one another


def history_table(record: Record) -> pd.DataFrame:
    """The record's history for reading: accuracies in %, losses, seconds."""
    rows = pd.DataFrame(record.history).set_index("epoch")
    table = pd.DataFrame(index=rows.index.rename("Epoch"))
    for place, name in enumerate((c for c in map(str, rows) if c.startswith("loss_")), 1):
        table[f"Loss {place}"] = rows[name].round(4)
    table["Validation (%)"] = (100 * rows["val_acc"].astype(float)).round(2)
    table["Test (%)"] = (100 * rows["test_acc"].astype(float)).round(2)
    table["Training (s)"] = rows["seconds"].round(2)
    return table


def confusion(counts: Tensor, classes: Sequence[str]) -> go.Figure:
    """Confusion matrix in % of each class's test images; the counts stand in `confusion_table`."""
    shares = 100 * counts / counts.sum(1, keepdim=True).clamp_min(1)
    figure = go.Figure(
        go.Heatmap(
            z=shares.numpy(),
            x=list(classes),
            y=list(classes),
            colorscale="Blues",
            zmin=0,
            zmax=100,
            colorbar={"title": "%"},
            texttemplate="%{z:.0f}" if len(classes) <= 20 else None,
            hovertemplate="%{y} taken for %{x}: %{z:.1f} %<extra></extra>",
        )
    )
    layout(figure, "Which class is taken for which", "Predicted class", "Class of the image", 520)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(type="category")
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def confusion_table(counts: Tensor, classes: Sequence[str]) -> pd.DataFrame:
    """Test images of each class (row) by the class predicted (column)."""
    return pd.DataFrame(
        counts.numpy(),
        index=pd.Index(list(classes), name="Class"),
        columns=pd.Index(list(classes), name="Predicted"),
    )


def probes(shares: Sequence[float], method: str) -> go.Figure:
    """Test accuracy (%) of a linear probe on each block; the numbers stand in `probes_table`."""
    figure = go.Figure(
        go.Scatter(
            x=[f"r<sub>{place}</sub>" for place in range(1, len(shares) + 1)],
            y=[100 * share for share in shares],
            **drawn(method_style(method), 9),
            hovertemplate="%{y:.1f} %",
            name=METHODS.label(method),
        )
    )
    title = f"What a linear classifier reads from each block: {METHODS.label(method)}"
    return layout(figure, title, "Features of block", "Test accuracy of the probe (%)")


def probes_table(shares: Sequence[float]) -> pd.DataFrame:
    """The numbers of `probes`."""
    return pd.DataFrame(
        {"Linear probe, test accuracy (%)": [round(100 * share, 2) for share in shares]},
        index=pd.Index([f"r_{place}" for place in range(1, len(shares) + 1)], name="Features"),
    )


def embeddings(features: Sequence[Tensor], labels: Tensor, classes: Sequence[str]) -> go.Figure:
    """Features r_1 ... r_H on their two principal components, a panel a block, coloured by class.

    At most 400 images are drawn, evenly spaced.
    """
    kept = slice(None, None, max(1, len(labels) // _POINTS))
    titles = [f"r<sub>{place}</sub>" for place in range(1, len(features) + 1)]
    figure = make_subplots(rows=1, cols=len(features), subplot_titles=titles)
    labels = labels[kept].cpu()
    for place, r in enumerate(features, 1):
        points = principal_components(r[kept]).cpu()
        for number, name in enumerate(classes):
            own = points[labels == number]
            figure.add_scatter(
                x=own[:, 0].numpy().round(3),
                y=own[:, 1].numpy().round(3),
                mode="markers",
                marker={
                    "color": COLORS[number % len(COLORS)],
                    "symbol": SYMBOLS[number // len(COLORS) % len(SYMBOLS)],
                    "size": 5,
                },
                name=name,
                legendgroup=name,
                showlegend=place == 1,
                hoverinfo="name",
                row=1,
                col=place,
            )
    layout(figure, "Test images in the space of each block (two principal components)", "", "", 380)
    figure.update_layout(hovermode="closest", margin={"t": 100})
    figure.update_xaxes(showticklabels=False)
    figure.update_yaxes(showticklabels=False)
    return figure
