"""Limits for submitted code: what it may open, start and use up.

A guard against accidents and curiosity, not a sandbox against an attacker: it runs in the process
that it guards. Compiled code can open files and sockets without Python noticing, and whoever means
harm finds a way around an audit hook. Against that, use a container without a network.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_LISTING = {"os.listdir", "os.scandir"}
# event: which of its arguments are paths that it changes
_CHANGING: dict[str, tuple[int, ...]] = {
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.mkdir": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.truncate": (0,),
    "os.utime": (0,),
    "os.rename": (0, 1),
    "os.link": (0, 1),
    "os.symlink": (1,),
    "sqlite3.connect": (0,),
}
_NEVER = {
    "os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn", "os.spawn",
    "os.startfile", "os.system", "pty.spawn", "resource.prlimit", "resource.setrlimit",
    "signal.pthread_kill", "socket.bind", "socket.connect", "socket.getaddrinfo",
    "socket.gethostbyaddr", "socket.gethostbyname", "socket.getnameinfo", "socket.sendmsg",
    "socket.sendto",
}  # fmt: skip
_MOST_TOLD = 5
_PACKAGE = os.path.realpath(Path(__file__).parents[1])


class Refused(PermissionError):
    """Submitted code asked for something that it may not have."""


@dataclass
class Guard:
    """Refuses what a submission has no business with, once it is installed.

    ``own`` are the folders that may be read and changed. Besides them only the installation may be
    read: Python, its packages, this package, the system's libraries and facts about the machine.
    Nothing in ``hidden`` may be read, even if it is there. ``refused`` lists what was asked for.
    """

    own: Sequence[Path]
    hidden: Sequence[Path] = ()
    refused: list[str] = field(default_factory=list)

    def install(self) -> None:
        """From now on; it cannot be undone."""
        self.prepare()
        sys.addaudithook(self.hook)

    def prepare(self) -> None:
        """Look up what `hook` allows."""
        self._own = _real(self.own)
        self._hidden = _real(self.hidden)
        self._installation = _real(_installation())
        self._listed = set(_real(sys.path))

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raise `Refused` where an audit event is one that a submission may not cause."""
        if event == "open":
            path, _, flags = arguments
            if flags & _WRITING:
                self._change(path)
            else:
                self._read(path)
        elif event in _LISTING:
            self._read(arguments[0], self._listed)
        elif event in _CHANGING:
            for place in _CHANGING[event]:
                self._change(arguments[place])
        elif event.startswith("ctypes."):  # memory is tuned with it, here and in libraries
            if not _within(_caller("ctypes"), self._installation):
                self._refuse(event)
        elif event == "subprocess.Popen":  # records name the machine and the git revision
            if not _within(_caller("subprocess.py", "platform.py"), [_PACKAGE]):
                self._refuse(event)
        elif event in _NEVER:
            self._refuse(event)

    def _read(self, path: Any, besides: Iterable[str] = ()) -> None:
        if isinstance(path, int):  # open already
            return
        real = os.path.realpath(os.fsdecode(path or "."))
        if _within(real, self._own) or real in besides or _is_fact(real):
            return
        if _within(real, self._hidden) or not _within(real, self._installation):
            self._refuse(f"reading {real}")

    def _change(self, path: Any) -> None:
        if isinstance(path, int) or path in (os.devnull, ":memory:"):
            return
        real = os.path.realpath(os.fsdecode(path))
        if not _within(real, self._own):
            self._refuse(f"changing {real}")

    def _refuse(self, what: str) -> None:
        if len(self.refused) < _MOST_TOLD:
            self.refused.append(what)
        raise Refused(f"{what} is not allowed in a submission")


def _caller(*besides: str) -> str:
    """The file of the code that made this event: the first one not in the modules ``besides``."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and not set(besides).isdisjoint(Path(frame.f_code.co_filename).parts):
        frame = frame.f_back
    return os.path.realpath(frame.f_code.co_filename) if frame else ""


def _real(paths: Iterable[Path | str]) -> list[str]:
    return [os.path.realpath(path) for path in paths]


def _within(path: str, roots: Iterable[str]) -> bool:
    return any(path == root or path.startswith(root + os.sep) for root in roots)


def _is_fact(path: str) -> bool:
    """Whether ``path`` tells of the machine or of this process, and of no other one."""
    _, first, *rest = [*path.split(os.sep), "", ""]
    if first == "proc":
        return not rest[0].isdigit() or rest[0] == str(os.getpid())
    return first == "sys" or path in (os.devnull, "/dev/urandom", "/etc/localtime")


def _installation() -> list[str]:
    found = {*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()}
    found |= {sys.prefix, sys.base_prefix, "/usr/lib", "/usr/share", "/lib", _PACKAGE}
    return sorted(found - {os.sep})


def limit(seconds: int, memory: int, file_size: int = 100 * 10**6) -> None:
    """Bound this process where the system can: CPU time (s), more memory (bytes), a file's size.

    It also ends, whatever it does, some time after ``seconds`` of a clock on the wall.
    """
    import resource
    import signal

    def bound(kind: int, value: int) -> None:
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError):  # this system does not know it
            return

    bound(resource.RLIMIT_CORE, 0)
    bound(resource.RLIMIT_FSIZE, file_size)
    bound(resource.RLIMIT_CPU, seconds + 10)
    statm = Path("/proc/self/statm")
    if statm.exists():
        bound(
            resource.RLIMIT_AS, memory + int(statm.read_text().split()[0]) * resource.getpagesize()
        )
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds + 60)


class Originals:
    """Functions and values of modules as they are now, to be put back after submitted code ran."""

    def __init__(self, names: Iterable[str]) -> None:
        self._modules = {name: sys.modules[name] for name in names if name in sys.modules}
        self._values = {name: dict(vars(module)) for name, module in self._modules.items()}
        self._dicts = [
            (value, dict(value))
            for values in self._values.values()
            for key, value in values.items()
            if type(value) is dict and key.isupper()
        ]
        classes = {v for vs in self._values.values() for v in vs.values() if _is_ours(v)}
        self._classes = [(made, dict(vars(made))) for made in classes]
        inside = (e for _, was in self._dicts for e in was.values() if isinstance(e, tuple))
        found = [*(vs.values() for vs in self._values.values()), *inside]
        functions = {value for values in found for value in values if _is_plain(value)}
        self._codes = [(f, f.__code__, f.__defaults__, f.__kwdefaults__) for f in functions]

    def put_back(self) -> None:
        """Undo replaced names and methods, replaced code and changed tables."""
        for name, module in self._modules.items():
            sys.modules[name] = module
            here = vars(module)
            for key, value in self._values[name].items():
                if here.get(key) is not value:
                    here[key] = value
        for made, attributes in self._classes:
            for key, value in attributes.items():
                if vars(made).get(key) is not value:
                    setattr(made, key, value)
        for table, content in self._dicts:
            table.clear()
            table.update(content)
        for function, *parts in self._codes:
            function.__code__, function.__defaults__, function.__kwdefaults__ = parts


def _is_plain(value: Any) -> bool:
    return isinstance(value, FunctionType)


def _is_ours(value: Any) -> bool:
    return isinstance(value, type) and value.__module__.startswith("delog_nb.")
