"""Attacks on the real sandbox: no answer gets "right", reads, writes or survives."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import nbformat
import psutil
import pytest
from support.submissions import endless_grading

from delog_nb.course.exercises import EXERCISES, LESSONS
from delog_nb.experiment import ExperimentError
from delog_nb.grading import calls
from delog_nb.grading.judging import grade
from delog_nb.grading.sandbox import Limits, Sandbox, _readable

ROOT = Path(__file__).parents[2]
GOOD = "import statistics as s\ndef f(v): return s.mean(v), s.stdev(v)"
BAD = "f = lambda v: (0, 0)"
DONE = "did it"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Submissions, of which an answer sees none."""
    root = tmp_path_factory.mktemp("submitted")
    (root / "other.ipynb").write_text("SECRET")
    return root


@contextlib.contextmanager
def made(limits: Limits, folder: Path) -> Iterator[Sandbox]:
    try:
        sandbox = Sandbox(limits, folder)
    except ExperimentError as error:
        pytest.skip(str(error))
    with contextlib.closing(sandbox):
        yield sandbox


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[Sandbox]:
    os.environ["SECRET"] = "SECRET"
    with made(Limits(seconds=30, memory=10**9), folder) as sandbox:
        yield sandbox
        assert graded(sandbox, GOOD) == ("right", "")
    del os.environ["SECRET"]


def inside() -> set[int]:
    """Processes of sandboxes."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.fixture
def sandbox(shared: Sandbox) -> Iterator[Sandbox]:
    """The same one for all tests: after each, nothing but it is left."""
    before = inside()
    yield shared
    assert inside() == before


def graded(sandbox: Sandbox, code: str, exercise: str = "spread") -> tuple[str, str]:
    """Result and message of a notebook with a cell for the answer ``f``, and the check."""
    cells = [(textwrap.dedent(code), []), (f'lab.check("{exercise}", f)', [])]
    return grade(sandbox, cells, exercise)


def told(sandbox: Sandbox, code: str) -> str:
    """``found``, a text that code in a cell makes."""
    result, message = graded(sandbox, f"{textwrap.dedent(code)}\nraise RuntimeError(found)")
    assert result == "error"
    return message.removeprefix("RuntimeError: ")


def tried(sandbox: Sandbox, code: str, *paths: object) -> list[str]:
    """For each path ``P``: that code did it, or the name of the error."""
    attempt = textwrap.indent(textwrap.dedent(code).strip(), 2 * " ")
    return json.loads(
        told(
            sandbox,
            f"import ctypes, json, mmap, os, pickle, shutil, signal, socket, sqlite3, sys, time\n"
            f"import numpy as np, torch\n"
            f"libc = ctypes.CDLL(None, use_errno=True)\n"
            f"def check(value):\n"
            f" if value == -1: raise OSError(ctypes.get_errno(), 'call')\n"
            f" return value\n"
            f"found = []\n"
            f"for N, P in enumerate({[str(path) for path in paths]}):\n"
            f" try:\n{attempt}\n  found.append({DONE!r})\n"
            f" except BaseException as error: found.append(type(error).__name__)\n"
            f"found = json.dumps(found)",
        )
    )


# -- forged answers


FORGED = {
    "a check of its own": """
        from delog_nb import lab
        import delog_nb.course.exercises as c
        c.Result.__init__ = lambda r, *a: setattr(r, "wrong", None)
        lab.check = c.check = lambda *a: True
        """,
    "a judge of its own": """
        import delog_nb.course.exercises as c
        c.Exercise.judge = lambda *a: None
        c.EXERCISES["spread"] = c.EXERCISES["spread"]._replace(
            make=lambda rng: [], wrong=lambda *a: None)
        """,
    "other code in its functions": """
        import delog_nb.course.exercises as c
        import delog_nb.course.replies as r
        wanted = lambda *a, **k: None
        for function in (c.Exercise.judge, c.EXERCISES["spread"].wrong, r.tell):
            function.__code__, function.__defaults__ = wanted.__code__, None
        """,
    "names that the check's module gets while the answer runs": """
        def f(v):
            import delog_nb.course.exercises as c
            import delog_nb.course.exercises.one_network_four_ways as o
            for module in (c, o):
                for name in ("tell", "mean", "stdev", "zip", "isinstance", "len", "str", "shown"):
                    setattr(module, name, lambda *a, **k: None)
            return 0, 0
        """,
    "builtins while the answer runs": """
        def f(v):
            import builtins, math, statistics
            math.isclose = statistics.mean = statistics.stdev = lambda *a, **k: True
            builtins.abs = builtins.len = builtins.isinstance = lambda *a: 0
            return 0, 0
        """,
    "what equals everything": """
        class Same(float):
            __eq__ = __le__ = __ge__ = lambda *a: True
            __ne__ = __lt__ = __gt__ = lambda *a: False
            __sub__ = __rsub__ = __abs__ = lambda *a: 0.0
            __hash__ = float.__hash__
        f = lambda v: (Same(), Same())
        """,
    "objects in place of data": """
        import delog_nb.course.replies as r, delog_nb.course.exercises as c
        c.as_data = r.as_data = lambda value: value
        class Same: __eq__ = lambda *a: True
        f = lambda v: (Same(), Same())
        """,
    "a pickle in place of data": """
        import os, pickle
        class Run:
            def __reduce__(self): return os.system, ("touch /tmp/ran",)
        f = lambda v: pickle.dumps(Run())
        """,
    "a way of sending of its own": """
        import delog_nb.grading.wire as wire
        wire._encoded = lambda data: {"dict": {"result": "right"}}
        """,
    "not a number": "f = lambda v: (float('nan'), float('nan'))",
    "very large numbers": "f = lambda v: (float('inf'), 10**400)",
    "an end": "import os\nf = lambda v: os._exit(0)",
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_forged_answers_are_not_right(name: str, sandbox: Sandbox) -> None:
    result, _ = graded(sandbox, f"{BAD}\n{textwrap.dedent(FORGED[name])}")
    assert result in ("not yet", "error", "crashed")
    assert not Path("/tmp/ran").exists()


LINES = {  # what an answer writes to every file descriptor by itself
    "a verdict": b'["right", ""]\n',
    "a verdict and replies": b'["answered", ""]\n["right", "right", "right"]\n["right"]\n',
    "a failure that is none": b'["answered", ""]\n[{"dict": {"failed": null}}]\n',
    "replies to other questions": b'["answered", ""]\n' + 3 * b"[[0.5, 0.1], [0.5, 0.1], [1, 1]]\n",
    "no replies": b'["answered", ""]\n[]\n',
    "no list": b'["answered", ""]\n{"dict": {}}\n',
    "a number": b"5\n",
    "names": b'{"right": 1, "": 2}\n',
    "no line": b"right",
    "no text": b"\xff\xfe\n",
    "a pickle": b"\x80\x04\x95cos\nsystem\n(S'touch /tmp/ran'\ntR.\n",
    "numbers without end": b'["answered", ""]\n[' + 9**6 * b"9" + b"]\n",
    "lists without end": b'["answered", ""]\n' + 10**6 * b"[" + b"\n",
    "a tensor that says it is larger": b'["answered", ""]\n[%s, %s, %s]\n'
    % (3 * (b'{"tensor": ["torch.float32", [4611686018427387904, 4], "AAAA"]}',)),
    "a tensor of objects": b'["answered", ""]\n[{"tensor": ["torch.qint8", [1], "AA=="]}]\n',
    "too much": b'["answered", ""]\n[' + 9 * 10**6 * b"1" + b"]\n",
}


@pytest.mark.parametrize("name", LINES)
def test_forged_lines_are_not_right(name: str, sandbox: Sandbox) -> None:
    result, message = graded(
        sandbox,
        f"""
        import os, zlib
        for fd in range(64):
            try:
                os.write(fd, {LINES[name][:500]!r})
                for _ in range({len(LINES[name]) // 500}): os.write(fd, {LINES[name][-500:]!r})
            except OSError: pass
        {BAD}
        """
        if len(LINES[name]) > 1000
        else f"import os\n{BAD}\nfor fd in range(64):\n"
        f" try: os.write(fd, {LINES[name]!r})\n except OSError: pass",
    )
    assert result in ("not yet", "error", "crashed"), message
    assert not Path("/tmp/ran").exists()


def test_lines_of_one_answer_are_no_replies_of_the_next(sandbox: Sandbox) -> None:
    right = b'["answered", ""]\n' + b'["right"]\n' * 3
    graded(sandbox, f"import os\nfor fd in range(64):\n try: os.write(fd, {right!r} * 5)\n"
           f" except OSError: pass\nf = 1")  # fmt: skip
    assert graded(sandbox, BAD)[0] == "not yet"


def test_questions_are_new_each_time_and_come_when_there_is_an_answer(sandbox: Sandbox) -> None:
    code = "def f(v): raise RuntimeError(v[0])"
    assert len({graded(sandbox, code) for _ in range(3)}) == 3
    early = "import select\nfound = str(select.select([3], [], [], 0)[0])"
    assert told(sandbox, early) == "[]"


def test_the_packages_own_functions_are_an_answer(sandbox: Sandbox) -> None:
    """As the guide says."""
    code = """
    from delog_nb.losses import supervised_contrastive_loss
    import torch
    def f(z, tau):
        return supervised_contrastive_loss(z, torch.arange(len(z) // 2).repeat(2), tau)
    """
    assert graded(sandbox, code, "contrastive-loss") == ("right", "")


@pytest.mark.long
@pytest.mark.parametrize("lesson", LESSONS)
def test_answers_are_judged_as_in_the_notebook(lesson: str, sandbox: Sandbox) -> None:
    answers = import_module(f"course.answers.{lesson}")
    source = Path(answers.__file__).read_text()
    for table in ("RIGHT", "WRONG"):
        for place, (name, _, *sentence) in enumerate(getattr(answers, table)):
            result, message = graded(sandbox, f"{source}\nf = {table}[{place}][1]", name)
            assert result == ("not yet" if sentence else "right"), (name, place, message)
            assert (sentence or [""])[0] in message
    assert {name for name, _ in answers.RIGHT} <= set(EXERCISES)


# -- files

READ = {
    "open": "open(P, 'rb').read()",
    "os.open": "os.read(os.open(P, os.O_RDONLY), 9)",
    "O_PATH": "os.open(P, os.O_PATH)",
    "stat": "os.stat(P)",
    "torch storage": "bytes(torch.UntypedStorage.from_file(P, False, 4))",
    "torch tensor": "torch.from_file(P, size=4, dtype=torch.uint8)",
    "torch reader": "torch._C.PyTorchFileReader(P)",
    "numpy": "np.fromfile(P, dtype=np.uint8)",
    "memmap": "np.memmap(P, mode='r')",
    "mmap": "mmap.mmap(os.open(P, os.O_RDONLY), 0, access=mmap.ACCESS_READ)",
    "sqlite": "sqlite3.connect(f'file:{P}?mode=ro', uri=True).execute('ATTACH ? AS a', (P,))",
    "ctypes": "check(libc.open(P.encode(), 0))",
    "link": "os.symlink(os.path.abspath(P), f'link{N}'); open(f'link{N}').read()",
    "hard link": "os.link(P, f'hard{N}')",
    "root of the first process": "open('/proc/1/root' + os.path.abspath(P)).read()",
    "its own root": "open('/proc/self/root' + os.path.abspath(P)).read()",
    "parents": "open('../' * 30 + os.path.abspath(P)).read()",
    "run": "__import__('runpy').run_path(P)",
}


@pytest.mark.parametrize("name", READ)
def test_no_file_is_read(name: str, sandbox: Sandbox, folder: Path) -> None:
    hidden = [
        folder / "other.ipynb",
        ROOT / "notebooks/solutions/04_from_scratch.ipynb",
        ROOT / "tests/course/answers/from_scratch.py",
        ROOT / "pyproject.toml",
        "/etc/passwd",
        Path.home() / ".profile",
    ]
    make = "if not N: open(P, 'w').write('\"own\"')\n"  # that it works where it may
    own, *others = tried(sandbox, make + READ[name], "own.py", *hidden)
    by_first = name == "root of the first process"  # not even one's own
    exact = name in ("torch reader", "sqlite")  # which want a file of theirs
    assert own == DONE or by_first or exact
    assert DONE not in others


def test_nothing_else_is_in_the_sandbox(sandbox: Sandbox) -> None:
    system = ["/proc", "/dev/null", "/dev/zero", "/dev/urandom"]
    code = f"""
    import os
    known, found = {system + [str(path) for path in _readable()]}, []
    for place, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(place, name) not in known]
        found += {{os.path.join(place, name) for name in files}} - set(known)
    found = str((found, os.listdir()))
    """
    assert told(sandbox, code) == "([], [])"
    assert not any(path.is_relative_to(ROOT / "notebooks") for path in _readable())
    assert ROOT not in _readable()
    environment = told(sandbox, "import os\nfound = ' '.join(sorted(os.environ))").split()
    assert set(environment) <= {
        "DELOG_NB_PRESET", "HOME", "LANG", "LOKY_MAX_CPU_COUNT", "OMP_NUM_THREADS", "PATH",
        "PLOTLY_RENDERER", "PWD", "TMPDIR", "TORCHINDUCTOR_CACHE_DIR", "USER",
    }  # fmt: skip


@pytest.mark.long
def test_submissions_among_the_interpreters_packages_are_not_there_either() -> None:
    folder = Path(nbformat.__file__).resolve().parent / "v1"
    with made(Limits(seconds=30), folder) as sandbox:
        assert told(sandbox, f"import os\nfound = str(os.listdir({str(folder)!r}))") == "[]"


WRITE = {
    "open": "open(P, 'w').write('x')",
    "os.open": "os.open(P, os.O_CREAT | os.O_WRONLY)",
    "torch": "torch.save(torch.zeros(1), P)",
    "torch storage": "torch.UntypedStorage.from_file(P, True, 4)",
    "numpy": "np.zeros(1).tofile(P)",
    "memmap": "np.memmap(P, mode='w+', shape=4)",
    "sqlite": "sqlite3.connect('').executescript(f\"ATTACH '{P}' AS a; CREATE TABLE a.t(x)\")",
    "mkfifo": "os.mkfifo(P)",
    "mknod": "os.mknod(P)",
    "mkdir": "os.mkdir(P)",
    "symlink": "os.symlink('/', P)",
    "hard link": "open(f'o{N}', 'w'); os.link(f'o{N}', P)",
    "rename": "open(f'o{N}', 'w'); os.rename(f'o{N}', P)",
    "ctypes": "check(libc.creat(P.encode(), 0o600))",
    "socket": "socket.socket(socket.AF_UNIX).bind(P)",
    "root of the first process": "open('/proc/1/root' + os.path.abspath(P), 'w')",
    "through a link": "os.symlink(os.path.abspath(P), f'l{N}'); open(f'l{N}', 'w')",
}  # fmt: skip


@pytest.mark.parametrize("name", WRITE)
def test_nothing_is_written_but_in_its_folder(
    name: str, sandbox: Sandbox, folder: Path, tmp_path: Path
) -> None:
    inside_too = ["/x", "/dev/x", "/dev/shm/x", "/proc/x"]
    places = [tmp_path, folder, Path("/tmp"), ROOT, ROOT / "delog_nb", Path(sys.prefix, "lib")]
    outside = [place / "written-by-an-answer" for place in places]
    own, *others = tried(sandbox, WRITE[name], "own", *inside_too, *outside)
    assert own == DONE or name in ("socket", "root of the first process", "through a link")
    assert DONE not in others
    assert not any(path.exists() for path in outside)


CHANGE = {
    "append": "open(P, 'a').write('#')",
    "remove": "os.remove(P)",
    "rename": "os.rename(P, 'taken')",
    "truncate": "os.truncate(P, 0)",
    "chmod": "os.chmod(P, 0o777)",
    "chown": "os.chown(P, os.getuid(), os.getgid())",
    "utime": "os.utime(P)",
    "xattr": "os.setxattr(P, 'user.x', b'x')",
    "mapping": "mmap.mmap(os.open(P, os.O_RDWR), 1)[0] = 0",
}


@pytest.mark.parametrize("name", CHANGE)
def test_nothing_is_changed(name: str, sandbox: Sandbox) -> None:
    files = [import_module("delog_nb.grading").__file__, os.__file__, "/proc/1/oom_score_adj"]
    assert DONE not in tried(sandbox, CHANGE[name], *files, "/proc/sys/kernel/hostname")


# -- what one answer leaves for the next

LEFT = {
    "a file": "open('/answers/left', 'w').write('x'); open('left', 'w')",
    "a folder that cannot be emptied": "os.makedirs('a/b/c'); os.chmod('a/b', 0)",
    "links": "os.symlink('/', 'up'); os.symlink('/answers', 'here'); os.mkfifo('pipe')",
    "a name": "open(b'\\xff\\n' + 200 * b'x', 'w')",
    "attributes": "os.setxattr('/answers', 'user.x', b'x')",
    "no access": "os.chmod('/answers', 0)",
}


@pytest.mark.parametrize("name", LEFT)
def test_nothing_is_left_for_the_next_answer(name: str, folder: Path, shared: Sandbox) -> None:
    told(shared, f"import os\ntry:\n {LEFT[name]}\nexcept OSError: pass\nfound = ''")
    seen = told(
        shared,
        "import os\n"
        "found = str((len(os.listdir('/answers')), os.listdir(), os.listxattr('/answers')))",
    )
    assert seen == "(1, [], [])"
    assert graded(shared, GOOD) == ("right", "")


# -- processes

START = {
    "fork": "os.fork() or time.sleep(99)",
    "a fork and a fork": "os.fork() or (os.setsid(), os.fork() or time.sleep(99))",
    "forkpty": "os.forkpty()",
    "system": "check(-1 if os.system('true') else 0)",
    "popen": "os.popen('true').read()",
    "subprocess": "import subprocess; subprocess.run(['sleep', '99'])",
    "subprocess of this Python": "import subprocess; subprocess.run([sys.executable, '-c', ''])",
    "posix_spawn": "os.posix_spawn(sys.executable, [sys.executable], {})",
    "fork_exec": """
        import _posixsubprocess, inspect
        wanted = [[b"sleep", b"99"], [b"/bin/sleep"], True, (), None, None, -1, -1, -1, -1, -1, -1,
                  *os.pipe(), False, True]
        for more in ([0, None, None, None, -1, None, True], [0, None, None, None, -1, None],
                     [None, None, None, -1, None]):
            try:
                _posixsubprocess.fork_exec(*wanted, *more)
                break
            except TypeError:
                continue
        else:
            raise OSError
        """,
    "forked": "__import__('multiprocessing').get_context('fork').Process(target=id).start()",
    "spawned": "__import__('multiprocessing').get_context('spawn').Process(target=id).start()",
    "torch": "import torch.multiprocessing as m; m.start_processes(id, start_method='fork')",
    "execv": "os.execv(sys.executable, [sys.executable, '-c', ''])",
    "an executable file in memory": "os.execve(os.memfd_create('x'), ['x'], {})",
    "libc": "check(libc.fork())",
    "vfork": "check(libc.syscall(58 if os.uname().machine == 'x86_64' else 9999))",
    "clone": "check(libc.syscall(56 if os.uname().machine == 'x86_64' else 220, 17, 0, 0, 0, 0))",
    "clone3": "check(libc.syscall(435, (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17), 88))",
    "the other numbers of calls": "check(libc.syscall(0x40000039))",
}  # fmt: skip


@pytest.mark.parametrize("name", START)
def test_no_process_is_started(name: str, sandbox: Sandbox) -> None:
    assert tried(sandbox, START[name], "") != [DONE]


def test_threads_end_with_their_answer_and_are_not_many(sandbox: Sandbox) -> None:
    code = """
    import threading, time
    threading.stack_size(2**16)
    found = 0
    try:
        while found < 1000:
            threading.Thread(target=time.sleep, args=(99,)).start()
            found += 1
    except RuntimeError: pass
    found = str(found)
    """
    assert 0 < int(told(sandbox, code)) < 64


SIGNAL = {
    "first process": "os.kill(1, signal.SIGKILL)",
    "first process stops": "os.kill(1, signal.SIGSTOP)",
    "interrupt": "os.kill(1, signal.SIGINT)",
    "everybody": "os.kill(-1, signal.SIGKILL)",
    "group of the first process": "os.killpg(1, signal.SIGKILL)",
    "parent": "os.kill(os.getppid(), signal.SIGTERM)",
    "handle": "signal.pidfd_send_signal(os.pidfd_open(1), signal.SIGKILL)",
}


@pytest.mark.parametrize("name", SIGNAL)
def test_signals_end_nothing_else(name: str, sandbox: Sandbox) -> None:
    tried(sandbox, SIGNAL[name], "")  # the fixture asks whether the same processes are there


LOOK = {
    "environment": "open('/proc/1/environ', 'rb').read()",
    "memory": "open('/proc/1/mem', 'rb')",
    "map": "open('/proc/1/maps').read()",
    "files": "os.listdir('/proc/1/fd')",
    "folder": "os.listdir('/proc/1/cwd')",
    "ptrace": "check(libc.ptrace(16, 1, 0, 0))",
    "vm": "check(libc.process_vm_readv(1, 0, 0, 0, 0, 0))",
    "a descriptor": "check(libc.syscall(438, os.pidfd_open(1), 0, 0))",
    "a limit of the first process": "import resource as r; r.prlimit(1, r.RLIMIT_NOFILE, (1, 1))",
    "priority of the first process": "os.setpriority(os.PRIO_PROCESS, 1, 19)",
    "processor of the first process": "os.sched_setaffinity(1, {0})",
    "a higher limit": "import resource as r; r.setrlimit(r.RLIMIT_AS, (2**60, 2**60))",
    "root": "os.setuid(0)",
    "another root folder": "os.chroot('.')",
    "host's name": "check(libc.sethostname(b'x', 1))",
    "mount": "check(libc.mount(b'/', b'/answers', None, 4096, None))",
    "kernel log": "check(libc.klogctl(3, b' ' * 9, 9))",
}


@pytest.mark.parametrize("name", LOOK)
def test_other_processes_and_the_machine_are_out_of_reach(name: str, sandbox: Sandbox) -> None:
    assert tried(sandbox, LOOK[name], "") != [DONE]


def test_no_other_process_is_seen(sandbox: Sandbox) -> None:
    code = "import os\nfound = str(sum(name.isdigit() for name in os.listdir('/proc')))"
    assert told(sandbox, code) == "2"


@pytest.mark.parametrize("name", calls._NUMBERS)
def test_the_kernel_refuses_each_call(name: str, sandbox: Sandbox) -> None:
    code = f"""
    number = c._NUMBERS[{name!r}][c._MACHINES[os.uname().machine][0]]
    if number is None or libc.syscall(number, 0, 0, 0, 0, 0) == -1 and ctypes.get_errno() == 1:
        raise PermissionError
    """
    found = tried(sandbox, "import delog_nb.grading.calls as c\n" + textwrap.dedent(code), "")
    assert found == ["PermissionError"]


# -- the network


CONNECT = {
    "tcp": "socket.create_connection(('127.0.0.1', PORT), 1)",
    "libc": "check(libc.socket(2, 1, 0))",
    "udp": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))",
    "raw": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "file": "socket.socket(socket.AF_UNIX).connect(P)",
    "host of a virtual machine": "socket.socket(40, socket.SOCK_STREAM).connect((2, 1024))",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "listen": "socket.create_server(('127.0.0.1', 0))",
    "abstract": "socket.socket(socket.AF_UNIX).bind('\\0x')",
    "name": "check(-1 if socket.getaddrinfo('example.org', 80) else 0)",
    "urllib": "__import__('urllib.request').request.urlopen('http://127.0.0.1:PORT', None, 1)",
    "torch": "torch.distributed.TCPStore('127.0.0.1', 0, is_master=True)",
}


@pytest.mark.parametrize("name", CONNECT)
def test_no_connection_is_made(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "s"))
        local.listen()
        code = CONNECT[name].replace("PORT", str(server.getsockname()[1]))
        assert tried(sandbox, code, tmp_path / "s") != [DONE]
        for waiting in (server, local):
            waiting.setblocking(False)
            with pytest.raises(BlockingIOError):
                waiting.accept()


def test_files_that_an_answer_sends_along_are_not_taken(sandbox: Sandbox) -> None:
    before = len(os.listdir("/proc/self/fd"))
    code = f"import os, socket\nsocket.send_fds(socket.socket(fileno=3), [b' '], [1] * 50)\n{BAD}"
    assert graded(sandbox, code)[0] in ("not yet", "error", "crashed")
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_answer_holds_no_line_but_its_own(sandbox: Sandbox) -> None:
    code = "import os\nfound = ' '.join(sorted(os.listdir('/proc/self/fd')))"
    assert told(sandbox, code) == "0 1 2 3 4"  # nothing, thrice; its line; the folder that is read


# -- limits

FULL = {
    "memory": "bytearray(3 * 10**9)",
    "memory of torch": "torch.ones(10**9)",
    "memory of numpy": "np.ones(10**9)",
    "memory in pieces": "kept = []\nwhile True: kept.append(bytes(10**7))",
    "memory that is mapped": "mmap.mmap(-1, 3 * 10**9)",
    "shared memory": "open('/dev/shm/x', 'wb').write(bytes(10**9))",
    "a large file": "open('x', 'wb').write(bytes(10**8))",
    "many files": "for k in range(99): open(f'x{k}', 'wb').write(bytes(10**6))",
    "a file that says it is large": "os.posix_fallocate(os.open('x', 66), 0, 10**8)",
    "many open files": "kept = [os.open('/dev/null', 0) for _ in range(999)]",
    "recursion": "def f(): f()\nf()",
}


@pytest.mark.parametrize("name", FULL)
def test_memory_disk_and_files_have_limits(name: str, sandbox: Sandbox) -> None:
    assert tried(sandbox, FULL[name], "")[0] in ("MemoryError", "OSError", "RuntimeError",
        "FileNotFoundError", "RecursionError", "PermissionError")  # fmt: skip


ENDLESS = {
    "a loop": "while True: pass",
    "a loop that takes no signal": (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass"
    ),
    "a pause": "import time\ntime.sleep(99)",
    "a reply that never ends": "import os\nwhile True: os.write(3, b' ')",
    "a stopped process": "import os\nos.kill(os.getpid(), 19)\nimport time\ntime.sleep(99)",
    "an error that never ends": (
        "class E(Exception):\n def __str__(self):\n  while True: pass\nraise E"
    ),
}


@pytest.fixture(scope="module")
def short(folder: Path) -> Iterator[Sandbox]:
    with made(Limits(seconds=1, memory=10**9), folder) as sandbox:
        yield sandbox


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_ended(name: str, short: Sandbox) -> None:
    before = inside()
    code = ENDLESS[name]
    result, message = graded(short, f"{code}\nf = 1")
    assert result in ("timeout", "error") if "reply" in name else result == "timeout", message
    assert inside() == before


def test_the_end_of_grading_is_the_end_of_all(tmp_path: Path) -> None:
    """Also where the command is killed: nothing of its sandbox survives it."""
    with endless_grading(tmp_path) as process:
        children = psutil.Process(process.pid).children(recursive=True)
        handles = [os.pidfd_open(child.pid) for child in children]
        assert len(handles) >= 2
        process.send_signal(signal.SIGKILL)
        for handle in handles:
            assert select.select([handle], [], [], 30)[0], "it lives on"
            os.close(handle)
