"""Methods, nets and data sets from outside the package: what defines them, and how it is run.

A plug-in is source text: of a notebook's cell, of a file, or of a module that a package names as an
entry point of the group ``delog_nb.plugins``. It runs in a module of its own, in every process
that needs it, and must import what it uses.
"""

import hashlib
import linecache
import sys
import traceback
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any

from delog_nb.instruments.errors import DelogError, ExperimentError, ReadError
from delog_nb.instruments.files import MEGABYTE, read_text

GROUP = "delog_nb.plugins"  # entry points: each one names a module


@dataclass(frozen=True)
class Plugin:
    """Where a method, net or data set was defined.

    ``source`` is the whole text, empty where it cannot be had, as at a plain prompt. ``package``
    says that ``name`` is a module of an installed package, to be imported rather than run.
    """

    name: str
    source: str
    package: bool = False

    @property
    def digest(self) -> str:
        """What stands for the source in a run's identity."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]


_running: ContextVar[Plugin | None] = ContextVar("running", default=None)
_collected: ContextVar[list[Any] | None] = ContextVar("collected", default=None)
_run: list[Plugin] = []  # those whose source has been run here


def origin(frame: FrameType) -> Plugin | None:
    """The plug-in that the code in ``frame`` is of; None for the package's own."""
    name, file = frame.f_globals.get("__name__", ""), frame.f_code.co_filename
    if name.partition(".")[0] == "delog_nb":
        return None
    running = _running.get()
    if running and running.source:
        return running
    source = "".join(linecache.getlines(file, frame.f_globals))
    return replace(running, source=source) if running else Plugin(name, source)


def collect(entry: Any) -> bool:
    """Keep a plug-in's ``entry`` for whoever runs it; False where nobody does."""
    collected = _collected.get()
    if collected is None or entry.plugin is None:
        return False
    collected.append(entry)
    return True


def defining() -> bool:
    """Whether a plug-in's source is being run: it defines, and does not train."""
    return _collected.get() is not None


@contextmanager
def _as(plugin: Plugin, collected: list[Any] | None) -> Iterator[None]:
    tokens = _running.set(plugin), _collected.set(collected)
    try:
        yield
    finally:
        _running.reset(tokens[0])
        _collected.reset(tokens[1])


@cache
def entries_of(plugin: Plugin) -> tuple[Any, ...]:
    """What the plug-in declares, found by running its source in a module of its own.

    Raises:
        ExperimentError: it does not run, or declares nothing.
    """
    name, file = _module(plugin), _file(plugin)
    module = types.ModuleType(name)
    entries: list[Any] = []
    lines = plugin.source.splitlines(keepends=True)
    linecache.cache[file] = (len(plugin.source), None, lines, file)  # for tracebacks and inspect
    sys.modules[name] = module
    try:
        with _as(plugin, entries):
            exec(compile(plugin.source, file, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ExperimentError(
            f"plug-in {plugin.name} does not run alone: {_said(error, plugin)}"
        ) from error
    _run.append(plugin)
    if not entries:
        raise ExperimentError(
            f"plug-in {plugin.name} declares nothing: it needs @delog_nb.method, @delog_nb.net or "
            f"@delog_nb.dataset"
        )
    return tuple(entries)


@contextmanager
def called(plugin: Plugin | None) -> Iterator[None]:
    """What a plug-in's code raises in the block comes out as `ExperimentError`."""
    try:
        yield
    except DelogError:
        raise
    except Exception as error:
        if plugin is None:
            raise
        raise ExperimentError(f"plug-in {plugin.name} fails: {_said(error, plugin)}") from error


def failure(error: BaseException) -> str:
    """One sentence where ``error`` came out of the code of a plug-in; else nothing."""
    for plugin in _run:
        if _line(error, plugin) is not None:
            return f"plug-in {plugin.name} fails: {_said(error, plugin)}"
    return ""


def _module(plugin: Plugin) -> str:
    return f"delog_nb_plugin_{plugin.digest}"


def _file(plugin: Plugin) -> str:
    return f"<{_module(plugin)}>"


def _said(error: BaseException, plugin: Plugin) -> str:
    line = error.lineno if isinstance(error, SyntaxError) else _line(error, plugin)
    text = " ".join(traceback.format_exception_only(error)[-1].split())
    return text if line is None else f"{text} (line {line})"


def _line(error: BaseException, plugin: Plugin) -> int | None:
    """The last line of the plug-in that led to ``error``."""
    places = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in places if frame.f_code.co_filename == _file(plugin)]
    return lines[-1] if lines else None


def read(path: Path | str) -> Plugin:
    """The plug-in in a file. Raises `ExperimentError` where it cannot be read."""
    try:
        return Plugin(Path(path).name, read_text(Path(path), MEGABYTE))
    except ReadError as error:
        raise ExperimentError(f"plug-in: {error}") from error


_packages_asked = False


def import_packages() -> None:
    """Import what installed packages name as entry points, once in a process.

    One that cannot be imported is left out with a warning.
    """
    global _packages_asked
    if _packages_asked:
        return
    _packages_asked = True
    for point in metadata.entry_points(group=GROUP):
        try:
            with _as(Plugin(point.module, "", package=True), None):
                point.load()
        except Exception as error:  # noqa: BLE001 - another's package may fail as it likes
            text = f"{type(error).__name__}: {error}"
            warnings.warn(f"plug-in package {point.module} was left out: {text}", stacklevel=2)
