"""Who competes in `simclr_peer`: our SimCLR and lightly's, each with its own views, head, loss and loop."""

import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from unlabeled import chance
from unlabeled.data.images import Images
from unlabeled.encoders.images import default_name, image_encoder
from unlabeled.methods.simclr import SimCLR
from unlabeled.training.budget import Budget
from unlabeled.training.checkpoints import Checkpoint, write_atomically
from unlabeled.training.launching import launch
from unlabeled.training.loader import Steps, batches
from unlabeled.training.loop import Loop
from unlabeled.training.optimizers import OPTIMIZERS
from unlabeled.training.schedules import cosine
from unlabeled.views import images

WORKERS = 2
WARMUP = 0.1  # of the steps: our SimCLR's default, and lightly is given the same
MARKS = 16  # snapshots along a training, from which the loss on held-out views is measured


@dataclass(frozen=True)
class Task:
    """What every contender is given: pictures, size of views, steps, batch, and the recipe's arguments of SimCLR."""

    train: Images
    test: Images
    size: int
    steps: int
    batch: int
    seed: int
    options: dict[str, Any]

    def encoder(self) -> nn.Module:
        """The network of the recipe with the weights that this seed gives to every contender."""
        chance.seed_torch(self.seed, chance.INITIALISATION)
        return image_encoder(default_name(self.size), self.size)


class Ours:
    """Our views, head, loss and loop; also the journal that this loop writes to."""

    def __init__(self, task: Task, folder: Path) -> None:
        self.task, self.folder = task, folder
        self.module = SimCLR(task.encoder(), warmup=WARMUP, **task.options)
        self.represent = self.module.encoder

    def project(self, views: Tensor) -> Tensor:
        return self.module.projector(self.represent(views))

    def _start(self, seconds: float | None) -> tuple[Loop, Steps]:
        task, endless = self.task, float("inf")
        loop = Loop(launch(1), self.module, task.batch, Budget(task.steps, seconds, endless, WORKERS), task.seed)
        return loop, Steps(task.train, images.simclr(task.size), task.seed, task.batch)

    def train(self, checkpoint: Checkpoint | None, seconds: float) -> Checkpoint:
        self.loop, steps = self._start(seconds)
        if checkpoint is not None:
            self.loop.restore(checkpoint)
        self.loop.run(steps, self)
        return self.loop.checkpoint("")

    def stepping(self) -> Generator[None]:
        """Steps without an end, for timing."""
        loop, steps = self._start(None)
        for loaded in batches(steps, 0, 10**6, WORKERS):
            loop.step(loaded.parts)
            yield

    def save(self, checkpoint: Checkpoint) -> None: ...  # `train` gives it back

    def log(self, figures: dict[str, float]) -> None:
        mark(self.folder, self.module, self.task, int(figures["step"]), self.loop.seconds)

    def skip(self, name: str, reason: str) -> None:
        sys.exit(f"{name} cannot be read ({reason}); both must see the same pictures.")


class Files(Dataset):
    """Pictures by place, through a transform of PIL pictures, as lightly's own data set gives them."""

    def __init__(self, pictures: Images, transform: Callable[[Image.Image], object]) -> None:
        self.root, self.names, self.transform = Path(pictures.place), pictures.names, transform

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, place: int) -> object:
        with Image.open(self.root / self.names[place]) as picture:
            return self.transform(picture.convert("RGB"))


class Lightly:
    """lightly's SimCLR as its example has it: its transform, head, loss and a plain loop, the backbone once a view."""

    def __init__(self, task: Task, folder: Path) -> None:
        from lightly.loss import NTXentLoss
        from lightly.models.modules import SimCLRProjectionHead
        from lightly.transforms.utils import IMAGENET_NORMALIZE

        self.task, self.folder = task, folder
        encoder = task.encoder()
        backbone = encoder.network.to(memory_format=torch.contiguous_format)
        head = SimCLRProjectionHead(encoder.width, encoder.width, 128)
        self.module = nn.ModuleDict({"backbone": backbone, "head": head})
        self.criterion = NTXentLoss(temperature=task.options["temperature"])
        self.mean, self.std = (torch.tensor(IMAGENET_NORMALIZE[name]).view(3, 1, 1) for name in ("mean", "std"))
        rate = task.options["learning_rate"] * task.batch / 256
        self.optimizer = OPTIMIZERS[task.options["optimizer"]](self.module, rate, task.options["weight_decay"])
        self.schedule, self.rate = cosine(task.steps, round(WARMUP * task.steps)), rate

    def represent(self, views: Tensor) -> Tensor:
        """Views in [0, 1], normalised as lightly's transform does, to (B, D)."""
        return self._pooled((views - self.mean) / self.std)

    def project(self, views: Tensor) -> Tensor:
        return self.module["head"](self.represent(views))

    def _pooled(self, views: Tensor) -> Tensor:
        return self.module["backbone"](views).mean((2, 3))

    def _loader(self, start: int, stop: int) -> Iterator[list[Tensor]]:
        task = self.task
        per_epoch = len(task.train) // task.batch
        orders = {epoch: chance.order(task.seed, epoch, len(task.train)) for epoch in range(-(-stop // per_epoch))}
        sampler = [
            orders[step // per_epoch][step % per_epoch * task.batch :][: task.batch].tolist()
            for step in range(start, stop)
        ]
        chance.seed_torch(task.seed, chance.VIEWS, start)
        return iter(DataLoader(Files(task.train, transform(task.size)), batch_sampler=sampler, num_workers=WORKERS))

    def _step(self, step: int, views: list[Tensor]) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * self.schedule(step)
        first, second = (self.module["head"](self._pooled(view)) for view in views)
        loss = self.criterion(first, second)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def train(self, checkpoint: Checkpoint | None, seconds: float) -> Checkpoint:
        done, before = 0, 0.0
        if checkpoint is not None:
            self.module.load_state_dict(checkpoint.method)
            self.optimizer.load_state_dict(checkpoint.optimizer)
            done, before = checkpoint.step, checkpoint.seconds
        self.module.train()
        began = time.monotonic()
        for views in self._loader(done, self.task.steps):
            self._step(done, views)
            done += 1
            mark(self.folder, self.module, self.task, done, before + time.monotonic() - began)
            if time.monotonic() - began >= seconds:
                break
        spent = before + time.monotonic() - began
        return Checkpoint(done, self.module.state_dict(), self.optimizer.state_dict(), "", spent)

    def stepping(self) -> Generator[None]:
        """Steps for timing."""
        for step, views in enumerate(self._loader(0, 1000)):
            self._step(step, views)
            yield


def transform(size: int, **options: Any) -> Callable[[Image.Image], object]:
    """lightly's two views, with its own advice for small pictures (less colour, no blur) up to 32 pixels, as ours."""
    from lightly.transforms import SimCLRTransform

    small = {"cj_strength": 0.5, "gaussian_blur": 0} if size <= 32 else {}
    return SimCLRTransform(size, **small, **options)


def mark(folder: Path, module: nn.Module, task: Task, step: int, seconds: float) -> None:
    """Keep a snapshot of the weights where `step` is the first one past a sixteenth of the training."""
    due = -(-len(list(folder.glob("*.safetensors"))) * task.steps // MARKS)
    if step >= max(due, 1):
        path = folder / f"{step:06}-{seconds:.2f}.safetensors"
        state = {name: value.contiguous() for name, value in module.state_dict().items()}
        write_atomically(path, lambda beside: save_file(state, beside))
