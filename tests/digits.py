"""Real pictures for quick tests: the 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn."""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from unlabeled.data.images import Images, open_images


def digits(train: int = 1347) -> tuple[Images, Images]:
    """Training and test digits, each uint8 (8, 8, 3) with classes "0" to "9", in the order of the file.

    The file is read; scikit-learn is not imported. Grey values from 0 to 16 become round(255 v / 16).

    Args:
        train: how many of the 1,797 are for training; the writers of the last ones are others.
    """
    found = find_spec("sklearn")
    assert found is not None and found.origin is not None
    path = Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float64)  # (1797, 65)
    pixels = np.rint(table[:, :64] * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)
    images = open_images((pixels, table[:, 64].astype(np.int64)))
    images.place = "the digits of scikit-learn"
    places = np.arange(len(images))
    return images.subset(places[:train]), images.subset(places[train:])
