"""How a net declares itself: `delog_nb.net`."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from delog_nb.experiment import Option
from delog_nb.experiment.entries import NetEntry
from delog_nb.experiment.plugins import origin
from delog_nb.experiment.registry import NETS
from delog_nb.nets.backbone import Parts

Maker = TypeVar("Maker", bound=Callable[..., Parts])


def net(
    name: str,
    *,
    label: str,
    min_size: int = 1,
    depth: int = 4,
    at_depth: tuple[str, int, int] | None = None,
    options: Sequence[Option] = (),
    revision: int = 1,
    published: str = "",
) -> Callable[[Maker], Maker]:
    """Make a net of a function ``build(in_shape, classes, width, depth, **options) -> Parts``.

    Args:
        name: on the command line and in files
        label: in tables and figures
        min_size: the smallest image side, in pixels, that its blocks allow
        depth: how many blocks it has by default
        at_depth: (text, a, b), where its name counts layers: its label with H blocks is the text
            and a H + b
        options: what it reads, beyond width and depth; the function takes them by keyword
        revision: raise it when the net's numbers change
        published: the paper or code that it follows

    Raises:
        ExperimentError: the name is taken, or an option is declared otherwise elsewhere.
    """
    frame = sys._getframe(1)
    plugin, module = origin(frame), frame.f_globals.get("__name__", "")

    def declare(build: Maker) -> Maker:
        NETS.add(
            NetEntry(
                name,
                label,
                tuple(options),
                revision,
                published,
                module="" if plugin else module,
                make=build,
                plugin=plugin,
                min_size=min_size,
                depth=depth,
                at_depth=at_depth,
            )
        )
        return build

    return declare
