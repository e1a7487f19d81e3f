"""The built-in sample of pictures: patches of ten real photographs that come with installed packages."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from unlabeled import chance
from unlabeled.data.images import Images, decode, open_images
from unlabeled.errors import Unreadable, UserError

PHOTOGRAPHS = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "cat": ("skimage", "data/chelsea.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "retina": ("skimage", "data/retina.jpg"),
    "galaxies": ("skimage", "data/hubble_deep_field.jpg"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "tissue": ("skimage", "data/ihc.png"),
    "temple": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
}
"""Class → the package that brings the photograph, and where in it the file lies."""

_LEFT = 0.6  # the part of a photograph's width that training patches come from
_ACROSS = 8  # patches that fit across the shorter side of a photograph


def photographs(size: int = 32, train: int = 300, test: int = 100, seed: int = 0) -> tuple[Images, Images]:
    """Patches of ten photographs; the label is the photograph.

    Ten real photographs (a person, a cat, coffee, a rocket, a retina, galaxies, motorcycles, stained tissue, a temple,
    a flower) are cut in two: the left three fifths give the training patches, the right two fifths the test patches,
    so that no pixel is in both. Each part is shrunk by the factor that makes the photograph's shorter side 8 times
    `size` (never enlarged), and square patches are cut at random places of it. To tell which photograph a patch of
    the other side comes from asks for texture and matter rather than for equal pixels. Patches of one part overlap:
    they are many views of ten scenes, not that many scenes, so that figures on them prove that training works, not
    how good an encoder is elsewhere.

    Args:
        size: side of a patch in pixels, from 8 to 96.
        train: training patches a photograph.
        test: test patches a photograph.
        seed: of the places of the patches.

    Returns:
        Training patches and test patches, uint8 (size, size, 3), sorted by photograph and named "cat/0001".

    Raises:
        UserError: scikit-image or scikit-learn is not installed, or came without its photographs.
        ValueError: `size` outside its range.
    """
    if not 8 <= size <= 96:
        raise ValueError(f"photographs takes a size from 8 to 96, got {size}")
    patches: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for number, (package, file) in enumerate(PHOTOGRAPHS.values()):
        photograph = _read(package, file)
        height, width = photograph.shape[:2]
        cut = round(width * _LEFT)
        short = min(height, width)
        factor = (min(short, _ACROSS * size), short)
        for part, count in enumerate((train, test)):
            side = photograph[:, cut:] if part else photograph[:, :cut]
            patches[part].append(_cut(_shrink(side, *factor), size, count, seed, number, part))
    return _images(patches[0], "training"), _images(patches[1], "test")


def _read(package: str, file: str) -> np.ndarray:
    """A photograph, uint8 (H, W, 3); the package that brings it is not imported."""
    found = find_spec(package)
    if found is None or found.origin is None:
        name = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[package]
        raise UserError(f"the built-in sample needs photographs of {name}; install it with: pip install {name}.")
    try:
        return decode(Path(found.origin).parent / file)
    except Unreadable as error:
        raise UserError(f"the built-in sample misses {error.path} ({error.reason}); install {package} again.") from None


def _shrink(pixels: np.ndarray, to: int, of: int) -> np.ndarray:
    """Shrink (H, W, 3) to `to` pixels of every `of`; each new pixel is the mean of the area it covers.

    What is left over at the right and at the lower edge is cut off, so that both sides shrink alike.
    """
    height, width = pixels.shape[:2]
    rows, columns = height * to // of, width * to // of
    area = (0, 0, columns * of / to, rows * of / to)
    return np.array(Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BOX, box=area))


def _cut(pixels: np.ndarray, size: int, count: int, seed: int, number: int, part: int) -> np.ndarray:
    """Patches at random places of one part of a photograph, uint8 (count, size, size, 3)."""
    draw = chance.generator(seed, chance.SPLIT, number, part)
    tops = draw.integers(0, pixels.shape[0] - size, count, endpoint=True)
    lefts = draw.integers(0, pixels.shape[1] - size, count, endpoint=True)
    return np.stack([pixels[top : top + size, left : left + size] for top, left in zip(tops, lefts, strict=True)])


def _images(patches: list[np.ndarray], part: str) -> Images:
    """One part of the sample as a source of pictures with labels."""
    counts = [len(several) for several in patches]
    images = open_images((np.concatenate(patches), np.repeat(list(PHOTOGRAPHS), counts)))
    images.place = f"the built-in photographs, {part} part"
    images.names = [f"{name}/{k:04}" for name, count in zip(PHOTOGRAPHS, counts, strict=True) for k in range(count)]
    return images
