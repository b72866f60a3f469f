"""Zip files, checked as a whole before anything of them is unpacked."""

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from delog_nb.data.images import DataError
from delog_nb.experiment.fields import shown
from delog_nb.instruments.files import MEGABYTE

MOST_MEMBERS = 250_000
MOST_BYTES = 20 * MEGABYTE  # of a member
MOST_IN_ALL = 2000 * MEGABYTE
MOST_RATIO = 200  # of a member's bytes to those in the archive; images hardly shrink
_MOST_LIST = 100 * MEGABYTE  # of the list of members
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags: a member, strongly, or the list itself
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError,
)  # fmt: skip


class Archive:
    """A zip file whose members are read one by one, into memory: none becomes a file.

    Args:
        path: of the file

    Raises:
        DataError: it is no zip file, or holds anything that is not a plain file of modest size.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # zipfile reads the list of members in one go, however long it says that it is
            self._zip = zipfile.ZipFile(_Bounded(io.FileIO(path)))
        except _DAMAGED as error:
            raise DataError(f"{path} is not a readable zip file: {error}") from error
        found = self._zip.infolist()
        if len(found) > MOST_MEMBERS:
            raise self._refused(f"{len(found):,} members, where {MOST_MEMBERS:,} are allowed")
        in_all = sum(info.file_size for info in found)
        if in_all > MOST_IN_ALL:
            raise self._refused(
                f"{in_all / MEGABYTE:,.0f} MB, unpacked, where {MOST_IN_ALL / MEGABYTE:,.0f} MB "
                f"are allowed"
            )
        self.members: dict[str, zipfile.ZipInfo] = {}
        for info in found:
            why = "twice" if info.filename in self.members else _why_not(info)
            if why:
                raise self._refused(f"{shown(info.filename)}, {why}")
            self.members[info.filename] = info

    def _refused(self, what: str) -> DataError:
        return DataError(f"{self.path} holds {what}: nothing of it was read")

    def read(self, name: str) -> bytes:
        """The content of a member, at most as long as the list says.

        Raises:
            DataError: it is damaged.
        """
        info = self.members[name]
        try:
            with self._zip.open(info) as member:
                content = member.read(info.file_size + 1)
        except _DAMAGED as error:
            raise DataError(f"{name} in {self.path} is damaged: {error}") from error
        if len(content) != info.file_size:
            raise DataError(
                f"{name} in {self.path} is damaged: it has {len(content):,} bytes, where "
                f"{info.file_size:,} are listed"
            )
        return content


class _Bounded(io.BufferedReader):
    """Reads no more at once than an honest archive needs."""

    def read(self, size: int | None = -1, /) -> bytes:
        content = b""
        if size is None or size < 0:
            content = super().read(_MOST_LIST + 1)
        elif size <= _MOST_LIST:
            return super().read(size)
        if not 0 < len(content) <= _MOST_LIST:
            raise zipfile.BadZipFile(f"its list of members has more than {_MOST_LIST:,} bytes")
        return content


def _why_not(info: zipfile.ZipInfo) -> str:
    """Why this member is not read; nothing where it is."""
    parts = info.filename.removesuffix("/").split("/")
    if not parts[0] or ".." in parts or ":" in parts[0] or "\\" in info.filename:
        return "a path that leaves its folder"
    if "" in parts or "." in parts or len(info.filename) > 1000:
        return "which is no name of a file"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link or a device"
    if info.flag_bits & _ENCRYPTED:
        return "which is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"which is compressed by method {info.compress_type}: stored and deflate are read"
    if max(info.file_size, info.compress_size) > MOST_BYTES:
        size = max(info.file_size, info.compress_size) / MEGABYTE
        return f"of {size:,.0f} MB, where {MOST_BYTES / MEGABYTE:.0f} MB are allowed"
    if info.file_size > MOST_RATIO * info.compress_size:
        return f"which grows more than {MOST_RATIO}-fold when it is unpacked"
    return ""
