"""An encoder and a classifier trained together on the labels of one fold, their accuracies noted after every epoch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from unlabeled import chance
from unlabeled.errors import UserError
from unlabeled.training.loader import Samples, Views, seen
from unlabeled.training.method import Penalises
from unlabeled.training.progress import Progress

StopOn = Literal["accuracy", "loss"]


@dataclass(frozen=True)
class Training:
    """How a network is trained on labels.

    Args:
        epochs: at most, at least 1.
        patience: epochs with a worse figure on the first watched part after which training ends; None never.
        batch_size: samples a step, at least 2; an epoch is shared out so that none has much fewer, and none one.
        learning_rate: of Adam, above 0.
        clip: largest norm of the gradient, above 0.
        hidden: width of the classifier's one hidden layer, at least 1.
        stop_on: that figure: accuracy, or the mean cross-entropy, which jumps less from epoch to epoch.

    Raises:
        UserError: a number outside its range.
    """

    epochs: int = 100
    patience: int | None = 25
    batch_size: int = 20
    learning_rate: float = 1e-3
    clip: float = 2.0
    hidden: int = 50
    stop_on: StopOn = "accuracy"

    def __post_init__(self) -> None:
        least = {"epochs": (self.epochs, 1), "patience": (self.patience, 1), "batch-size": (self.batch_size, 2)}
        for name, (value, low) in least.items():
            if value is not None and value < low:
                raise UserError(f"--{name} takes a number of at least {low}, got {value}.")
        if not self.learning_rate > 0:
            raise UserError(f"--learning-rate takes numbers above 0, got {self.learning_rate}.")


@dataclass(frozen=True)
class Curves:
    """What there is to be seen after each epoch.

    Args:
        accuracies: float64 (E, P) for P watched parts.
        cross_entropy: mean over the first of them, (E,).
        loss: mean training loss of each epoch, (E,).
    """

    accuracies: np.ndarray
    cross_entropy: np.ndarray
    loss: np.ndarray

    def best(self, by: StopOn = "accuracy") -> int:
        """The epoch, from 0, with the best figure on the first watched part; of equals the last (Errica et al.)."""
        figure = self.accuracies[:, 0] if by == "accuracy" else -self.cross_entropy
        return len(figure) - 1 - int(figure[::-1].argmax())


def train(
    network: nn.Module,
    width: int,
    samples: Samples,
    labels: np.ndarray,
    learnt: np.ndarray,
    watched: Sequence[np.ndarray],
    views: Views,
    how: Training,
    seed: tuple[int, ...],
    what: str,
) -> Curves:
    """Train a network and a classifier on it: cross-entropy, and the network's own penalty where it has one.

    Args:
        network: a batch to (B, `width`); it is moved, and ends as after the last epoch.
        width: D.
        samples: all.
        labels: int64 (N,), 0 to C - 1.
        learnt: places to learn from, int64.
        watched: places of parts whose accuracy is noted after every epoch; the first decides when to stop.
        views: of learning and of judging; graphs are looked at as they are.
        how: settings.
        seed: of the classifier's weights, of the order and of dropout; the first number is the run's.
        what: named in the line of progress.

    Raises:
        UserError: the loss is no longer a finite number.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    chance.seed_torch(seed[0], chance.MODEL, *seed[1:])
    head = nn.Sequential(nn.Linear(width, how.hidden), nn.ReLU(), nn.Linear(how.hidden, int(labels.max()) + 1))
    both = nn.ModuleList([network, head]).to(device)
    optimizer = torch.optim.Adam(both.parameters(), how.learning_rate)
    answers = torch.from_numpy(labels).to(device)
    accuracies, apart, losses = [], [], []
    with Progress(what, how.epochs, "epochs", patience=5.0) as progress:
        for epoch in range(how.epochs):
            both.train()
            order = chance.generator(seed[0], chance.ORDER, *seed[1:], epoch).permutation(learnt)
            summed = 0.0
            for places in np.array_split(order, min(-(-len(order) // how.batch_size), max(1, len(order) // 2))):
                batch = seen(samples, views, places, (seed[0], chance.VIEWS, epoch), [])
                loss = _loss(network, head, batch.views.to(device), answers[batch.index.to(device)])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                clip_grad_norm_(both.parameters(), how.clip)
                optimizer.step()
                summed += float(loss.detach()) * len(places)
            if not np.isfinite(summed):
                raise UserError(f"{what}: the loss is no finite number after epoch {epoch + 1}; lower --learning-rate.")
            judged = [_judged(both, samples, labels, part, views, device) for part in watched]
            accuracies.append([accuracy for accuracy, _ in judged])
            apart.append(judged[0][1])
            losses.append(summed / len(order))
            progress.update(epoch + 1)
            curves = Curves(np.array(accuracies), np.array(apart), np.array(losses))
            if how.patience is not None and epoch - curves.best(how.stop_on) >= how.patience:
                break
    return curves


def _loss(network: nn.Module, head: nn.Module, views: Any, answers: Tensor) -> Tensor:
    loss = cross_entropy(head(network(views)), answers)
    return loss + network.penalty() if isinstance(network, Penalises) else loss


@torch.inference_mode()
def _judged(
    both: nn.ModuleList, samples: Samples, labels: np.ndarray, places: np.ndarray, views: Views, device: str
) -> tuple[float, float]:
    """Accuracy and mean cross-entropy of a part."""
    both.eval()
    right, lost = 0, 0.0
    for part in np.array_split(places, -(-len(places) // 128)):
        batch = seen(samples, views, part, (0, chance.VIEWS, 0), [])
        scores = both[1](both[0](batch.views.to(device))).float().cpu()
        answers = torch.from_numpy(labels[part])
        right += int((scores.argmax(1) == answers).sum())
        lost += float(cross_entropy(scores, answers, reduction="sum"))
    return right / len(places), lost / len(places)


Fresh = Callable[[int], nn.Module]
"""The number of a start to a network to train: a copy of a trained one, or one drawn anew."""
