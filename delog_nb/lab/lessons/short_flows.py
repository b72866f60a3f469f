"""Several short gradient flows and one long one: how much sooner, and in which block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from delog_nb.course.paired import difference, holm, p_text
from delog_nb.experiment import Experiment
from delog_nb.lab.charts.style import drawn, faded, layout, legend_below
from delog_nb.lab.runs.curves import means_and_spreads, signed, value_label, value_style
from delog_nb.measure.early import Look
from delog_nb.records import Record, mean_and_std
from delog_nb.records.summary import percent

MEASURES: dict[str, tuple[str, Callable[[Look], list[float]]]] = {
    "probe": ("Test accuracy of a probe (%)", lambda look: look.probes),
    "separation": ("Separation of classes (%)", lambda look: look.separation),
}  # by name: what an axis is called, the values of a `Look`
_Curve = dict[int, float]  # by epoch, in %


def _by_cut(runs: Sequence[Record]) -> dict[int, dict[int, Record]]:
    """Records by number of components, the most first, and by seed."""
    found: dict[int, dict[int, Record]] = {}
    for run in sorted(runs, key=lambda run: -run.experiment.num_components):
        found.setdefault(run.experiment.num_components, {})[run.experiment.seed] = run
    return found


def _label(run: Record) -> str:
    return value_label("components", run.experiment)


def _styles(experiments: Iterable[Experiment]) -> dict[str, dict[str, Any]]:
    """Colour, dash and symbol by the name of a cut."""
    return {value_label("components", e): value_style("components", e, 0) for e in experiments}


def _gains(runs: Sequence[Record]) -> dict[str, dict[int, _Curve]]:
    """Test accuracy minus that of the single flow with the same seed: by cut, seed and epoch."""
    cuts = _by_cut(runs)
    single = cuts.pop(1, {})
    return {
        _label(next(iter(by_seed.values()))): {
            seed: {
                int(row["epoch"] or 0): 100
                * float((row["test_acc"] or 0) - (long["test_acc"] or 0))
                for row, long in zip(run.history, single[seed].history, strict=True)
            }
            for seed, run in by_seed.items()
            if seed in single
        }
        for by_seed in cuts.values()
    }


def gain_figure(runs: Sequence[Record]) -> go.Figure:
    """By epoch, how far short flows are ahead of the single long one: each seed, and the mean.

    ``runs`` differ in the number of components and the seed; those of one component are what the
    others are held against, seed by seed.
    """
    figure = go.Figure()
    styles = _styles(run.experiment for run in runs)
    for name, by_seed in _gains(runs).items():
        style = styles[name]
        for seed, curve in by_seed.items():
            figure.add_scatter(
                x=list(curve),
                y=list(curve.values()),
                mode="lines+markers",
                line={"color": faded(style["color"], 0.45), "dash": style["dash"], "width": 1},
                marker={"color": faded(style["color"], 0.45), "symbol": style["symbol"], "size": 6},
                name=f"{name}, seed {seed}",
                showlegend=False,
                hoverinfo="skip",
            )
        points = _by_epoch(by_seed)
        figure.add_scatter(
            x=list(points),
            y=means_and_spreads(points.values())[0],
            name=f"{name}, mean",
            **drawn(style, 9, 3.5),
            showlegend=True,
            hovertemplate="%{y:+.1f} points",
        )
    figure.add_hline(y=0, line={"color": "#57606a", "width": 1.5})
    layout(
        figure,
        "Ahead of the single long flow (above 0) or behind it; thin: each seed",
        "Epoch",
        "Difference in test accuracy (points)",
        height=460,
    )
    legend_below(figure, b=110)
    return figure.update_xaxes(dtick=1)


def gain_table(runs: Sequence[Record]) -> pd.DataFrame:
    """The numbers of `gain_figure`: a row per epoch, mean ± deviation over seeds, in points."""
    table = pd.DataFrame(
        {
            f"{name} (points)": {
                epoch: signed(values) for epoch, values in _by_epoch(by_seed).items()
            }
            for name, by_seed in _gains(runs).items()
        }
    )
    table.index.name = "Epoch"
    return table


def gain_tests(runs: Sequence[Record], score: Callable[[Record], float]) -> pd.DataFrame:
    """Is ``score`` (a share of a run) another with short flows? Paired t test over seeds, Holm."""
    cuts = _by_cut(runs)
    scores = {
        count: {seed: score(run) for seed, run in by_seed.items()}
        for count, by_seed in cuts.items()
    }
    others = [count for count in cuts if count != 1]
    tests = holm([difference(scores[count], scores.get(1, {})) for count in others])
    single = percent(*mean_and_std(list(scores.get(1, {}).values())))
    return pd.DataFrame(
        {
            "": [_label(next(iter(cuts[count].values()))) for count in others],
            "Its score (%)": [percent(*mean_and_std(list(scores[n].values()))) for n in others],
            "Single long flow (%)": single,
            "Difference (points)": [f"{100 * test.mean:+.2f}" for test in tests],
            "Seeds": [test.seeds for test in tests],
            "p": [p_text(test.p) for test in tests],
            "Short flows are": [str(test) for test in tests],
        }
    )


def _by_epoch(by_seed: Mapping[int, _Curve]) -> dict[int, list[float]]:
    """A value for each seed, by epoch."""
    epochs = sorted({epoch for curve in by_seed.values() for epoch in curve})
    return {
        epoch: [curve[epoch] for curve in by_seed.values() if epoch in curve] for epoch in epochs
    }


def _seen(
    looks: Mapping[Experiment, Sequence[Look]], measure: str
) -> dict[str, list[dict[int, list[float]]]]:
    """By cut (the most components first) and block: a value (%) for each seed, by epoch.

    Raises:
        ValueError: ``measure`` is not one of `MEASURES`.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure = {measure!r} is not one of {', '.join(MEASURES)}")
    curves: dict[str, list[dict[int, _Curve]]] = {}  # by cut, block, seed, epoch
    for experiment in sorted(looks, key=lambda e: -e.num_components):
        name = value_label("components", experiment)
        blocks = curves.setdefault(name, [{} for _ in range(experiment.depth)])
        for look in looks[experiment]:
            for block, value in zip(blocks, MEASURES[measure][1](look), strict=True):
                block.setdefault(experiment.seed, {})[look.epoch] = 100 * value
    return {name: [_by_epoch(block) for block in blocks] for name, blocks in curves.items()}


def early_blocks_figure(
    looks: Mapping[Experiment, Sequence[Look]], measure: str, title: str = ""
) -> go.Figure:
    """What each block's features tell about the class, by epoch: a panel a block, a line a cut.

    Args:
        looks: of runs that differ in the number of components and the seed
        measure: ``probe`` or ``separation``
    """
    seen = _seen(looks, measure)
    depth = max(len(blocks) for blocks in seen.values())
    figure = make_subplots(
        cols=depth,
        shared_yaxes=True,
        horizontal_spacing=0.025,
        subplot_titles=[f"r<sub>{number}</sub>" for number in range(1, depth + 1)],
    )
    styles = _styles(looks)
    for name, blocks in seen.items():
        style = styles[name]
        for number, points in enumerate(blocks, 1):
            means, spreads = means_and_spreads(points.values())
            figure.add_scatter(
                x=list(points),
                y=means,
                error_y={"array": spreads, "thickness": 1.2, "width": 3} if any(spreads) else None,
                name=name,
                legendgroup=name,
                **drawn(style, 8),
                showlegend=number == 1,
                hovertemplate="%{y:.1f} %",
                row=1,
                col=number,
            )
    layout(figure, title or "What each block's features tell about the class", "", "", 470)
    figure.update_xaxes(title_text="Epochs", dtick=1)
    figure.update_yaxes(title_text=MEASURES[measure][0], row=1, col=1)
    figure.update_layout(margin={"t": 90})
    return legend_below(figure, b=110)


def early_blocks_table(looks: Mapping[Experiment, Sequence[Look]], measure: str) -> pd.DataFrame:
    """The numbers of `early_blocks_figure`: a row per epoch and cut, a column per block."""
    rows = []
    for name, blocks in _seen(looks, measure).items():
        for epoch in blocks[0]:
            values = {
                f"r_{n} (%)": percent(*mean_and_std([value / 100 for value in block[epoch]]))
                for n, block in enumerate(blocks, 1)
            }
            rows.append({"": name, "Epochs": epoch} | values)
    return pd.DataFrame(rows)


def block_gains(looks: Mapping[Experiment, Sequence[Look]], epoch: int) -> pd.DataFrame:
    """Short flows minus the single long one after ``epoch`` epochs: a row per block and measure.

    Short flows are those of the most components. Mean ± deviation over seeds, in points, and the
    paired t test with Holm's correction for the number of rows.
    """
    most = max(experiment.num_components for experiment in looks)
    depth = max(experiment.depth for experiment in looks)
    rows, tests = [], []
    for measure, (_, values) in MEASURES.items():
        for block in range(depth):
            short, single = (
                {
                    experiment.seed: values(seen)[block]
                    for experiment, found in looks.items()
                    for seen in found
                    if experiment.num_components == count and seen.epoch == epoch
                }
                for count in (most, 1)
            )
            gaps = [100 * (short[seed] - single[seed]) for seed in short.keys() & single.keys()]
            row = {"Measure": measure, "Features": f"r_{block + 1}"}
            rows.append(row | {"Short minus long (points)": signed(gaps)})
            tests.append(difference(short, single))
    table = pd.DataFrame(rows)
    corrected = holm(tests)
    table["p"] = [p_text(test.p) for test in corrected]
    table["Short flows are"] = [str(test) for test in corrected]
    return table
