"""SimCLR's study of compositions: seven operations, alone or one after another (section 3.1, figures 4 and 5)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.random import Generator

from unlabeled.views.images.looking import ImageViews, ViewsTogether, needed
from unlabeled.views.images.operations import (
    Operation,
    Picture,
    centre_crop,
    clip,
    cutout,
    gaussian_blur,
    horizontal_flip,
    noise,
    random_resized_crop,
    rotate,
    sobel,
    to_float,
)

OperationName = Literal["crop", "cutout", "colour", "sobel", "noise", "blur", "rotate"]


def compositions(
    size: int,
    operations: Sequence[OperationName],
    colour: Operation,
    crop_area: tuple[float, float] = (0.08, 1.0),
    flip: bool = True,
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
        colour: what `colour` does.
        crop_area: smallest and largest share of the area that a crop keeps, within (0, 1].
        flip: whether half of the crops are flipped left to right.
        asymmetric: see above.

    Raises:
        ValueError: no operation is named.
    """
    if not operations:
        raise ValueError("asymmetric views are made by operations; name at least one")

    def crop(image: np.ndarray, rng: Generator) -> np.ndarray:
        part = random_resized_crop(image, rng, size, crop_area)
        return horizontal_flip(part, rng) if flip else part

    table: dict[OperationName, Operation] = {
        "crop": lambda picture, rng: clip(crop(picture, rng)),
        "cutout": cutout,
        "colour": colour,
        "sobel": sobel,
        "noise": noise,
        "blur": gaussian_blur,
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

    at_least = needed(size, crop_area[0])
    if asymmetric:
        return ViewsTogether(size, 2, first, at_least, together)
    return ImageViews(size, 2, view, at_least)
