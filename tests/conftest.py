"""Shared by all tests: a cache folder of their own, one thread, real images if they are here."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.runs import make_folder

from delog_nb import cli
from delog_nb.experiment import registry

torch.set_num_threads(1)
collect_ignore_glob = ["support/plugins/*"]  # what they declare is for single tests


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


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "images")


@pytest.fixture(autouse=True)
def faults(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours fails the test, whatever status it expects; one test is about faults."""

    def again() -> int:
        raise

    if request.node.name != "test_a_fault_of_ours_is_shown_whole_and_has_its_own_status":
        monkeypatch.setattr(cli, "_fault", again)


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


# Those that take longest, in order: begun first, they leave short ones to the end. The browser
# goes first, beside processes and lessons, which need one core.
LONGEST = (
    "test_jupyterlab",
    "test_open",
    "*.ipynb",
    "test_pipeline",
    "test_pages",
    "test_kills",
    "test_submissions",
    "test_sweep",
    "test_product",
    "test_cli",
    "test_project",
    "test_golden",
    "test_full_comparison",
    "test_training",
    "test_from_scratch",
    "test_wheel",
    "test_pipelined_training",
)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.long)
        if item.get_closest_marker("cuda") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no GPU here"))

    def place(item: pytest.Item) -> int:
        name = item.path.stem if item.path.suffix == ".py" else f"*{item.path.suffix}"
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)
