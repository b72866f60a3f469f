"""What a rank does in the tests of `delog_nb.pipeline`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.distributed import TCPStore

from delog_nb import Experiment, methods, train
from delog_nb.cli.rank import main
from delog_nb.data import ImageData, Views, load
from delog_nb.experiment.registry import METHODS
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.pipeline import DataParallel, Pipeline, joined
from delog_nb.training import Batches, Taken, autocast, local_losses, train_step
from delog_nb.training.team import Team
from support import golden
from support.forked import FORKED
from support.runs import PAIRS, narrow, plugged, tiny

DECOUPLED = [name for name in METHODS.own if METHODS[name].components.default != 1]
# without a BatchNorm of their own, which would see a rank's share alone
SHARED = ("delog-scl", "early-exit", "al", "bp", "predsim", "cwcomp")
# 150 images in batches of 16: ten steps an epoch, the last one of 6 images
FIFTY_STEPS = {"limit": 150, "val_fraction": 0.0, "batch_size": 16, "epochs": 5}


def experiments(depth: int = 5) -> list[object]:
    """A run of 50 steps for each decoupled method; depth 5 gives AL five components."""
    return [tiny(method=name, depth=depth, **FIFTY_STEPS) for name in DECOUPLED]


def save(run: object, team: Team, folder: Path, name: str) -> None:
    if team.reports:
        weights, history = run.model.state_dict(), run.history  # type: ignore[attr-defined]
        torch.save({"weights": weights, "history": history}, folder / f"{name}.pt")


class Kept(Pipeline):
    """Notes how many images this process keeps, for training and for the evaluation."""

    def keep(self, images: ImageData, needs: Collection[str]) -> ImageData:
        made = super().keep(images, needs)
        self.images = [len(split.images) for split in (made.train, made.test)]
        assert [len(split) for split in (made.train, made.test)] == [150, len(images.test)]
        return made


def pipelined(folder: Path) -> None:
    """Fifty steps of every decoupled method; the last rank has all weights and the history."""
    for experiment in experiments():
        team = Kept()
        run = train(experiment, team=team)  # type: ignore[arg-type]
        save(run, team, folder, experiment.method)  # type: ignore[attr-defined]
        kept = [p.device.type for p in run.model.parameters()].count("cpu")
        (folder / f"{experiment.method}-{team.rank}.json").write_text(  # type: ignore[attr-defined]
            json.dumps(
                {
                    "runs": team.runs,
                    "kept": kept,
                    "rows": len(run.history),
                    "images": team.images,
                }
            )
        )


def of_method(method: str) -> dict[str, Experiment]:
    """A small run of a method on every net, by the net."""
    return {
        net: tiny(method=method, net=net, limit=80, width=narrow(net), epochs=1)
        for m, net in PAIRS
        if m == method
    }


def every_net(method: str, folder: Path) -> None:
    """A method on every net, in a pipeline."""
    for net, experiment in of_method(method).items():
        team = Pipeline()
        save(train(experiment, team=team), team, folder, net)


def dropout(folder: Path) -> None:
    """A net that draws in every component, in a pipeline."""
    plugged("dropout_net")
    team = Pipeline()
    save(train(tiny(method="early-exit", net="with-dropout"), team=team), team, folder, "dropout")


def interrupted(folder: Path) -> None:
    """A run that rank 0 stops in its second epoch, then goes on from the checkpoint; bf16."""
    experiment = tiny(precision="bf16", epochs=3)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 9

    first = train(experiment, None, stop, checkpoint=folder / "checkpoint.pt", team=Pipeline())
    events: list[object] = []
    team = Pipeline()
    run = train(experiment, events.append, checkpoint=folder / "checkpoint.pt", team=team)
    save(run, team, folder, "resumed")
    kinds = [type(event).__name__ for event in events]
    (folder / f"stop-{team.rank}.json").write_text(
        json.dumps({"stopped": first.stopped, "rows": len(first.history), "events": kinds})
    )


def data_parallel(folder: Path) -> None:
    """z, labels and gradients of a loss on two ranks; then steps of every method."""
    team = DataParallel()
    images = [2, 3]  # of each rank; two views of each
    torch.manual_seed(team.rank)
    count = 2 * images[team.rank]
    z = torch.randn(count, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (images[team.rank],)).repeat(2)
    loss = supervised_contrastive_loss(*team.join(images, z, labels))
    (loss * count / 10).backward()
    rows = torch.arange(2 * count).double() + 100 * team.rank  # two rows a view
    torch.save(
        {
            "z": z.detach(),
            "labels": labels,
            "loss": loss.detach(),
            "grad": z.grad,
            "joined": team.join(images, rows, labels),
        },
        folder / f"z-{team.rank}.pt",
    )
    for name in SHARED:
        found = sgd_steps(name, DataParallel())
        if team.reports:
            torch.save(found, folder / f"{name}.pt")


class PlainBatches(Batches):
    """Batches of 15 images without augmentation, in float64."""

    def views(self, index: torch.Tensor) -> torch.Tensor:
        return self.split.images[index].double().div(255).repeat(2, 1, 1, 1)


def sgd_steps(name: str, team: Team) -> tuple[dict[str, torch.Tensor], list[torch.Tensor]]:
    """Weights and losses of three steps of plain gradient descent in float64.

    Unlike Adam it makes no large step of a gradient that is rounding alone. 15 images cannot be
    shared evenly. BatchNorm takes no statistics of the batch: they are each rank's own.
    """
    experiment = tiny(method=name, norm="none", limit=45, val_fraction=0.0, batch_size=15)
    images = load(experiment)
    method = methods.build(experiment).double()
    for module in method.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    views = Views.of(experiment, images.mean, images.std)
    batches = PlainBatches(images.train, views, 15, 0, method.needs)
    own = team.assign(method, batches, autocast(torch.device("cpu"), "float32"))
    optimizers = [torch.optim.SGD(part.parameters(), lr=0.5) for part in own.parts()]
    team.begin([15] * 3)
    losses = []
    for step in range(3):
        taken = team.take(batches, step, lambda: False)
        assert taken is not None
        flow = local_losses(own.parts(), taken.r, taken.batch)
        made = Taken(*train_step(own.parts(), optimizers, flow, team))
        losses.append(torch.stack(team.give(made)))
    return method.state_dict(), losses


PARTS = {
    "pipelined": pipelined,
    **{f"every net with {name}": partial(every_net, name) for name in METHODS.own},
    "dropout": dropout,
    "interrupted": interrupted,
    "data_parallel": data_parallel,
    "golden": golden.be_rank,
}


def be_rank(rank: int, count: int, port: int, words: list[str], errors: Path) -> None:
    """What torchrun would start: a part of these tests, or the module with command-line flags."""
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    with errors.open("a") as file:
        os.dup2(file.fileno(), 2)
    if words[0] in PARTS:
        with joined():
            PARTS[words[0]](Path(words[1]))
    else:
        sys.exit(main(words))


@contextmanager
def ranks_of(count: int, words: list[str], folder: Path) -> Iterator[list[Any]]:
    """``count`` rank processes and, as torchrun has it, the store that they meet in."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    ranks = [
        FORKED.Process(target=be_rank, args=(k, count, store.port, words, folder / "errors.txt"))
        for k in range(count)
    ]
    for rank in ranks:
        rank.start()
    yield ranks
    late = time.monotonic() + 300  # all golden cases take a minute and more on two busy cores
    for rank in ranks:
        rank.join(max(0.0, late - time.monotonic()))
    alive = [rank for rank in ranks if rank.is_alive()]
    for rank in alive:
        rank.kill()
    assert not alive, f"{len(alive)} of {count} ranks still ran {words} after 300 s"


def run_ranks(count: int, *words: str, folder: Path) -> None:
    with ranks_of(count, list(words), folder) as ranks:
        pass
    errors = (folder / "errors.txt").read_text()
    assert [rank.exitcode for rank in ranks] == [0] * count, errors
