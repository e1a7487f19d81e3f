"""The members of a `.tar` file, found without unpacking anything."""

import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from unlabeled.data.images.formats import NOT_REGULAR, NOT_UTF8, is_utf8

_BLOCK = 512  # the unit of a tar file, in bytes
_EXTENSION = 1 << 20  # bytes of a long name or of a list of attributes; real ones have hundreds
_MORE_HOLES, _MORE_STILL = 482, 504  # where GNU's headers of files with holes say that another block follows
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of a tar file.

    Args:
        name: its path, without a leading "./".
        start: where its bytes begin in the tar file.
        length: how many there are.
        refused: why it is left out, or None.
    """

    name: str
    start: int
    length: int
    refused: str | None


class Damaged(Exception):
    """A tar file breaks off; the message says where and how."""


@dataclass
class _Attributes:
    """What extended headers say of the entry that follows them."""

    name: str | None = None
    length: int | None = None
    holes: bool = False


def members(file: io.BufferedReader, size: int) -> Iterator[Member]:
    """The entries of a tar file (ustar, GNU or pax) without its folders, in their order; only headers are read.

    The one who takes them may move the file's position.

    Args:
        file: opened for reading.
        size: its length in bytes.

    Raises:
        Damaged: behind the last whole entry, where a header is unsound or the file ends too early.
    """
    place, said = 0, _Attributes()
    while True:
        file.seek(place)
        block = file.read(_BLOCK)
        if not block or block.count(0) == _BLOCK:
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise Damaged(_broken(place)) from None
        start = place + _BLOCK
        if header.type in _EXTENSIONS:
            if not 0 <= header.size <= min(_EXTENSION, size - start):
                raise Damaged(_broken(place))
            try:
                _EXTENSIONS[header.type](said, file.read(header.size))
            except ValueError:
                raise Damaged(_broken(place)) from None
            place = start + _padded(header.size)
            continue
        while header.type == tarfile.GNUTYPE_SPARSE and block[_MORE_HOLES if start == place + _BLOCK else _MORE_STILL]:
            block, start, said.holes = file.read(_BLOCK).ljust(_BLOCK, b"\0"), start + _BLOCK, True
        length = header.size if said.length is None else said.length
        if not header.isreg() and header.type in tarfile.SUPPORTED_TYPES:
            length = 0  # a link or a folder has no bytes, whatever it says
        name = _tidy(header.name if said.name is None else said.name)
        if length < 0:
            raise Damaged(_broken(place))
        if start + length > size:
            raise Damaged(f"truncated: it ends inside {name!r}")
        if not header.isdir():
            yield Member(name, start, length, _refused(name, header, said.holes))
        place, said = start + _padded(length), _Attributes()


def _broken(place: int) -> str:
    return f"damaged at byte {place:,}: what lies behind it cannot be found"


def _padded(length: int) -> int:
    return -(-length // _BLOCK) * _BLOCK


def _tidy(name: str) -> str:
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def _refused(name: str, header: tarfile.TarInfo, holes: bool) -> str | None:
    """The reason to leave out an entry, or None."""
    if not is_utf8(name):
        return NOT_UTF8
    if _ABSOLUTE.match(name):
        return "an absolute path, which is refused"
    if ".." in re.split(r"[/\\]", name):
        return "a path out of the archive, which is refused"
    if header.islnk() or header.issym():
        return "a link, which is not followed"
    if holes or header.type == tarfile.GNUTYPE_SPARSE:
        return "a file with holes, which is not read"
    return None if header.isreg() else NOT_REGULAR


def _pax(said: _Attributes, content: bytes) -> None:
    """Records "length key=value\\n", POSIX.1-2001; raises ValueError."""
    place = 0
    while place < len(content):
        space = content.index(b" ", place)
        end = place + int(content[place:space])
        if not space < end <= len(content):
            raise ValueError
        key, _, value = content[space + 1 : end - 1].partition(b"=")
        if key == b"path":
            said.name = value.decode("utf-8", "surrogateescape")
        elif key == b"size":
            said.length = int(value)
        elif key.startswith(b"GNU.sparse"):
            said.holes = True
        place = end


def _long_name(said: _Attributes, content: bytes) -> None:
    said.name = content.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _nothing(said: _Attributes, content: bytes) -> None:
    """A long target of a link, or attributes of all entries: neither names nor places one."""


_EXTENSIONS = {
    tarfile.XHDTYPE: _pax,
    tarfile.SOLARIS_XHDTYPE: _pax,
    tarfile.XGLTYPE: _nothing,
    tarfile.GNUTYPE_LONGNAME: _long_name,
    tarfile.GNUTYPE_LONGLINK: _nothing,
}
