"""A run while it goes on: progress, time left, losses and accuracy."""

from __future__ import annotations

import time

import ipywidgets as widgets
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from delog_nb.instruments.clock import duration
from delog_nb.lab.charts.style import dressed, line_style
from delog_nb.training import Ended, EpochEnded, Event, Started, Stepped

_EVERY = 0.2  # seconds between two redraws: more would only keep the browser busy


class LiveRun:
    """Widgets that follow the events of a run, from whatever thread they come."""

    def __init__(self) -> None:
        self.progress = widgets.FloatProgress(min=0, max=1, layout={"width": "260px"})
        self.time_left = widgets.Label()
        figure = make_subplots(
            rows=1, cols=2, subplot_titles=("Training loss of each component", "Test accuracy (%)")
        )
        for place in (1, 2):  # empty lines make both pairs of axes appear
            figure.add_scatter(x=[], y=[], showlegend=False, row=1, col=place)
        dressed(figure, "", height=360)
        # until a run begins there is nothing that an axis could count
        figure.update_xaxes(title_text="Epoch", rangemode="tozero", showticklabels=False)
        figure.update_yaxes(showticklabels=False)
        figure.update_layout(margin={"t": 40}, autosize=True)
        self.figure = go.FigureWidget(figure)
        self.figure._config = {**self.figure._config, "responsive": True}

    def on_event(self, event: Event) -> None:
        """What the training loop calls."""
        if isinstance(event, Started):
            self._started(event)
        elif isinstance(event, Stepped):
            self._stepped(event)
        elif isinstance(event, EpochEnded):
            if event.row["test_acc"] is not None:
                self._accuracy[int(event.row["epoch"] or 0)] = 100 * event.row["test_acc"]
            self._draw()
        elif isinstance(event, Ended):
            self._draw()
            if not event.run.stopped:
                self.progress.value = 1.0
            self.time_left.value = ""

    def _started(self, event: Started) -> None:
        self._run = event
        self._steps, self._begin, self._drawn = 0, time.perf_counter(), 0.0
        self._epochs: list[float] = []
        self._losses: list[list[float]] = [[] for _ in range(event.components)]
        self._accuracy: dict[int, float] = {}  # percent, by epoch
        with self.figure.batch_update():
            self.figure.data = ()
            self.figure.update_xaxes(showticklabels=True)
            self.figure.update_yaxes(showticklabels=True)
            for place in range(event.components):
                style = line_style(place)
                self.figure.add_scatter(
                    name=f"component {place + 1}",
                    mode="lines",
                    line={"color": style["color"], "dash": style["dash"]},
                    row=1,
                    col=1,
                )
            self.figure.add_scatter(
                name="test accuracy",
                mode="lines+markers",
                line={"color": "#24292f"},
                row=1,
                col=2,
            )

    def _stepped(self, event: Stepped) -> None:
        self._steps += 1
        now = time.perf_counter()
        if now - self._drawn < _EVERY:
            return
        self._drawn = now
        self._epochs.append(self._run.epoch + self._steps / self._run.steps_per_epoch)
        for losses, loss in zip(self._losses, event.losses, strict=True):
            losses.append(float(loss))
        total = (self._run.epochs - self._run.epoch) * self._run.steps_per_epoch
        self.progress.value = self._steps / total
        left = (now - self._begin) / self._steps * (total - self._steps)
        self.time_left.value = f"{duration(left)} left"
        self._draw()

    def _draw(self) -> None:
        with self.figure.batch_update():
            for line, losses in zip(self.figure.data, self._losses, strict=False):
                line.x, line.y = tuple(self._epochs), tuple(losses)
            accuracy = self.figure.data[-1]
            accuracy.x = tuple(self._accuracy)
            accuracy.y = tuple(self._accuracy.values())
