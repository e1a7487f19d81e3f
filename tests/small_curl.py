"""CURL on digits of 8 x 8, for tests of its parts."""

from typing import Any

import torch
from torch import Tensor

from battery.small import digits
from unlabeled import chance
from unlabeled.distributed import average_gradients
from unlabeled.encoders.images import image_encoder
from unlabeled.methods.curl import CURL
from unlabeled.training.method import Batch

SMALL: dict[str, Any] = {"latent": 3, "decoder_widths": (12,), "components": 6}
QUICK: dict[str, Any] = SMALL | {"wait": 2, "burn_in": 3, "buffer": 16, "passes": 2, "threshold": -5.0}


def made(active: int = 3, **arguments: Any) -> CURL:
    """The method with an MLP for digits of 8 x 8, in float64."""
    chance.seed_torch(0, chance.INITIALISATION)
    encoder = image_encoder("mlp", 8, widths=(16, 10), channels=3 if arguments.get("colour") else 1)
    method = CURL(encoder, **(SMALL | arguments)).double()
    method.mixture.active.fill_(active)
    return method


def views(count: int = 8, start: int = 0) -> Tensor:
    """Real digits as plain views, float64 (B, 3, 8, 8)."""
    pixels = torch.from_numpy(digits(start + count)[0][start:] / 255.0)
    return pixels[:, None].expand(-1, 3, -1, -1)


def batch(count: int = 8, start: int = 0) -> Batch:
    return Batch(views(count, start), torch.arange(start, start + count))


def learning(method: CURL, average: bool = False) -> Any:
    """The loop's update, in small."""
    optimizer = method.optimizer(8, 100).optimizer  # batches of eight

    def update(loss: Tensor, parameters: Any = None) -> None:
        chosen = list(method.parameters() if parameters is None else parameters)
        optimizer.zero_grad()
        loss.backward()
        for each in method.parameters():
            if not any(each is one for one in chosen):
                each.grad = None
        if average:
            average_gradients([each for each in chosen if each.requires_grad])
        optimizer.step()

    return update
