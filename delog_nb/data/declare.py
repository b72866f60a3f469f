"""How a data set declares itself: `delog_nb.dataset`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from delog_nb.data.images import Raw
from delog_nb.experiment import ExperimentError
from delog_nb.experiment.entries import DatasetEntry
from delog_nb.experiment.plugins import origin
from delog_nb.experiment.registry import DATASETS

Made = TypeVar("Made", bound=Callable[..., Any])


class Source:
    """Where a data set's images come from.

    Args:
        folder: ``data_dir``; None where it was not given
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def classes(self) -> tuple[str, ...]:
        """The classes' names, without reading an image."""
        raise NotImplementedError

    def content_id(self) -> str | None:
        """A hash of the images' undecoded bytes and labels; None where the name says which."""
        return None

    def count(self) -> tuple[int, int] | None:
        """Images for training and for testing, without reading one; None where that cannot be."""
        return None

    def read(self, size: int) -> Raw:
        """All images, of ``size`` pixels a side where they are decoded to a size."""
        raise NotImplementedError


class _Function(Source):
    """A function that returns arrays, as a source."""

    def __init__(self, read: Callable[[Path | None], Any], folder: Path | None) -> None:
        super().__init__(folder)
        self._function = read

    def read(self, size: int) -> Raw:  # noqa: ARG002 - they are resized by whoever asks
        return Raw.of(*self._function(self.folder))


def dataset(name: str, *, label: str, **declared: Any) -> Callable[[Made], Made]:
    """Make a data set of a `Source`, or of a function that returns its arrays.

    A function takes ``data_dir`` (a path, or None) and returns training images (N, H, W, C) in
    uint8, their labels (N,) from 0, test images and their labels; (N, H, W) are grey images.

    Args:
        name: on the command line and in files
        label: in tables and figures
        declared: what else `delog_nb.experiment.registry.DatasetEntry` has: ``channels`` (3),
            ``size`` (32) and ``classes`` (their number; it is needed for a function), ``images``
            (how many for training and for testing), ``flip``, ``crop_padding``, ``mean``, ``std``,
            ``options``, ``revision``

    Raises:
        ExperimentError: the name is taken, or an option is declared otherwise elsewhere.
    """
    frame = sys._getframe(1)
    plugin, module = origin(frame), frame.f_globals.get("__name__", "")

    def declare(made: Made) -> Made:
        def of_function(folder: Path | None) -> Source:
            return _Function(made, folder)

        is_source = isinstance(made, type) and issubclass(made, Source)
        if not is_source and not declared.get("classes"):
            raise ExperimentError(f"dataset {name!r} is a function: give classes, their number")
        DATASETS.add(
            DatasetEntry(
                name,
                label,
                module="" if plugin else module,
                make=made if is_source else of_function,
                plugin=plugin,
                **declared,
            )
        )
        return made

    return declare
