"""SimCLR's study of compositions: seven operations, alone or one after another (section 3.1, figures 4 and 5)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.random import Generator

from unlabeled.views.images.looking import ImageViews, ViewsTogether
from unlabeled.views.images.operations import (
    Operation,
    Picture,
    centre_crop,
    clip,
    cutout,
    noise,
    rotate,
    sobel,
    to_float,
)

OperationName = Literal["crop", "cutout", "colour", "sobel", "noise", "blur", "rotate"]


def compositions(
    size: int,
    operations: Sequence[OperationName],
    crop: Operation,
    colour: Operation,
    blur: Operation,
    at_least: int,
    asymmetric: bool = False,
) -> ImageViews:
    """Two views by operations in the order given, each applied to every view, and once where it is named twice.

    So a pair of one and the same is the single operation, as on the diagonal of the paper's figure.
    Where `asymmetric`, the paper's protocol, both views start from one random crop of the picture,
    resized; the operations make the first view of it, and the second is that crop itself. Else each view
    starts from the whole picture's centre and draws its own operations.

    Args:
        size: side of a view in pixels, at least 1.
        operations: at least one.
        crop: what `crop` does, (H, W, 3) of any size and of either pixel type to (size, size, 3).
        colour: what `colour` does.
        blur: what `blur` does.
        at_least: the shorter side that pictures keep when they are decoded.
        asymmetric: see above.

    Raises:
        ValueError: no operation is named.
    """
    if not operations:
        raise ValueError("asymmetric views are made by operations; name at least one")

    table: dict[OperationName, Operation] = {
        "crop": lambda picture, rng: clip(crop(picture, rng)),
        "cutout": cutout,
        "colour": colour,
        "sobel": sobel,
        "noise": noise,
        "blur": blur,
        "rotate": rotate,
    }
    chosen = list(dict.fromkeys(operations))

    def composed(picture: Picture, names: Sequence[OperationName], rng: Generator) -> Picture:
        for name in names:
            picture = np.ascontiguousarray(table[name](picture, rng))
        return picture

    def view(image: np.ndarray, rng: Generator) -> Picture:
        if chosen[0] == "crop":  # from the whole picture, which has more pixels than the view
            return composed(to_float(crop(image, rng)), chosen[1:], rng)
        return composed(to_float(centre_crop(image, size)), chosen, rng)

    def together(image: np.ndarray, generators: Sequence[Generator]) -> list[Picture]:
        shared = to_float(crop(image, generators[0]))
        return [composed(shared.copy(), chosen, generators[0]), shared]

    def first(image: np.ndarray, rng: Generator) -> Picture:
        return together(image, [rng])[0]

    if asymmetric:
        return ViewsTogether(size, 2, first, at_least, together)
    return ImageViews(size, 2, view, at_least)
