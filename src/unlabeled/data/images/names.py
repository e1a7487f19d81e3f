"""Many names in little memory."""

from collections.abc import Sequence

import numpy as np


class Names:
    """N names as one byte string.

    Not as Python strings, because reading must not touch the reference counts of a long list: that would copy it into
    every forked worker.

    Args:
        names: what can be encoded as UTF-8.
    """

    def __init__(self, names: Sequence[str]) -> None:
        whole = "".join(names)
        encoded = names if whole.isascii() else [name.encode() for name in names]  # of ASCII, lengths are the same
        self.text = whole.encode()
        self.ends = np.zeros(len(names) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, encoded), np.int64, len(names)), out=self.ends[1:])

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, row: int) -> str:
        return self.text[self.ends[row] : self.ends[row + 1]].decode()

    def joined(self, rows: np.ndarray) -> bytes:
        """The names of `rows`, int64 (N,), each with a zero byte behind it: what a digest is made of."""
        ends = self.ends
        return b"".join(self.text[ends[row] : ends[row + 1]] + b"\0" for row in rows.tolist())
