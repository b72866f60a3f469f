"""Figures and tables of projection heads: what their features hold, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from delog_nb.course.paired import Difference, difference, holm, p_text
from delog_nb.data import ImageData
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import NETS
from delog_nb.lab.charts.style import drawn, layout, line_style
from delog_nb.lab.lessons.images import image_grid
from delog_nb.lab.runs.curves import signed
from delog_nb.measure.cost import parameter_counts
from delog_nb.measure.invariance import CHANGES, Probe
from delog_nb.records import Record, mean_and_std
from delog_nb.records.summary import percent

NAMES = {
    "r": "r, the block's features",
    "z": "z, behind the trained head",
    "z0": "z₀, behind the untrained head",
    "identity": "identity",
    "linear": "linear",
    "mlp": "MLP",
}
_ORDER = list(NAMES)
_SPAN = 25  # points on an axis, at least: noise is not drawn as large as a finding
_ABOVE_GUESSING = 0.02  # nearer than this a probe has found nothing


def probes_frame(probes: Mapping[str, Sequence[Probe]]) -> pd.DataFrame:
    """Probes of runs made now as `recorded_probes` gives those of recorded ones.

    Args:
        probes: by head, what `probe_run` returned for a run with it
    """
    return pd.DataFrame(
        [
            {"head": head, "seed": 0, **vars(probe)}
            for head, found in probes.items()
            for probe in found
        ]
    )


def questions_figure(images: ImageData, experiment: Experiment, count: int = 8) -> go.Figure:
    """The first training images, and the same ones after each change that a probe is asked for."""
    chosen = images.train.images[:count]
    rows, labels = [chosen], ["image"]
    for task, change in CHANGES.items():
        rows.append(change.make(chosen, 1))
        labels.append(task)
    return image_grid(rows, labels, f"What the probes are asked for: {experiment.data_label}")


def questions_table(classes: int) -> pd.DataFrame:
    """The four questions and what guessing reaches."""
    rows = [("class", "which class it is", classes)]
    rows += [(task, change.question, change.choices) for task, change in CHANGES.items()]
    return pd.DataFrame(
        {
            "Probe": [task for task, *_ in rows],
            "Question": [question for _, question, _ in rows],
            "Guessing (%)": [round(100 / choices, 1) for *_, choices in rows],
        }
    )


def _lines(probes: pd.DataFrame, by: str) -> list[str]:
    found = list(dict.fromkeys(probes[by]))
    return sorted(found, key=lambda name: _ORDER.index(name) if name in _ORDER else 99)


def probe_lines_figure(probes: pd.DataFrame, by: str, title: str) -> go.Figure:
    """Test accuracy of probes by block: a panel per task, a line per value of the column ``by``.

    Where there are several seeds, lines are their mean and bars one standard deviation. The numbers
    stand in `probe_lines_table`.
    """
    tasks = list(dict.fromkeys(probes["task"]))
    figure = make_subplots(cols=len(tasks), subplot_titles=tasks, horizontal_spacing=0.06)
    blocks = sorted(probes["block"].unique())
    for column, task in enumerate(tasks, 1):
        rows = probes[probes["task"] == task]
        low, high = 100 * rows["chance"].mean() - 4, 100 * rows["accuracy"].max() + 4
        figure.update_yaxes(range=[low, max(high, low + _SPAN)], row=1, col=column)
        for place, name in enumerate(_lines(probes, by)):
            own = rows[rows[by] == name].groupby("block")["accuracy"]
            mean, std = 100 * own.mean(), 100 * own.std()
            figure.add_scatter(
                x=list(mean.index),
                y=mean,
                error_y={"array": std, "thickness": 1.5} if std.notna().all() else None,
                name=NAMES.get(name, name),
                legendgroup=name,
                showlegend=column == 1,
                **drawn(line_style(place)),
                hovertemplate="%{y:.1f} %",
                row=1,
                col=column,
            )
        figure.add_scatter(
            x=[blocks[0], blocks[-1]],
            y=[100 * rows["chance"].mean()] * 2,
            name="guessing",
            legendgroup="guessing",
            showlegend=column == 1,
            mode="lines",
            line={"color": "#7F7F7F", "dash": "dot", "width": 1.5},
            hovertemplate="%{y:.1f} %",
            row=1,
            col=column,
        )
    layout(figure, title, "", "", 430)
    figure.update_layout(
        margin={"t": 90, "b": 110}, legend={"orientation": "h", "y": -0.25, "x": 0}
    )
    figure.update_xaxes(title="Block", dtick=1, range=[blocks[0] - 0.3, blocks[-1] + 0.3])
    return figure.update_yaxes(title={"text": "Accuracy of the probe (%)"}, col=1)


def probe_lines_table(probes: pd.DataFrame, by: str) -> pd.DataFrame:
    """The numbers of `probe_lines_figure`, in %: a row per task and line, a column per block."""
    rows = []
    for task in dict.fromkeys(probes["task"]):
        of_task = probes[probes["task"] == task]
        for name in _lines(probes, by):
            own = of_task[of_task[by] == name]
            cells = {
                f"Block {block}": percent(*mean_and_std(list(values)))
                for block, values in own.groupby("block")["accuracy"]
            }
            guessing = percent(of_task["chance"].mean(), float("nan"))
            named = {"Probe": task, "Features": NAMES.get(name, name)}
            rows.append(named | cells | {"Guessing": guessing})
    return pd.DataFrame(rows).fillna("")


def differences_table(probes: pd.DataFrame, by: str, one: str, other: str) -> pd.DataFrame:
    """How much more probes read from ``one`` than from ``other`` (values of ``by``), by task.

    The difference is taken within each seed, as a mean over blocks, and tested over seeds; p is
    corrected for the number of tasks. Where neither is 2 points above guessing nothing is compared.
    """
    found: dict[str, Difference] = {}
    texts, guessing = {}, set()
    for task in dict.fromkeys(probes["task"]):
        rows = probes[(probes["task"] == task) & probes[by].isin([one, other])]
        if set(rows[by]) != {one, other}:
            continue
        wide = rows.pivot_table(index=["seed", "block"], columns=by, values="accuracy")
        by_seed = wide.dropna().groupby("seed").mean()
        gaps = by_seed[one] - by_seed[other]
        found[task] = difference(dict(by_seed[one].items()), dict(by_seed[other].items()))
        texts[task] = signed([100 * float(gap) for gap in gaps], digits=1)
        if by_seed.to_numpy().mean(0).max() < rows["chance"].mean() + _ABOVE_GUESSING:
            guessing.add(task)
    tested = dict(zip(found, holm(list(found.values())), strict=True))
    return pd.DataFrame(
        {
            "Probe": list(tested),
            f"{NAMES.get(one, one).split(',')[0]} minus {NAMES.get(other, other).split(',')[0]} "
            "(points)": [texts[task] for task in tested],
            "Seeds": [d.seeds for d in tested.values()],
            "p": [p_text(d.p) for d in tested.values()],
            "Verdict": [
                "both at guessing" if task in guessing else str(d) for task, d in tested.items()
            ],
        }
    )


def head_parameters(record: Record) -> int:
    """Parameters of all heads together: those that only training needs."""
    return int(record.results["train_params"]) - int(record.results["inference_params"])


def pooled_label(pool: int) -> str:
    """What a head with features pooled to this side is called."""
    return f"pooled to {pool} × {pool}" if pool else "not pooled"


def pooled_figure(records: Sequence[Record]) -> go.Figure:
    """Test accuracy against the parameters of all heads, a mark per run, a symbol per ``pool``."""
    figure = go.Figure()
    for place, pool in enumerate(sorted({r.experiment.pool for r in records}, key=_size)):
        own = [r for r in records if r.experiment.pool == pool]
        style = line_style(place)
        figure.add_scatter(
            x=[head_parameters(r) for r in own],
            y=[100 * r.results["test_acc"] for r in own],
            name=pooled_label(pool),
            mode="markers",
            marker={"color": style["color"], "symbol": style["symbol"], "size": 13},
            hovertemplate="%{x:,} parameters: %{y:.2f} %",
        )
    layout(
        figure,
        "The MLP head, pooled and not: a mark per seed",
        "Parameters of all heads (logarithmic)",
        "Test accuracy (%)",
    )
    figure.update_layout(hovermode="closest")
    counts = sorted({head_parameters(r) for r in records})
    return figure.update_xaxes(type="log", tickvals=counts, ticktext=[f"{n:,}" for n in counts])


def _size(pool: int) -> float:
    return pool or float("inf")  # without pooling a head sees everything


def pooled_table(records: Sequence[Record]) -> pd.DataFrame:
    """The numbers of `pooled_figure`: a row per ``pool``."""
    rows = []
    for pool in sorted({r.experiment.pool for r in records}, key=_size):
        own = [r for r in records if r.experiment.pool == pool]
        rows.append(
            {
                "Head": pooled_label(pool),
                "Parameters of all heads": f"{head_parameters(own[0]):,}",
                "Test accuracy (%)": percent(*mean_and_std([r.results["test_acc"] for r in own])),
                "Seeds": len(own),
            }
        )
    return pd.DataFrame(rows)


def pooled_sizes_table(pools: Sequence[int], **choices: object) -> pd.DataFrame:
    """Parameters of all heads at the paper's size, by net (rows) and ``pool`` (columns)."""
    rows = []
    for net, entry in NETS.items():
        row = {"Net": entry.label}
        for pool in pools:
            experiment = Experiment(preset="paper", net=net, pool=pool, **choices)
            counts = parameter_counts(experiment)
            row[pooled_label(pool).capitalize()] = f"{counts.training - counts.inference:,}"
        counts_without = parameter_counts(Experiment(preset="paper", net=net, **choices))
        row["The network itself"] = f"{counts_without.inference:,}"
        rows.append(row)
    return pd.DataFrame(rows)
