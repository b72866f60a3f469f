"""Zip files that are not what they should be: each is refused in one sentence, and not unpacked."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from delog_nb.data import DataError, archive
from delog_nb.data.archive import Archive
from delog_nb.data.sources.tiny_imagenet import TinyImageNetSource

TEXT = b"n01\nn02\n" * 200


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as written:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            written.writestr(info, content)
    return path


def changed(path: Path, name: str, at: int, value: int, size: str = "<H") -> Path:
    """Change what the archive's list says of ``name``, at a byte of its entry."""
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(name.encode()))
    struct.pack_into(size, content, entry + at, value)
    path.write_bytes(content)
    return path


def read(path: Path) -> dict[str, bytes]:
    made = Archive(path)
    return {name: made.read(name) for name in made.members}


def refused(path: Path, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(path)
    said = str(caught.value)
    assert words in said
    assert str(path) in said
    assert "\n" not in said
    assert len(said) < 1000


def test_members_are_read(tmp_path: Path) -> None:
    members = {"a/wnids.txt": TEXT, "a/empty": b"", "a/": b"", "b.bin": bytes(range(256))}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert read(zipped(tmp_path / "x.zip", members, method)) == members


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil", "a path that leaves its folder"),
        ("a/../../evil", "a path that leaves its folder"),
        ("/etc/evil", "a path that leaves its folder"),
        ("C:/evil", "a path that leaves its folder"),
        ("a\\..\\evil", "a path that leaves its folder"),
        ("", "a path that leaves its folder"),
        ("/", "a path that leaves its folder"),
        (".", "which is no name of a file"),
        ("./a", "which is no name of a file"),
        ("a/./b", "which is no name of a file"),
        ("a//b", "which is no name of a file"),
        ("x" * 2000, "which is no name of a file"),
    ],
)
def test_names(name: str, words: str, tmp_path: Path) -> None:
    refused(zipped(tmp_path / "x.zip", {"wnids.txt": TEXT, name: b"x"}), words)


def test_a_name_that_stands_twice(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"wnids.txt": TEXT, "wnids.txu": TEXT})
    path.write_bytes(path.read_bytes().replace(b"wnids.txu", b"wnids.txt"))
    refused(path, "holds 'wnids.txt', twice: nothing of it was read")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices(kind: int, tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as written:
        written.writestr(info, "/etc/passwd")
    refused(tmp_path / "x.zip", "holds 'link', a link or a device")


@pytest.mark.parametrize("flag", [0x1, 0x41, 0x2000])
def test_encryption(flag: int, tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"wnids.txt": TEXT})
    refused(changed(path, "wnids.txt", 8, flag), "holds 'wnids.txt', which is encrypted")


@pytest.mark.parametrize("method", [1, 9, 12, 14, 93, 99])
def test_compression(method: int, tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"wnids.txt": TEXT})
    words = f"which is compressed by method {method}: stored and deflate are read"
    refused(changed(path, "wnids.txt", 10, method), words)


def test_sizes_are_checked_before_anything_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = zipped(tmp_path / "bomb.zip", {"wnids.txt": TEXT, "zeros": bytes(10**6)})
    large = zipped(tmp_path / "large.zip", {"zeros": bytes(10**6)})
    changed(large, "zeros", 24, 10**9, "<L")
    much = zipped(tmp_path / "much.zip", {str(n): TEXT for n in range(30)}, zipfile.ZIP_STORED)
    for number in range(30):
        changed(much, str(number), 24, 10**8, "<L")
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    refused(bomb, "holds 'zeros', which grows more than 200-fold")
    refused(large, "holds 'zeros', of 1,000 MB, where 20 MB are")
    refused(much, "MB, unpacked, where 2,000 MB are allowed: nothing of it was read")
    monkeypatch.setattr(archive, "MOST_MEMBERS", 20)
    refused(much, "holds 30 members, where 20 are allowed")


def test_a_member_is_unpacked_no_further_than_the_list_says(tmp_path: Path) -> None:
    """A list that lies: the stream goes on and on."""
    path = zipped(tmp_path / "x.zip", {"zeros": bytes(10**6)})
    honest = Archive(path := changed(path, "zeros", 24, 2000, "<L"))
    given: list[int] = []
    read = zipfile.ZipExtFile._read1

    def seen(self: zipfile.ZipExtFile, n: int) -> bytes:
        given.append(n)
        return read(self, n)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile.ZipExtFile, "_read1", seen)
        with pytest.raises(DataError, match=r"zeros in .* is damaged"):
            honest.read("zeros")
    assert max(given) <= 2001


def damage(content: bytearray, how: str) -> bytearray:
    start = content.index(b"PK\x03\x04") + 30 + len("wnids.txt")
    if how == "deflate":
        content[start] = 0x07  # a block of the kind that does not exist
    elif how == "byte":
        content[start + 4] ^= 0xFF
    elif how == "checksum":
        content[content.index(b"PK\x01\x02") + 16] ^= 0xFF
    elif how == "header":
        content[content.index(b"PK\x03\x04")] = 0
    elif how == "version":
        content[content.index(b"PK\x01\x02") + 6] = 200
    elif how == "list":
        content[content.index(b"PK\x01\x02")] = 0
    elif how == "name":
        at = content.index(b"PK\x01\x02")
        content[at + 8 : at + 10] = struct.pack("<H", 0x800)  # its name is UTF-8
        content[at + 46] = 0xFF
    else:
        del content[len(content) // 2 :]
    return content


@pytest.mark.parametrize(
    "how", ["deflate", "byte", "checksum", "header", "version", "list", "name", "cut"]
)
def test_damage(how: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"wnids.txt": bytes(range(256)) + TEXT})
    path.write_bytes(damage(bytearray(path.read_bytes()), how))
    refused(path, "is damaged" if how in ("deflate", "byte", "checksum", "header") else "readable")


def test_a_list_of_members_that_is_said_to_be_huge_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path / "x.zip", {str(n): b"" for n in range(100)})
    monkeypatch.setattr(archive, "_MOST_LIST", 1000)
    refused(path, "is not a readable zip file: its list of members has more than 1,000 bytes")
    path.write_bytes(bytes(5000))  # no end of a list: it is looked for
    refused(path, "is not a readable zip file")


# --- what Tiny-ImageNet's files say

FILES = {
    "wnids.txt": b"n02\nn01\n",
    "words.txt": b"n01\tgoldfish\n",
    "train/n01/images/a.JPEG": b"no image",
    "train/n02/images/b.JPEG": b"no image",
    "val/images/v.JPEG": b"no image",
    "val/val_annotations.txt": b"v.JPEG\tn01\t0\t0\t9\t9\n",
}


def one_column(files: dict[str, bytes]) -> str:
    files["val/val_annotations.txt"] += b"v.JPEG\n"
    return "val/val_annotations.txt in PATH has 1 columns in row 2: 6 or 2 are expected"


def seven_columns(files: dict[str, bytes]) -> str:
    files["val/val_annotations.txt"] = b"v.JPEG\tn01\t0\t0\t9\t9\t9\n"
    return "has 7 columns in row 1"


def unknown_class(files: dict[str, bytes]) -> str:
    files["val/val_annotations.txt"] = b"v.JPEG\tn03\n"
    return "val_annotations.txt in PATH names class 'n03', wnids.txt does not"


def unknown_image(files: dict[str, bytes]) -> str:
    files["val/val_annotations.txt"] = b"../../x\tn01\n"
    return "has no val/images/../../x, which val_annotations.txt names"


def image_twice(files: dict[str, bytes]) -> str:
    files["val/val_annotations.txt"] *= 2
    return "val_annotations.txt in PATH names v.JPEG twice"


def no_annotations(files: dict[str, bytes]) -> str:
    files["val/val_annotations.txt"] = b"\n\n"
    return "val_annotations.txt in PATH names no image"


def no_text(files: dict[str, bytes]) -> str:
    files["words.txt"] = b"n01\t\xff\xfe\n"
    return "words.txt in PATH is not a text in UTF-8"


def class_twice(files: dict[str, bytes]) -> str:
    files["wnids.txt"] *= 2
    return "wnids.txt in PATH names a class twice"


def two_columns_of_classes(files: dict[str, bytes]) -> str:
    files["wnids.txt"] = b"n01\tn02\n"
    return "wnids.txt in PATH has 2 columns in row 1: 1 are expected"


def no_classes(files: dict[str, bytes]) -> str:
    files["wnids.txt"] = b"\n"
    return "wnids.txt in PATH names no class"


def empty_class(files: dict[str, bytes]) -> str:
    del files["train/n02/images/b.JPEG"]
    return "class folder 'train/n02/images' in PATH is empty"


def not_images(files: dict[str, bytes]) -> str:
    return "train/n02/images/b.JPEG is not a readable image"


@pytest.mark.parametrize(
    "spoil",
    [
        one_column, seven_columns, unknown_class, unknown_image, image_twice, no_annotations,
        no_text, class_twice, two_columns_of_classes, no_classes, empty_class, not_images,
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_what_is_wrong_with_tiny_imagenets_files_is_named(
    spoil: Callable[[dict[str, bytes]], str], kind: str, tmp_path: Path
) -> None:
    files = dict(FILES)
    words = spoil(files)
    path = tmp_path / "tiny"
    if kind == "zip":
        zipped(path, {f"tiny-imagenet-200/{name}": content for name, content in files.items()})
    else:
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        TinyImageNetSource(path).read(8)
    assert words.replace("PATH", str(path)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_list_of_classes_is_the_one_nearest_to_the_top(tmp_path: Path) -> None:
    inner = {f"tiny/{name}": content for name, content in FILES.items()}
    path = zipped(
        tmp_path / "x.zip", {"__MACOSX/tiny/wnids.txt": b"?", "my-wnids.txt": b"?"} | inner
    )
    assert set(TinyImageNetSource(path).names) == set(FILES)


def test_deflate_is_what_the_tests_damage() -> None:
    """The byte that `damage` writes is no beginning of a deflate stream."""
    with pytest.raises(zlib.error):
        zlib.decompressobj(-15).decompress(b"\x07" + bytes(20))
    assert zipfile.is_zipfile(io.BytesIO(b"PK\x05\x06" + bytes(18)))
