"""What others hand in: archives, notebooks and plug-ins are read, or named in one sentence.

Nothing that exists is changed, no process stays. Hypothesis makes the cases, the same ones each
time; what failed once stands as an `example`.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.mutations import bounded, damaged, one_sentence, values
from support.processes import processes  # noqa: F401 - a fixture of this module

from delog_nb.cli import main
from delog_nb.data import DataError
from delog_nb.data.sources.tiny_imagenet import TinyImageNetSource
from delog_nb.experiment import registry
from delog_nb.grading import sandbox
from delog_nb.grading.answers import Cell, plan


@contextlib.contextmanager
def folder_of(files: dict[str, bytes], new: str = "") -> Iterator[Path]:
    """A folder of these files, which stay as they are; ``new`` may come."""
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        yield folder
        left = [path for path in folder.rglob("*") if path.is_file() and path.name != new]
        assert {str(path.relative_to(folder)): path.read_bytes() for path in left} == files


def said_by(words: list[str]) -> tuple[int, str]:
    """The exit status of a command and what it says on standard error."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = main(words)
        except SystemExit as end:  # --help
            status = int(end.code or 0)
    return status, said.getvalue()


# --- archives


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((8, 8)).save(buffer, "png")
    return buffer.getvalue()


FILES = {
    "wnids.txt": b"n02\nn01\n",
    "words.txt": b"n01\tgoldfish\n",
    "train/n01/images/a.JPEG": picture(),
    "train/n02/images/b.JPEG": picture(),
    "val/images/v.JPEG": picture(),
    "val/val_annotations.txt": b"v.JPEG\tn01\t0\t0\t9\t9\n",
}
MEMBERS = [(f"tiny-imagenet-200/{name}", content) for name, content in FILES.items()]
HEADERS = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")


def zipped(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as written:
        warnings.simplefilter("ignore")  # a name that stands twice
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            written.writestr(info, content)
    return buffer.getvalue()


def with_number(content: bytes, header: bytes, at: int, number: int, size: int) -> bytes:
    """``content`` with a number in its first such header."""
    start = content.index(header) + at
    return content[:start] + number.to_bytes(size, "little") + content[start + size :]


names = (
    st.sampled_from([name for name, _ in MEMBERS])
    | st.text(max_size=12)
    | st.text(max_size=8).map(lambda text: f"tiny-imagenet-200/train/n01/images/{text}")
    | st.text(max_size=8).map(lambda text: f"tiny-imagenet-200/{text}wnids.txt")
).filter(lambda name: name.encode("utf-8", "replace").decode() == name)


@st.composite
def other_members(draw: st.DrawFn) -> bytes:
    """The archive with members renamed, changed, removed and added."""
    members = list(MEMBERS)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(members) - 1))
        name, content = members[at]
        match draw(st.sampled_from(["rename", "change", "text", "remove", "add"])):
            case "rename":
                members[at] = draw(names), content
            case "change":
                members[at] = name, draw(damaged(content))
            case "text":
                members[at] = name, draw(st.text("n012v.JPEG\t\n\r\0 ", max_size=30)).encode()
            case "remove":
                del members[at]
            case _:
                members.append((draw(names), draw(st.binary(max_size=50))))
    return zipped(members, draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])))


@st.composite
def other_headers(draw: st.DrawFn) -> bytes:
    """The archive with other numbers in its headers: sizes, places, methods, flags."""
    content = zipped(MEMBERS)
    for _ in range(draw(st.integers(1, 3))):
        header, size = draw(st.sampled_from(HEADERS)), draw(st.sampled_from([1, 2, 4, 8]))
        number = draw(st.integers(0, 256**size - 1) | st.sampled_from([0, 1, 256**size - 1]))
        if header in content:
            at = draw(st.integers(4, 40 if header == HEADERS[0] else 14))
            content = with_number(content, header, at, number, size)
    return content


@settings(bounded, max_examples=300)
@given(damaged(zipped(MEMBERS)) | other_members() | other_headers())
@example(zipped([*MEMBERS, ("tiny-imagenet-200/train/n01/images/a\nb\x1b[31m", b"no image")]))
@example(zipped([*MEMBERS, ("tiny-imagenet-200/\x1b[2Jwnids.txt", b"\xff")]))
@example(
    with_number(zipped([(MEMBERS[0][0], bytes(60_000)), *MEMBERS[1:]]), HEADERS[1], 26, 50_000, 2)
)
def test_any_archive_is_read_or_named(content: bytes) -> None:
    with folder_of({"x.zip": content}) as folder:
        try:
            raw = TinyImageNetSource(folder / "x.zip").read(8)
        except DataError as error:
            one_sentence(error)
        else:
            assert raw.train_images.shape[1:] == (8, 8, 3)
            assert raw.train_labels.max() < len(raw.classes)


# --- submissions

NOTEBOOK: dict[str, Any] = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3"}},
    "cells": [
        {"cell_type": "markdown", "id": "a0", "metadata": {}, "source": ["# Title\n", "Text"]},
        {
            "cell_type": "code",
            "id": "a1",
            "metadata": {"tags": ["exercise"]},
            "execution_count": None,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}],
            "source": "import statistics as s\ndef f(v): return s.mean(v), s.stdev(v)",
        },
        {"cell_type": "code", "id": "a2", "metadata": {}, "source": ['lab.check("spread", f)']},
    ],
}


def paths_in(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in nested JSON, lists included."""
    inner = dict(enumerate(content)) if isinstance(content, list) else content
    inner = inner.items() if isinstance(inner, dict) else ()
    own = [path] if path else []
    return [*own, *(p for key, value in inner for p in paths_in(value, (*path, key)))]


@st.composite
def mutated_notebooks(draw: st.DrawFn) -> bytes:
    """The notebook with a value replaced or taken away."""
    content = deepcopy(NOTEBOOK)
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(paths_in(content)))
        place = content
        for key in way:
            place = place[key]
        if draw(st.booleans()):
            place[last] = draw(values | st.text(max_size=40))
        else:
            place.pop(last)
    return json.dumps(content).encode()


notebooks = (
    mutated_notebooks()
    | damaged(json.dumps(NOTEBOOK).encode())
    | values.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=100)
)


class NoSandbox:
    """Takes the place of the sandbox: every answer ends at once, none runs."""

    def __init__(self, *_: object) -> None:
        self.late, self.ended = 0, "it was never begun"

    def close(self) -> None:
        pass

    @contextlib.contextmanager
    def line(self) -> Iterator[socket.socket]:
        ours, theirs = socket.socketpair()
        theirs.close()
        with ours:
            yield ours


def check_submissions(folder: Path) -> str:
    """What the command says; a line a row, and a sentence where it is refused."""
    out = folder / "all.csv"
    words = ["check-submissions", str(folder), "--out", str(out), "--workers", "1"]
    status, said = said_by([*words, "--timeout", "5"])
    assert status in (0, 2)
    rows = [line for line in said.splitlines() if line.startswith("[")]
    rest = [line for line in said.splitlines() if not line.startswith("[")]
    assert len(rest) == (status == 2), said
    assert status == 2 or len(rows) >= len(list(folder.rglob("*.ipynb")))
    assert said.replace("\n", "").isprintable()
    return said


LESSON = "student/01_one_network_four_ways.ipynb"


def test_any_submission_is_checked_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most without a sandbox; some of them all in one folder in the real one."""
    some: list[bytes] = []

    @bounded
    @given(notebooks)
    @example(b"[" * 100_000)
    @example(json.dumps(NOTEBOOK).replace('"id": "a1", ', "").encode())  # nbformat warns of it
    @example(json.dumps(NOTEBOOK).replace('"a1"', '"a 1"').encode())
    @example(b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "\\ud800"}]}')
    def without(content: bytes) -> None:
        with folder_of({LESSON: content}, new="all.csv") as folder:
            check_submissions(folder)
        some.append(content)

    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as warned:
        patch.setattr("delog_nb.grading.submissions.Sandbox", NoSandbox)
        without()
    assert not warned
    many = {f"{k}/{LESSON}": content for k, content in enumerate(some[:: len(some) // 12])}
    with folder_of(
        many | {f"whole/{LESSON}": json.dumps(NOTEBOOK).encode()}, new="all.csv"
    ) as all_:
        said = check_submissions(all_)
        if "cannot be kept in a sandbox" in said:
            pytest.skip(said)
    assert f"whole/{LESSON}: spread: right" in said


def test_a_file_or_folder_of_any_name_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of bytes that are no text, and of what a terminal would obey."""
    monkeypatch.setattr("delog_nb.grading.submissions.Sandbox", NoSandbox)
    for name in ("a\udc80", "a\nb", "a\x1b[31m"):
        with folder_of({f"{name}/x.ipynb": b"{}"}, new="all.csv") as folder:
            assert "\x1b" not in check_submissions(folder)


tokens = st.sampled_from(
    [
        *'\n=():% !?\\[]*x\0\t\x0c@{1f"', "def ", "lambda", "import ", "await ", "yield ", "f'{",
        "'''", "\ud800", "9" * 5000, "(" * 300, "-" * 3000, 'lab.check("spread", f)',
    ]
)  # fmt: skip


@bounded
@given(st.lists(st.lists(tokens, max_size=15).map("".join), max_size=3))
def test_what_has_to_run_of_any_cells_is_found(sources: list[str]) -> None:
    """Nothing is run to find it; the last check counts, so there is one."""
    cells = [Cell(source) for source in sources]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what students write
        assert plan([*cells, Cell('lab.check("spread", f)')], "spread") is not None


# --- plug-ins

PLUGIN = """import delog_nb
import torch.nn.functional as F
from torch import nn


@delog_nb.method("mine", label="Mine", options=[OPTION], KEYWORDS)
class Mine(delog_nb.Objective):
    def __init__(self, shape, classes, *, mine_power=1.0):
        super().__init__()
        self.classifier = nn.Linear(shape[0], classes)

    def forward(self, r, batch):
        return F.cross_entropy(self.classifier(r.mean((2, 3))), batch.labels)


@delog_nb.net("my-net", label="Net", NET)
def build(in_shape, classes, width, depth):
    raise ValueError("never asked for")
"""
OPTION = {"name": '"mine_option"', "default": "1", "help": '"an option"'}
FIELDS = {
    "OPTION": ["name", "default", "help", "unit", "choices", "ge", "le", "kind", "presets",
               "by_net", "when", "base", "group"],
    "KEYWORDS": ["components", "refuses", "style", "revision", "published"],
    "NET": ["min_size", "revision", "published"],
}  # fmt: skip
code = values.map(repr) | st.sampled_from(
    [
        '"out"', '"csv"', '"help"', '"class"', '"seed"', '"50% d"', '"\\ud800"', '"a\\nb"', '"H"',
        "{}", "[]", "()", '{"lesson": "x"}', "object()", "lambda: 0", 'float("nan")', "10**400",
    ]
)  # fmt: skip


def plugin(option: dict[str, str] = OPTION, keywords: str = "", net: str = "") -> str:
    written = ", ".join(f"{name}={value}" for name, value in (OPTION | option).items())
    text = PLUGIN.replace("OPTION", f"delog_nb.Option({written})")
    return text.replace(", KEYWORDS", keywords and f", {keywords}").replace(
        ", NET", net and f", {net}"
    )


@st.composite
def other_plugins(draw: st.DrawFn) -> str:
    """The plug-in with one or two of the values that it declares replaced or added."""
    given_: dict[str, dict[str, str]] = {place: {} for place in FIELDS}
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.sampled_from(list(FIELDS)))
        given_[place][draw(st.sampled_from(FIELDS[place]))] = draw(code)
    keywords, net = (
        ", ".join(f"{name}={value}" for name, value in given_[place].items())
        for place in ("KEYWORDS", "NET")
    )
    return plugin(given_["OPTION"], keywords, net)


@contextlib.contextmanager
def nothing_registered() -> Iterator[None]:
    """What is registered in the block is gone after it."""
    before = {noun: dict(kind._entries) for noun, kind in registry.REGISTRIES.items()}
    yield
    for noun, entries in before.items():
        own = registry.REGISTRIES[noun]._entries
        made = {name: entry.make for name, entry in own.items()}
        own.clear()
        own.update({name: replace(e, make=e.make or made[name]) for name, e in entries.items()})


TABLE = ["params", "--preset", "quick", "--dataset", "digits", "--csv"]


@settings(bounded, max_examples=200)
@given(
    other_plugins().map(lambda text: text.encode("utf-8", "surrogatepass"))
    | damaged(plugin().encode())
    | st.binary(max_size=100),
    st.sampled_from([TABLE, ["train", "--help"], ["compare", "--nets", "none"]]),
)
@example(b"import sys; sys.exit(0)", TABLE)
@example(b"class E(Exception):\n  def __str__(self): 1 / 0\nraise E", TABLE)
@example(plugin({"name": '"csv"'}).encode(), TABLE)
@example(plugin({"name": '"out"'}).encode(), ["train", "--help"])
@example(plugin({"help": '"50% d"'}).encode(), ["train", "--help"])
@example(plugin({"by_net": "[]"}).encode(), TABLE)
@example(plugin({"presets": '{"lesson": "x"}'}).encode(), TABLE)
@example(plugin(keywords='components="some"').encode(), TABLE)
@example(plugin().replace('"mine"', "None").encode(), TABLE)
@example(plugin().replace("(self, r, batch)", "(self)").encode(), TABLE)
@example(plugin().replace("def forward", "def backward").encode(), TABLE)
def test_any_plug_in_declares_or_is_named(content: bytes, words: list[str]) -> None:
    with folder_of({"x.py": content}) as folder, nothing_registered(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's, of what is odd in a source
        status, said = said_by([*words, "--plugin", str(folder / "x.py")])
    assert status in (0, 2)
    if status:
        one_sentence(said.rstrip("\n"))


BROKEN = {
    "a net that is none": (
        '@delog_nb.net("mine", label="Mine")\nclass Mine(delog_nb.Objective): pass',
        ["--net", "mine", "--method", "bp"],
        "plug-in x.py fails: TypeError: ",
    ),
    "a method that is none": (
        '@delog_nb.method("mine", label="Mine")\ndef build(net, options): return 3',
        ["--method", "mine"],
        "plug-in x.py fails: TypeError: build(net, options) returned 3, which is no Method",
    ),
    "a loss that fails": (
        '@delog_nb.method("mine", label="Mine")\nclass Mine(delog_nb.Objective):\n'
        "    def forward(self, r, batch):\n        return r.none()",
        ["--method", "mine"],
        "plug-in x.py fails: AttributeError: 'Tensor' object has no attribute 'none' (line 5)",
    ),
    "images that cannot be read": (
        '@delog_nb.dataset("mine", label="Mine", classes=2)\ndef read(folder): return 1 / 0',
        ["--dataset", "mine"],
        "plug-in x.py fails: ZeroDivisionError: division by zero (line 3)",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_a_plug_in_does_wrong_is_no_fault_of_ours(name: str, tmp_path: Path) -> None:
    source, words, sentence = BROKEN[name]
    (tmp_path / "x.py").write_text(f"import delog_nb\n{source}\n")
    words += ["--plugin", str(tmp_path / "x.py"), "--out", str(tmp_path / "runs")]
    status, said = said_by(["train", "--preset", "quick", "--limit", "60", "--force", *words])
    assert status == 2
    assert said.startswith(f"delog-nb: {sentence}")
    assert len(said.splitlines()) == 1


def test_the_whole_is_right() -> None:
    """Without a mutation all of it is read."""
    with folder_of({"x.zip": zipped(MEMBERS), "x.py": plugin().encode()}) as folder:
        assert len(TinyImageNetSource(folder / "x.zip").read(8).train_images) == 2
        assert said_by(["train", "--help", "--plugin", str(folder / "x.py")]) == (0, "")
    assert sandbox.Sandbox is not NoSandbox
