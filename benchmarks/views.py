"""SimCLR's view on one thread against decoding the same picture from JPEG."""

import io
from collections.abc import Callable

import cv2
import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torchvision import transforms as v1

from timing import interleaved, table
from unlabeled import chance
from unlabeled.views import images

LIMIT = "limit: JPEG decode"


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


def with_torchvision(size: int) -> Callable[[Image.Image], object]:
    """The pipeline of torchvision's first transforms on PIL pictures, as most code in use has it."""
    kernel = max(3, size // 10 // 2 * 2 + 1)
    return v1.Compose(
        [v1.RandomResizedCrop(size, (0.08, 1.0)), v1.RandomHorizontalFlip(),
         v1.RandomApply([v1.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8), v1.RandomGrayscale(0.2),
         v1.RandomApply([v1.GaussianBlur(kernel, (0.1, 2.0))], 0.5), v1.ToTensor()]
    )  # fmt: skip


def with_albumentations(size: int) -> Callable[[np.ndarray], object] | None:
    """The same pipeline by albumentations, None where it is not installed."""
    try:
        import albumentations as peer
    except ImportError:
        return None
    kernel = max(3, size // 10 // 2 * 2 + 1)
    steps = peer.Compose(
        [peer.RandomResizedCrop((size, size), (0.08, 1.0)), peer.HorizontalFlip(p=0.5),
         peer.ColorJitter((0.2, 1.8), (0.2, 1.8), (0.2, 1.8), (-0.2, 0.2), p=0.8), peer.ToGray(p=0.2),
         peer.GaussianBlur((kernel, kernel), (0.1, 2.0), p=0.5), peer.ToFloat(255.0)]
    )  # fmt: skip
    return lambda picture: steps(image=picture)["image"]


def run() -> list[str]:
    lines = ["## Views, one thread", "", "Limit: decoding the picture from JPEG (libjpeg-turbo through OpenCV).", ""]
    lines += [
        "From decoded pixels; the whole of SimCLR's pipeline with blur and full colour strength at every size.",
        "",
    ]
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    for size in (32, 96, 224):
        pictures = pieces(size)
        files, pil = [encoded(each) for each in pictures], [Image.fromarray(each) for each in pictures]
        ours = images.simclr(size, color_strength=1.0, blur=True)
        torchvision, albumentations = with_torchvision(size), with_albumentations(size)
        candidates = {
            LIMIT: lambda f=files: [cv2.imdecode(each, cv2.IMREAD_COLOR) for each in f],
            "ours": lambda p=pictures, v=ours: [
                v.view(each, chance.generator(0, chance.VIEWS, 0, i, 0)) for i, each in enumerate(p)
            ],
            "torchvision, PIL": lambda p=pil, t=torchvision: [t(each) for each in p],
        }
        if albumentations is not None:
            candidates["albumentations"] = lambda p=pictures, t=albumentations: [t(each) for each in p]
        lines += table(f"{size} pixels", interleaved(candidates, rounds=15), LIMIT, len(pictures), "views")
    return lines
