"""Shared by all tests: a cache folder of their own, one thread, real images if they are here."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from delog_nb import Experiment
from delog_nb.experiment import plugins, registry
from delog_nb.experiment.rules import readable
from delog_nb.training import Row

torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No test touches the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["DELOG_NB_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real images that DELOG_NB_TEST_DATA names."""
    named = os.environ.get("DELOG_NB_TEST_DATA")
    if not named:
        pytest.skip("DELOG_NB_TEST_DATA is not set: the real images are not here")
    return Path(named)


@pytest.fixture(scope="session")
def cifar10_jpeg(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred training and twenty test images of each class of CIFAR-10 (JPEG), unpacked."""
    root = tmp_path_factory.mktemp("cifar10-jpeg")
    taken: dict[str, int] = {}
    with tarfile.open(test_data / "cifar10-jpeg.tar.xz") as archive:
        for member in archive:
            folder = str(Path(member.name).parent)
            most = 100 if "train/" in member.name else 20
            if member.isfile() and taken.get(folder, 0) < most:
                taken[folder] = taken.get(folder, 0) + 1
                archive.extract(member, root, filter="data")
    return next(root.rglob("train")).parent


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


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "images")


PLUGINS = Path(__file__).with_name("plugins")
collect_ignore_glob = ["plugins/*"]  # what they declare is for single tests


def plugged(name: str) -> Path:
    """Register what the plug-in ``name`` of the tests declares; its file."""
    path = PLUGINS / f"{name}.py"
    registry.use(plugins.read(path))
    return path


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = {noun: dict(kind._entries) for noun, kind in registry.REGISTRIES.items()}
    yield
    for noun, entries in before.items():
        own = registry.REGISTRIES[noun]._entries
        loaded = {name: entry.make for name, entry in own.items()}  # the package's own stay so
        own.clear()
        own.update({name: replace(e, make=e.make or loaded[name]) for name, e in entries.items()})


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


# Those that take longest, in order: begun first, they leave short ones to the end. The browser
# goes first, beside the lessons, which need one core.
LONGEST = (
    "test_browser_lab",
    "*.ipynb",
    "test_pipeline",
    "test_sweep",
    "test_cli",
    "test_lesson_pipelined",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("cuda") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no GPU here"))

    def place(item: pytest.Item) -> int:
        name = item.path.stem if item.path.suffix == ".py" else f"*{item.path.suffix}"
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)
