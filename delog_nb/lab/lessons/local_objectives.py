"""Accuracy by block: what linear probes read, and what a network itself says there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from delog_nb.experiment.registry import METHODS
from delog_nb.lab.charts.style import drawn, faded, layout, method_style
from delog_nb.lab.runs.curves import means_and_spreads
from delog_nb.lab.runs.recorded import recorded_probes
from delog_nb.measure.invariance import CLASS
from delog_nb.records import Record, mean_and_std
from delog_nb.records.summary import percent

# by method, a row for each seed: shares (0 to 1) of r_1 ... r_H, then perhaps of the prediction
Shares = Mapping[str, Sequence[Sequence[float]]]
_OUTPUT = "prediction"


def probe_shares(records: Sequence[Record], task: str = CLASS) -> dict[str, list[list[float]]]:
    """Linear probes on r_1 ... r_H of recorded runs, by method, a row for each seed.

    Where the task is the class, the run's own test accuracy ends the row. Runs whose folder holds
    no probes are left out.

    Raises:
        ValueError: no run has probes, or a file of them cannot be read.
    """
    own = {record.run_id: float(record.results["test_acc"]) for record in records}
    table = recorded_probes(records)
    table = table[(table["task"] == task) & (table["features"] == "r")]
    found: dict[str, list[list[float]]] = {}
    for key, rows in table.groupby(["method", "seed", "run_id"]):
        method, _, run_id = map(str, key)
        shares = [float(share) for share in rows.sort_values("block")["accuracy"]]
        found.setdefault(method, []).append(shares + [own[run_id]] * (task == CLASS))
    return {method: found[method] for method in sorted(found, key=METHODS.place)}


def _places(shares: Shares, output: bool) -> list[str]:
    count = len(next(iter(shares.values()))[0])
    blocks = [f"r<sub>{k}</sub>" for k in range(1, count + (not output))]
    return [*blocks, _OUTPUT] if output else blocks


def blocks_figure(
    shares: Shares, title: str, *, output: bool = True, chance: float | None = None
) -> go.Figure:
    """Test accuracy (%) by block, a line per method, bars of one standard deviation over seeds.

    With ``output`` each row ends in the accuracy of the network's own prediction; ``chance`` is a
    share, drawn as a line.
    """
    figure = go.Figure()
    places = _places(shares, output)
    for method, rows in shares.items():
        means, spreads = means_and_spreads(
            [100 * v for v in column] for column in zip(*rows, strict=True)
        )
        style = method_style(method)
        figure.add_scatter(
            x=places,
            y=means,
            error_y={"array": spreads, "color": faded(style["color"], 0.5)}
            if any(spreads)
            else None,
            **drawn(style, 9),
            name=METHODS.label(method),
            hovertemplate="%{y:.1f} %",
        )
    if chance is not None:
        figure.add_scatter(
            x=[places[0], places[-1]],
            y=[100 * chance] * 2,
            mode="lines",
            name="chance",
            line={"color": "#57606a", "dash": "dot", "width": 1.5},
            hovertemplate="%{y:.1f} %",
        )
    return layout(figure, title, "Features that the probe reads", "Test accuracy (%)")


def blocks_table(shares: Shares, *, output: bool = True) -> pd.DataFrame:
    """The numbers of `blocks_figure`: a row per method, mean ± deviation in %."""
    count = len(next(iter(shares.values()))[0]) - output
    names = [f"r_{k} (%)" for k in range(1, count + 1)] + [f"{_OUTPUT} (%)"] * output
    rows = []
    for method, by_seed in shares.items():
        columns = zip(*by_seed, strict=True)
        texts = [percent(*mean_and_std(list(column))) for column in columns]
        rows.append(
            {"Method": METHODS.label(method), "Seeds": len(by_seed)}
            | dict(zip(names, texts, strict=True))
        )
    return pd.DataFrame(rows)


def exits_figure(
    probes: Mapping[str, Sequence[float]], exits: Mapping[str, Sequence[float | None]]
) -> go.Figure:
    """What a probe reads from each block, and what the method itself would say there, in %.

    Args:
        probes: by method, shares for r_1 ... r_H
        exits: by method, shares for the ways out of components 1, 2, ...; None where there is none
    """
    figure = go.Figure()
    for method, shares in probes.items():
        style, label = method_style(method), METHODS.label(method)
        places = [f"r<sub>{k}</sub>" for k in range(1, len(shares) + 1)]
        figure.add_scatter(
            x=places,
            y=[100 * share for share in shares],
            **drawn(style | {"dash": "dot"}, 7, 1.8),
            name=f"{label}: linear probe",
            hovertemplate="%{y:.1f} %",
        )
        own = exits[method][: len(shares)]
        figure.add_scatter(
            x=places,
            y=[None if share is None else 100 * share for share in own],
            **drawn(style | {"dash": "solid"}, 11),
            name=f"{label}: own way out",
            hovertemplate="%{y:.1f} %",
        )
    return layout(
        figure,
        "After each block: read by a probe, and said by the network itself",
        "After block",
        "Test accuracy (%)",
    )


def exits_table(
    probes: Mapping[str, Sequence[float]], exits: Mapping[str, Sequence[float | None]]
) -> pd.DataFrame:
    """The numbers of `exits_figure`: two rows per method."""
    rows = []
    for method, shares in probes.items():
        for kind, found in (
            ("linear probe", shares),
            ("own way out", exits[method][: len(shares)]),
        ):
            texts = ["–" if share is None else f"{100 * share:.2f}" for share in found]
            rows.append(
                {"Method": METHODS.label(method), "Read by": kind}
                | {f"r_{k} (%)": text for k, text in enumerate(texts, 1)}
            )
    return pd.DataFrame(rows)
