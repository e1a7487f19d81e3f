"""What an encoder that sees a whole data set at once makes of it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rows:
    """A table of representations, with columns that say what each row is of.

    Args:
        columns: name to an array (R,) of text or numbers.
        embeddings: float32 (R, D).
        current: int64 (N,), the row that stands for each sample.
    """

    columns: dict[str, np.ndarray]
    embeddings: np.ndarray
    current: np.ndarray
