"""Small runs, small images, and plug-ins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from delog_nb import Experiment
from delog_nb.experiment import plugins, registry
from delog_nb.experiment.rules import readable
from delog_nb.training import Row

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = Path(__file__).with_name("plugins")
# every method of the package with every net that it goes on
PAIRS = [
    (method, net)
    for method in registry.METHODS.own
    for net in registry.NETS.own
    if net not in registry.METHODS[method].refuses
]
# of these, every method once and every net once; the other pairs are long
ONCE = [(m, n) for m, n in PAIRS if n == "convnet" or m == "delog-scl"]
EACH = [pytest.param(*p, marks=[] if p in ONCE else pytest.mark.long) for p in PAIRS]


def narrow(net: str) -> float:
    """A width as small as cwcomp takes it: a channel for each of the digits' classes."""
    return {"resnet-cifar": 0.625}.get(net, 0.3)


def plugged(name: str) -> Path:
    """Register what the plug-in ``name`` of the tests declares; its file."""
    path = PLUGINS / f"{name}.py"
    registry.use(plugins.read(path))
    return path


def make_folder(root: Path, classes: tuple[str, ...] = ("cat", "dog"), count: int = 3) -> Path:
    """An image folder with ``count`` random images a class in train and in test."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in classes:
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def tiny(**changes: object) -> Experiment:
    """A run of a second, in float32; options that it does not read are left out."""
    small = {"preset": "quick", "limit": 200, "batch_size": 32, "epochs": 2, "precision": "float32"}
    return Experiment(**readable(small | changes))


def same_history(one: list[Row], other: list[Row]) -> bool:
    """Equal to the last bit, in all but the clock's readings."""

    def figures(rows: list[Row]) -> list[Row]:
        clock = ("seconds", "eval_seconds", "images_per_s")
        return [{k: v for k, v in row.items() if k not in clock} for row in rows]

    return figures(one) == figures(other)
