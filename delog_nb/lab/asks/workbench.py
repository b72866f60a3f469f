"""The lab: pick a configuration, see what it will cost, run it, compare."""

from __future__ import annotations

import html
import shlex
import threading
from collections.abc import Callable
from typing import Any

from IPython.display import display

from delog_nb import training
from delog_nb.data import DataError
from delog_nb.data.cache import cache_dir
from delog_nb.experiment import Experiment, ExperimentError, flags_of
from delog_nb.experiment.registry import REGISTRIES
from delog_nb.instruments.front_end import front_end
from delog_nb.lab.asks.live import LiveRun
from delog_nb.lab.asks.session import display_data, markup_of, prose, show_table, sized, wrong
from delog_nb.lab.asks.train import line_of
from delog_nb.lab.charts.dark import STYLE as ON_DARK
from delog_nb.lab.charts.played import headless
from delog_nb.lab.runs.overlay import names_of, overlay, overlay_table
from delog_nb.measure.estimate import estimate
from delog_nb.records import Record, record_of
from delog_nb.training import EpochEnded, Event, Started


def commands(choices: dict[str, Any]) -> dict[str, str]:
    """The same run elsewhere: as a command line, with papermill, and as this form again."""
    extra = "".join(f" --plugin {name}.py" for name in _plugged(choices))
    words = [f"-p {name} {shlex.quote(str(value))}" for name, value in choices.items()]
    inside = ", ".join(f"{name}={value!r}" for name, value in choices.items())
    return {
        "On the command line": shlex.join(["delog-nb", "train", *flags_of(choices)]) + extra,
        "With papermill": " ".join(["papermill experiment.ipynb out.ipynb", *words]),
        "This form again": f"lab.Lab({inside})",
    }


def _plugged(choices: dict[str, Any]) -> list[str]:
    """The method, net and data set of one's own: their cells, saved as files of these names."""
    entries = {n: kind[choices[n]] for n, kind in REGISTRIES.items() if choices.get(n) in kind}
    return [noun for noun, entry in entries.items() if entry.plugin and not entry.plugin.package]


class Lab:
    """A form for `Experiment` with Start and Stop; ``records`` are the finished runs.

    Displayed without a front end, or in one that cannot follow a run, it trains its choices once,
    prints plain lines and draws the figure at the end.

    Args:
        choices: fields of `Experiment` to start with

    >>> from delog_nb import lab
    >>> lab.Lab(method="bp", net="vgg").choices
    {'method': 'bp', 'net': 'vgg'}
    """

    def __init__(self, **choices: Any) -> None:
        self.choices = choices
        self.records: list[Record] = []
        self.bench: Workbench | None = None
        Experiment(**choices)  # a bad value is refused here

    def _ipython_display_(self) -> None:
        limit = "" if headless() else front_end().limit
        if limit:
            print(limit)  # noqa: T201
        if limit or headless():
            self.choices = sized(self.choices)
            self.run_once(print)
            display(overlay(self.records))
            show_table(overlay_table(self.records))
        else:
            self.bench = Workbench(self.choices, self.records)
            display(self.bench.widget)

    def run_once(self, say: Callable[[str], Any]) -> Record:
        """Train the choices on this thread; ``say`` gets a line for what happens."""
        experiment = Experiment(**self.choices)
        say(f"This run {estimate(experiment)}.")

        def on_event(event: Event) -> None:
            if isinstance(event, EpochEnded):
                row = event.row
                say(f"epoch {row['epoch']}{training.evaluation_line(row, ': ')}")

        self.records.append(record_of(training.train(experiment, on_event)))
        say(line_of(self.records[-1]))
        return self.records[-1]


class Workbench:
    """The lab's widgets. Training and estimates run on threads of their own, so that Stop works."""

    def __init__(self, choices: dict[str, Any], records: list[Record]) -> None:
        import ipywidgets as widgets

        from delog_nb.lab.asks.form import Form

        self.records = records
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._measuring = threading.Lock()
        self.cost = widgets.HTML()
        self.start = widgets.Button(description="Start", button_style="success", icon="play")
        self.stop = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.live = LiveRun()
        self.status = widgets.HTML()
        self.log = widgets.SelectMultiple(
            description="Finished runs", rows=4, style={"description_width": "initial"},
            layout={"width": "calc(100% - 4px)", "display": "none"},
        )  # fmt: skip
        self.results = widgets.Output()
        self.elsewhere = widgets.HTML()
        self.start.on_click(lambda _: self.begin())
        self.stop.on_click(lambda _: self._stop.set())
        self.log.observe(lambda _: self._compare(), "index")
        self.form = Form(choices, self._changed)
        buttons = widgets.HBox([self.start, self.stop, self.live.progress, self.live.time_left])
        self.widget = widgets.VBox(
            [
                self.form.widget,
                self.cost,
                buttons,
                self.status,
                self.live.figure,
                self.log,
                self.results,
                self.elsewhere,
                widgets.HTML(ON_DARK),
            ]
        )
        self._changed()

    def _changed(self) -> None:
        """The form says something else: what does that cost?"""
        experiment = self.form.experiment
        self.start.disabled = True
        if experiment is None:
            self.cost.value = "Correct the field that is marked in red."
            return
        self.cost.value = "What this run takes is being measured …"
        threading.Thread(target=self._tell_latest_cost, args=(experiment,)).start()
        rows = "".join(
            f"<tr><td>{name}</td><td><code>{html.escape(text)}</code></td></tr>"
            for name, text in commands(self.form.given).items()
        )
        self.elsewhere.value = f"<details><summary>The same run elsewhere</summary><table>{rows}\
</table></details>"

    def _tell_latest_cost(self, experiment: Experiment) -> None:
        with self._measuring:  # two at once would slow each other down
            if self.form.experiment is experiment:
                self.tell_cost(experiment)

    def tell_cost(self, experiment: Experiment) -> None:
        """Say what ``experiment`` takes, and allow Start if it fits."""
        try:
            found = estimate(experiment)
            text, fits = f"This run {found}.", found.fits
        except (ExperimentError, DataError) as error:
            text, fits = str(error), False
        if self.form.experiment == experiment:  # not changed meanwhile
            self.cost.value = (prose if fits else wrong)(html.escape(text))
            self.start.disabled = not fits or self.running

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Train what the form says, on another thread."""
        if self.running:
            self.status.value = "A run is going on: stop it, or wait until it ends."
            return
        if self.form.experiment is None:
            return
        self._stop.clear()
        self.start.disabled, self.stop.disabled = True, False
        self.status.value = ""
        self._thread = threading.Thread(target=self._train, args=(self.form.experiment,))
        self._thread.start()

    def _train(self, experiment: Experiment) -> None:
        try:
            self.status.value = "Loading images …"
            experiment = training.planned(experiment)
            checkpoint = cache_dir() / "lab" / f"{experiment.run_id}.pt"
            run = training.train(
                experiment, self._on_event, self._stop.is_set, checkpoint=checkpoint
            )
            if run.history:
                self._finished(record_of(run))
            if run.stopped:
                self.status.value = (
                    f"Stopped after {len(run.history)} whole epochs; Start goes on from there."
                )
            else:
                checkpoint.unlink(missing_ok=True)
                self.status.value = "Finished."
        except (ExperimentError, DataError, OSError) as error:
            self.status.value = wrong(html.escape(str(error)))
        except Exception as error:
            # Jupyter would put it into a log that nobody sees
            self.status.value = wrong(html.escape(f"{type(error).__name__}: {error}"))
            raise
        finally:
            self.stop.disabled = True
            self.start.disabled = self.form.experiment is None

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Started):
            self.status.value = ""
        self.live.on_event(event)

    def _finished(self, record: Record) -> None:
        self.records.append(record)
        names = names_of([r.experiment for r in self.records])
        chosen = (*self.log.index, len(self.records) - 1)
        self.log.options = [f"{n}. {name}" for n, name in enumerate(names, 1)]
        self.log.layout.display = None
        self.log.index = chosen  # draws the comparison

    def _compare(self) -> None:
        """Leave the chosen runs as a figure and a table that need no kernel."""
        chosen = [self.records[place] for place in self.log.index]
        if chosen:
            table = markup_of(overlay_table(chosen)).bundle()
            self.results.outputs = display_data(*overlay(chosen).outputs(), table)
