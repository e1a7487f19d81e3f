"""Reading what may be packed, without being blown up."""

from typing import IO

from unlabeled.errors import UserError

LIMIT = 32 << 30
"""The most bytes that an array may have when unpacked: larger collections belong in files."""

_RATIO, _SMALL = 400, 64 << 20  # pictures never pack 400 to 1; a small array that does is harmless
_PIECE = 1 << 20


def refuse_bomb(count: int, packed: int, shown: str) -> None:
    """Refuse what claims `count` bytes and takes `packed` on disk, if that cannot be pictures.

    Raises:
        UserError: the claim is above `LIMIT`, or so far above `packed` that it is no array of pictures.
    """
    if count > LIMIT:
        raise UserError(f"{shown} claims {count:,} bytes, the limit is {LIMIT:,}; save the pictures as files.")
    if count > _SMALL and count > _RATIO * packed:
        raise UserError(
            f"{shown} claims {count:,} bytes from {packed:,}, as an archive bomb does; save it uncompressed."
        )


def read_bytes(stream: IO[bytes], count: int, packed: int, shown: str) -> bytearray:
    """`count` bytes of a stream, gathered as they come: memory grows with what is there, not with what is claimed.

    Args:
        stream: opened for reading; may unpack.
        count: how many bytes its header claims.
        packed: how many bytes it takes on disk (`count` where it is not packed).
        shown: where it comes from, for messages.

    Raises:
        UserError: `refuse_bomb` does.
        EOFError: there are fewer.
    """
    refuse_bomb(count, packed, shown)
    content = bytearray()
    while len(content) < count:
        piece = stream.read(min(_PIECE, count - len(content)))
        if not piece:
            raise EOFError(f"{len(content):,} of {count:,} bytes are there")
        content += piece
    return content
