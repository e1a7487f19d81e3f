"""One SimCLR step, views included, against the bare backbone's forward and backward, and against lightly's loop."""

from collections.abc import Callable, Generator

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from timing import steady, table
from unlabeled.data.photographs import photographs
from unlabeled.encoders.images import image_encoder
from unlabeled.methods.simclr import SimCLR
from unlabeled.training.loader import Steps, batches
from unlabeled.views import images

LIMIT = "limit: backbone alone"
Loop = Callable[[], Generator[None]]


def ours(name: str, size: int, batch: int) -> dict[str, Loop]:
    """The backbone alone, then with head, loss and optimiser, then with its views too."""
    method = SimCLR(image_encoder(name, size), optimizer="adamw")
    optimizer = method.optimizer(batch, 1000).optimizer
    steps = Steps(photographs(size)[0], images.simclr(size), 0, batch)
    ready = steps[0].batch

    def limit() -> Generator[None]:
        while True:
            method.zero_grad()
            method.encoder(ready.views).sum().backward()
            yield

    def loop(workers: int | None) -> Generator[None]:
        loaded = None if workers is None else iter(batches(steps, 0, 10**6, workers))
        while True:
            loss = method.loss(ready if loaded is None else next(loaded).batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield

    return {
        LIMIT: limit,
        "head, loss, AdamW (views ready)": lambda: loop(None),
        "the whole step, no worker": lambda: loop(0),
        "the whole step, two workers": lambda: loop(2),
    }


class Pictures(Dataset):
    """The same samples as PIL pictures through a transform, endlessly."""

    def __init__(self, size: int, transform: Callable[[Image.Image], object]) -> None:
        self.samples, self.transform = photographs(size)[0], transform

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, place: int) -> object:
        return self.transform(Image.fromarray(self.samples.read(place % len(self.samples))))


def lightly(name: str, size: int, batch: int) -> dict[str, Loop]:
    """Lightly's SimCLR example on the same backbone: its views, head and loss, the backbone once a view."""
    try:
        from lightly.loss import NTXentLoss
        from lightly.models.modules import SimCLRProjectionHead
        from lightly.transforms import SimCLRTransform
    except ImportError:
        return {}
    encoder = image_encoder(name, size)
    backbone = encoder.network.to(memory_format=torch.contiguous_format)
    head = SimCLRProjectionHead(encoder.width, encoder.width, 128)
    transform = SimCLRTransform(size, cj_strength=0.5, gaussian_blur=0) if size <= 32 else SimCLRTransform(size)
    criterion = NTXentLoss(temperature=0.1)
    optimizer = torch.optim.AdamW([*backbone.parameters(), *head.parameters()])

    def loop() -> Generator[None]:
        for views in DataLoader(Pictures(size, transform), batch, num_workers=2, drop_last=True):
            first, second = (head(backbone(view).mean((2, 3))) for view in views)
            loss = criterion(first, second)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield

    return {"lightly's loop, same backbone, two workers": loop}


def run() -> list[str]:
    lines = [f"## A SimCLR step, two views, {torch.get_num_threads()} threads", ""]
    lines += ["Limit: forward and backward of the bare backbone on the 2B views, channels last.", ""]
    cases = (("small_resnet", 32, 256, 3, 8), ("resnet10t", 96, 64, 3, 4), ("resnet18", 32, 256, 2, 2))
    for name, size, batch, rounds, steps in cases:
        loops = ours(name, size, batch) | lightly(name, size, batch)
        lines += table(
            f"{name} at {size} pixels, B = {batch}", steady(loops, rounds, 2, steps), LIMIT, batch, "samples"
        )
    return lines
