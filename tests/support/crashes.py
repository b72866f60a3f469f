"""What the processes run that test_crashes.py kills."""

from __future__ import annotations

import collections
import os
import random
import signal
from pathlib import Path
from typing import Any

from delog_nb import records
from delog_nb.experiment import Experiment
from delog_nb.instruments import files


def experiment() -> Experiment:
    return Experiment(
        preset="quick",
        limit=60,
        width=0.125,
        head_hidden=8,
        head_dim=8,
        epochs=6,
        batch_size=16,
        precision="float32",
    )


def make_run(out: Path, beats: Any = None, doom: str = "") -> None:
    """Make the run below ``out``, sending a beat for each step; die at ``doom`` if it is given."""
    arm(doom)
    on_event = beats.send_bytes if beats is not None else None
    records.train_once(
        experiment(),
        out,
        (lambda event: on_event(type(event).__name__.encode())) if on_event else None,
        keep_checkpoint=True,
        checkpoint_every=0.0,
    )


def arm(doom: str) -> None:
    """Kill this process at a random one of the calls ``doom`` names, before or after it."""
    if not doom:
        return
    when, name, number = doom.split()
    plain, count = getattr(os, name), 0

    def fatal(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == int(number) and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = plain(*arguments)
        if count == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(files.os, name, fatal)


def counted() -> collections.Counter[str]:
    """How often this process calls what it can be killed at, from now on."""
    counts: collections.Counter[str] = collections.Counter()

    def counting(name: str, plain: Any) -> Any:
        def call(*arguments: Any) -> Any:
            counts[name] += 1
            return plain(*arguments)

        return call

    for name in ("fsync", "replace"):
        setattr(files.os, name, counting(name, getattr(os, name)))
    return counts


def dooms(seed: int, count: int) -> list[str]:
    """Random moments of writing: before and after the bytes are on the disk, and the renaming."""
    draw = random.Random(seed)
    return [
        f"{draw.choice(['before', 'after'])} {draw.choice(['fsync', 'replace'])} "
        f"{draw.randint(1, 4)}"
        for _ in range(count)
    ]
