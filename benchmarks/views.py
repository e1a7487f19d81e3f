"""SimCLR's view on one thread against decoding the same picture from JPEG."""

import io

import cv2
import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torchvision.transforms import v2

from timing import interleaved, table
from unlabeled import chance
from unlabeled.views import images


def pieces(size: int, count: int = 64) -> list[np.ndarray]:
    """Pieces of real photographs, (size, size, 3); whole photographs for 224."""
    photographs = load_sample_images().images
    if size == 224:
        return [photographs[place % 2] for place in range(count)]
    rng = np.random.default_rng(0)
    cut = []
    for place in range(count):
        photograph = photographs[place % 2]
        top, left = rng.integers(photograph.shape[0] - size), rng.integers(photograph.shape[1] - size)
        cut.append(np.ascontiguousarray(photograph[top : top + size, left : left + size]))
    return cut


def encoded(picture: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=90)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def run() -> list[str]:
    lines = ["## Views, one thread", "", "Limit: decoding the picture from JPEG (libjpeg-turbo through OpenCV).", ""]
    for size in (32, 96, 224):
        pictures = pieces(size)
        files, pil = [encoded(each) for each in pictures], [Image.fromarray(each) for each in pictures]
        ours = images.simclr(size, color_strength=1.0, blur=True)
        kernel = max(3, size // 10 // 2 * 2 + 1)
        theirs = v2.Compose(
            [v2.RandomResizedCrop(size, (0.08, 1.0)), v2.RandomHorizontalFlip(),
             v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8), v2.RandomGrayscale(0.2),
             v2.RandomApply([v2.GaussianBlur(kernel, (0.1, 2.0))], 0.5), v2.ToImage(),
             v2.ToDtype(torch.float32, scale=True)]
        )  # fmt: skip
        seconds = interleaved(
            {
                "limit: JPEG decode": lambda f=files: [cv2.imdecode(each, cv2.IMREAD_COLOR) for each in f],
                "ours": lambda p=pictures, v=ours: [
                    v.view(each, chance.generator(0, chance.VIEWS, 0, i, 0)) for i, each in enumerate(p)
                ],
                "torchvision v2, from PIL": lambda p=pil, t=theirs: [t(each) for each in p],
            },
            rounds=7,
        )
        lines += table(f"{size} pixels", seconds, "limit: JPEG decode", len(pictures), "views")
    return lines
