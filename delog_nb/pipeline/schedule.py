"""Schedules of training on several stages, simulated: who works when, and what it costs.

Stages are the components (or runs of components) 1 ... K of a network, numbered from 0 here. Two
kinds of training are compared:

- BP: a stage's backward pass waits for the gradient from the stage above (*backward locking*).
  `sequential_bp` lets one batch at a time through; `gpipe` (Huang et al., 2019) and `one_f_one_b`
  (PipeDream-flush; Narayanan et al., 2021) cut the batch into micro-batches, keep the weights of
  one batch for all of them, and so drain the pipeline after every batch.
- Components with local losses: `within_batch` overlaps one component's backward pass with the next
  one's forward pass, batch after batch, as the authors' later code does; `table_1` is the paper's
  Table 1: component l works on batch B_t while component l+1 works on B_{t-1}, and nothing waits
  for anything from above. It is what `delog_nb.pipeline` runs.

Times are in any one unit. Everything is exact and deterministic; no torch is needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

MOST_STAGES = 64

Times = Sequence[float]


class Task(NamedTuple):
    """What a stage does from ``start`` to ``end``.

    ``kind`` is ``forward``, ``backward``, ``task`` (the paper's Task: forward, backward and update
    of a component) or ``send`` (the link from ``stage`` is busy). ``micro`` numbers the
    micro-batches of a batch; batches and micro-batches count from 0.
    """

    stage: int
    batch: int
    kind: str
    start: float
    end: float
    micro: int = 0


@dataclass(frozen=True)
class Schedule:
    """A simulated run: ``tasks`` of all stages and ``sends`` over the links between them.

    ``share`` is the part of a batch that one forward pass takes: 1 / micro-batches.
    """

    name: str
    stages: int
    batches: int
    tasks: list[Task]
    sends: list[Task]
    share: float = 1.0

    @property
    def makespan(self) -> float:
        """Time from the first task's start to the last one's end."""
        return max(task.end for task in self.tasks)

    @property
    def busy(self) -> list[float]:
        """Time that each stage works."""
        return [sum(t.end - t.start for t in self.tasks if t.stage == k) for k in self._stages]

    @property
    def bubble(self) -> float:
        """Share of the stages' time, 0 to 1, in which they have nothing to do.

        For Table 1 with equal stages it is (K - 1) / (K - 1 + B).
        """
        return 1 - sum(self.busy) / (self.stages * self.makespan)

    @property
    def in_flight(self) -> list[float]:
        """For each stage the most batches whose activations it keeps for a backward pass at once.

        Every batch counts from the start of its forward pass to the end of its backward pass.
        """
        return [self._most(self._kept(k)) * self.share for k in self._stages]

    @property
    def waiting(self) -> list[float]:
        """For each stage the most batches that have left the stage below and are not begun here."""
        begun: dict[Hashable, float] = {}
        for task in self.tasks:
            if task.kind != "backward":
                begun[task.stage, task.batch, task.micro] = task.start
        spans = defaultdict(list)
        for task in self.tasks:
            above = task.stage + 1, task.batch, task.micro
            if task.kind != "backward" and above in begun:
                spans[task.stage + 1].append((task.end, begun[above]))
        return [self._most(spans[k]) * self.share for k in self._stages]

    def scaled(self, factor: float) -> Schedule:
        """The same run in another unit: all times multiplied by ``factor``."""
        tasks, sends = (
            [t._replace(start=factor * t.start, end=factor * t.end) for t in times]
            for times in (self.tasks, self.sends)
        )
        return replace(self, tasks=tasks, sends=sends)

    @property
    def _stages(self) -> range:
        return range(self.stages)

    def _kept(self, stage: int) -> list[tuple[float, float]]:
        spans: dict[Hashable, tuple[float, float]] = {}
        for task in self.tasks:
            if task.stage == stage:
                start, _ = spans.get((task.batch, task.micro), (task.start, 0.0))
                spans[task.batch, task.micro] = start, task.end
        return list(spans.values())

    @staticmethod
    def _most(spans: Iterable[tuple[float, float]]) -> int:
        """The most half-open spans [start, end) that share a moment."""
        changes = [(end, -1) for start, end in spans if end > start]
        changes += [(start, 1) for start, end in spans if end > start]
        most = now = 0
        for _, change in sorted(changes):  # at one moment, ends come first
            now += change
            most = max(most, now)
        return most


class _Op(NamedTuple):
    stage: int
    batch: int
    kind: str
    micro: int = 0


def sequential_bp(
    forward: Times, backward: Times, batches: int, link: float | Times = 0.0
) -> Schedule:
    """BP without overlap: forward up, backward down, then the next batch.

    Args:
        forward: time of each stage's forward pass on a batch
        backward: time of its backward pass and update
        batches: number of batches B
        link: time to send a batch's activations (or gradients) over each of the K - 1 links

    Raises:
        ValueError: numbers of stages, batches or times that do not go together.
    """
    return _micro_batched("sequential BP", forward, backward, batches, link, 1, early=False)


def gpipe(
    forward: Times, backward: Times, batches: int, link: float | Times = 0.0, micro: int = 4
) -> Schedule:
    """GPipe: all micro-batches' forward passes, then all backward passes, then the update.

    Arguments as in `sequential_bp`; each micro-batch takes 1 / ``micro`` of a batch's times. A
    stage keeps the activations of the whole batch.
    """
    return _micro_batched("GPipe", forward, backward, batches, link, micro, early=False)


def one_f_one_b(
    forward: Times, backward: Times, batches: int, link: float | Times = 0.0, micro: int = 4
) -> Schedule:
    """1F1B: as `gpipe`, but a stage goes backward as soon as it can, one forward, one backward.

    The bubble is GPipe's; stage k of K keeps at most K - k + 1 micro-batches (k from 1).
    """
    return _micro_batched("1F1B", forward, backward, batches, link, micro, early=True)


def within_batch(
    forward: Times, backward: Times, batches: int, link: float | Times = 0.0
) -> Schedule:
    """Local losses, overlap within a batch: a component's backward beside the next one's forward.

    The next batch begins when all components are done with this one.
    """
    links = _checked(forward, backward, batches, link)
    stages = range(len(forward))
    orders = [
        [_Op(k, b, kind) for b in range(batches) for kind in ("forward", "backward")]
        for k in stages
    ]
    needs: dict[_Op, list[_Op]] = {}
    for b in range(batches):
        for k in stages:
            needs[_Op(k, b, "forward")] = [_Op(k - 1, b, "forward")] if k else []
            needs[_Op(k, b, "backward")] = [_Op(k, b, "forward")]
        if b:
            needs[_Op(0, b, "forward")] += [_Op(k, b - 1, "backward") for k in stages]
    times = {"forward": forward, "backward": backward}
    # the barrier between batches sends nothing
    tasks, sends = _simulate(orders, needs, times, links, {("forward", "forward")})
    return Schedule("overlap within a batch", len(forward), batches, tasks, sends)


def table_1(
    task: Times, batches: int, link: float | Times = 0.0, queue: int | None = None
) -> Schedule:
    """Table 1 of the paper: stage l works on batch B_t while stage l+1 works on B_{t-1}.

    Args:
        task: time of each stage's Task on a batch: forward, backward and update
        batches: number of batches B
        link: time to send a batch's activations over each of the K - 1 links
        queue: most batches that may wait between two stages; a stage that has made one more keeps
            it, and waits, until there is room. None: as many as come

    Raises:
        ValueError: numbers of stages, batches or times that do not go together.

    >>> run = table_1([1, 1, 1], batches=4)
    >>> [(t.stage, t.batch) for t in run.tasks if t.start == 2]
    [(0, 2), (1, 1), (2, 0)]
    >>> run.makespan, round(run.bubble, 3)  # B + K - 1, (K - 1) / (K - 1 + B)
    (6.0, 0.333)
    """
    links = _checked(task, task, batches, link)
    if queue is not None and queue < 1:
        raise ValueError(f"queue = {queue} is not allowed: at least 1, or None")
    stages = range(len(task))
    orders = [[_Op(k, b, "task") for b in range(batches)] for k in stages]
    needs = {
        _Op(k, b, "task"): [_Op(k - 1, b, "task")] if k else []
        for k in stages
        for b in range(batches)
    }
    tasks, sends = _simulate(orders, needs, {"task": task}, links, {("task", "task")}, queue)
    return Schedule("Table 1", len(task), batches, tasks, sends)


def balance(seconds: Sequence[float], stages: int) -> list[tuple[int, int]]:
    """Cut components into ``stages`` runs [first, end) whose slowest is as fast as can be.

    >>> balance([5, 1, 1, 1, 2], 2)
    [(0, 1), (1, 5)]

    Raises:
        ValueError: ``stages`` is below 1 or above the number of components.
    """
    count = len(seconds)
    if not 1 <= stages <= count:
        raise ValueError(f"cannot put {count} components on {stages} stages: from 1 to {count}")
    # best[end]: (time of the slowest stage, its cuts) for the first ``end`` components
    best = [(sum(seconds[:end]), [(0, end)]) for end in range(count + 1)]
    for stage in range(1, stages):
        best = [
            min(
                (max(best[cut][0], sum(seconds[cut:end])), [*best[cut][1], (cut, end)])
                for cut in range(stage, end)
            )
            if end > stage
            else (float("inf"), [])
            for end in range(count + 1)
        ]
    return best[count][1]


def _micro_batched(
    name: str,
    forward: Times,
    backward: Times,
    batches: int,
    link: float | Times,
    micro: int,
    *,
    early: bool,
) -> Schedule:
    """BP with ``micro`` micro-batches a batch; ``early`` goes backward before all went forward."""
    links = _checked(forward, backward, batches, link)
    if micro < 1:
        raise ValueError(f"micro = {micro} is not allowed: at least 1 micro-batch a batch")
    last = len(forward) - 1
    orders = []
    for k in range(last + 1):
        ahead = min(last - k, micro) if early else micro
        order: list[_Op] = []
        for b in range(batches):
            passes = {kind: [_Op(k, b, kind, m) for m in range(micro)] for kind in _PASSES}
            order += passes["forward"][:ahead]
            for m in range(ahead, micro):
                order += [passes["forward"][m], passes["backward"][m - ahead]]
            order += passes["backward"][micro - ahead :]
        orders.append(order)
    needs = {}
    for order in orders:
        for op in order:
            k, b, kind, m = op
            if kind == "forward":
                needs[op] = [_Op(k - 1, b, "forward", m)] if k else []
            else:
                above = [_Op(k + 1, b, "backward", m)] if k < last else []
                needs[op] = [_Op(k, b, "forward", m), *above]
    times = {
        "forward": [time / micro for time in forward],
        "backward": [time / micro for time in backward],
    }
    links = [time / micro for time in links]
    sent = {("forward", "forward"), ("backward", "backward")}
    tasks, sends = _simulate(orders, needs, times, links, sent)
    return Schedule(name, last + 1, batches, tasks, sends, 1 / micro)


_PASSES = ("forward", "backward")


def _simulate(
    orders: list[list[_Op]],
    needs: dict[_Op, list[_Op]],
    times: Mapping[str, Times],
    links: Times,
    sent: set[tuple[str, str]],
    queue: int | None = None,
) -> tuple[list[Task], list[Task]]:
    """Start every operation as early as its stage's order and what it needs allow.

    What one stage makes for another goes over the link between them, one batch at a time and each
    direction by itself, if the pair (kind made, kind that needs it) is in ``sent``.
    """
    ends: dict[_Op, float] = {}
    starts: dict[_Op, float] = {}
    arrivals: dict[tuple[_Op, _Op], float] = {}
    free = [0.0] * len(orders)
    link_free: dict[tuple[int, int], float] = defaultdict(float)
    wanted = defaultdict(list)
    for op, before in needs.items():
        for need in before:
            if need.stage != op.stage and (need.kind, op.kind) in sent:
                wanted[need].append(op)
    tasks, sends = [], []
    place = [0] * len(orders)
    while len(ends) < len(needs):
        for k, order in enumerate(orders):
            while place[k] < len(order):
                op = order[place[k]]
                if any(need not in ends for need in needs[op]):
                    break
                if queue is not None and k + 1 < len(orders) and op.batch > queue:
                    # the batch before this one has found room in the queue
                    room = _Op(k + 1, op.batch - 1 - queue, op.kind)
                    if room not in starts:
                        break
                    free[k] = max(free[k], starts[room])
                ready = [arrivals.get((need, op), ends[need]) for need in needs[op]]
                start = max([free[k], *ready])
                end = start + times[op.kind][k]
                starts[op], ends[op], free[k] = start, end, end
                tasks.append(Task(k, op.batch, op.kind, start, end, op.micro))
                for other in wanted[op]:
                    way = k, other.stage
                    begin = max(end, link_free[way])
                    arrival = begin + links[min(way)]
                    arrivals[op, other] = link_free[way] = arrival
                    sends.append(Task(k, op.batch, "send", begin, arrival, op.micro))
                place[k] += 1
    return sorted(tasks, key=lambda t: (t.start, t.stage)), sorted(sends, key=lambda t: t.start)


def _checked(forward: Times, backward: Times, batches: int, link: float | Times) -> list[float]:
    """The links' times, one each, once everything is as it must be."""
    stages = len(forward)
    if not 1 <= stages <= MOST_STAGES:
        raise ValueError(f"{stages} stages are not allowed: from 1 to {MOST_STAGES}")
    if len(backward) != stages:
        raise ValueError(f"{stages} forward times and {len(backward)} backward times: one each")
    if batches < 1:
        raise ValueError(f"batches = {batches} is not allowed: at least 1")
    links = [link] * (stages - 1) if isinstance(link, (int, float)) else list(link)
    if len(links) != stages - 1:
        raise ValueError(f"{len(links)} link times for {stages} stages: {stages - 1}")
    if min([*forward, *backward, *links]) < 0 or sum(forward) + sum(backward) <= 0:
        raise ValueError("times must not be below 0, and not all of them 0")
    return [float(time) for time in links]
