"""Multinomial logistic regression by L-BFGS, exact over processes.

Every process holds its own rows. Loss and gradient are sums over rows, so one all-reduce an evaluation
gives all processes the same numbers and each takes the same steps.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from unlabeled.distributed import total
from unlabeled.metrics.spectrum import blocks, central, covariance_sums, variance_sums

log = logging.getLogger(__name__)

COSTS = 10.0 ** np.linspace(-6, 5, 45)
"""The 45 values of C, from the strongest regularisation to the weakest (DINOv2, after Kornblith et al. 2019)."""
BLOCK = 1024
"""Rows of one product: their float64 form stays in the processor's cache, so float32 rows are read once."""
WIDEST = 4096
"""The largest D whose covariance is decomposed to precondition; above it only its diagonal is used."""


@dataclass(frozen=True)
class Logistic:
    """A fitted classifier: the scores of x are W x + b.

    Args:
        weight: W, float64 (C, D).
        bias: b, float64 (C,).
        cost: C of the objective, the weight of the summed loss against the penalty.
        converged: whether the gradient fell to the tolerance.
        gradient: the largest entry of the gradient against that of the null model, in the preconditioned
            coordinates, where it does not depend on the features' scale.
        iterations: of L-BFGS.
    """

    weight: np.ndarray
    bias: np.ndarray
    cost: float
    converged: bool
    gradient: float
    iterations: int

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Logits of rows (N, D), perhaps memory-mapped: float64 (N, C)."""
        parts = [part @ self.weight.T + self.bias for part in blocks(features, block=BLOCK)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.bias)))


@dataclass(frozen=True)
class Path:
    """The classifiers of rising C, and the one that is best on held-out rows.

    Args:
        chosen: the one of highest held-out accuracy, of equals that of the strongest regularisation.
        costs: the C that were fitted, (n,).
        accuracies: held-out accuracy of each, (n,).
        losses: held-out mean cross-entropy of each, (n,).
    """

    chosen: Logistic
    costs: np.ndarray
    accuracies: np.ndarray
    losses: np.ndarray


class Problem:
    """Rows and labels whose logistic regression is wanted, for one C after the other.

        minimise over W, b:   sum_i CE(W x_i + b, y_i) + 1/(2C) |W|^2,     the bias not penalised,

    solved in the mean form with lambda = 1 / (C N), N over all processes. Features are taken as they
    are, not standardised. Inside, W = U S V^T about the mean, with V the eigenvectors of the
    covariance, e its eigenvalues and S = (e / classes + lambda)^(-1/2): the Hessian of the null model
    becomes the identity there, and the minimiser stays where it is.

    Args:
        features: this process's rows, (N_p, D), perhaps memory-mapped, perhaps none.
        labels: int64 (N_p,), 0 to `classes` - 1; over all processes each class is present.
        classes: at least 2.
        places: int64 (M,), which rows count; all where None.

    Raises:
        ValueError: a class without a row, a label out of range, or shapes that do not fit.
    """

    def __init__(self, features: np.ndarray, labels: np.ndarray, classes: int, places: np.ndarray | None = None):
        if features.ndim != 2 or labels.shape != (len(features),):
            raise ValueError(f"features (N, D) and labels (N,) are needed, got {features.shape} and {labels.shape}")
        self.features, self.places, self.classes = features, places, classes
        self.labels = torch.from_numpy(np.array(labels if places is None else labels[places], dtype=np.int64))
        counts = np.bincount(self.labels.numpy(), minlength=classes)
        counts = total(torch.from_numpy(counts)).numpy()
        if classes < 2 or len(counts) > classes or (counts == 0).any():
            raise ValueError(f"each of {classes} classes (at least 2) needs a row, got {counts.tolist()}")
        self.prior = np.log(counts / counts.sum()) - np.log(counts / counts.sum()).mean()
        full = features.shape[1] <= WIDEST
        parts = blocks(features, places)
        self.count, mean, second = central(parts, features.shape[1], covariance_sums if full else variance_sums)
        self.mean = torch.from_numpy(mean)
        self.spectrum, self.basis = torch.from_numpy(second / self.count), None
        if full:
            self.spectrum, self.basis = torch.linalg.eigh(self.spectrum)

    def parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows in float64 and their labels, a block at a time."""
        for place, part in enumerate(blocks(self.features, self.places, BLOCK)):
            yield torch.from_numpy(part), self.labels[place * BLOCK : (place + 1) * BLOCK]

    def scale(self, decay: float) -> Tensor:
        """S, (D,)."""
        return (self.spectrum.clamp(min=0) / self.classes + decay).rsqrt()

    def unpack(self, point: np.ndarray, decay: float) -> tuple[Tensor, Tensor]:
        """Weight (C, D) and bias (C,) of preconditioned coordinates (C D + C,)."""
        parameters = torch.from_numpy(point)
        weight = parameters[: -self.classes].reshape(self.classes, -1) * self.scale(decay)
        weight = weight if self.basis is None else weight @ self.basis.T
        return weight, parameters[-self.classes :] * self.classes**0.5 - weight @ self.mean

    def pack(self, weight: np.ndarray, bias: np.ndarray, decay: float) -> np.ndarray:
        """The inverse of `unpack`."""
        rows = torch.from_numpy(weight)
        turned = rows if self.basis is None else rows @ self.basis
        centred = torch.from_numpy(bias) + rows @ self.mean
        return torch.cat([(turned / self.scale(decay)).flatten(), centred / self.classes**0.5]).numpy()

    def value(self, point: np.ndarray, decay: float) -> tuple[float, np.ndarray]:
        """The objective in the mean form and its gradient, at preconditioned coordinates (C D + C,)."""
        weight, bias = self.unpack(point, decay)
        slope, slope_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        loss = torch.zeros(1, dtype=torch.float64)
        for rows, labels in self.parts():
            logarithm = torch.addmm(bias, rows, weight.T).log_softmax(dim=1)  # (B, C)
            loss -= logarithm.gather(1, labels[:, None]).sum()
            excess = logarithm.exp_()
            excess[torch.arange(len(labels)), labels] -= 1.0
            slope.addmm_(excess.T, rows)
            slope_bias += excess.sum(dim=0)
        sums = total(torch.cat([slope.flatten(), slope_bias, loss])) / self.count
        slope, slope_bias = sums[: -self.classes - 1].reshape(weight.shape), sums[-self.classes - 1 : -1]
        slope = slope - torch.outer(slope_bias, self.mean) + decay * weight
        turned = slope if self.basis is None else slope @ self.basis
        gradient = torch.cat([(turned * self.scale(decay)).flatten(), slope_bias * self.classes**0.5])
        return float(sums[-1] + decay / 2 * weight.square().sum()), gradient.numpy()

    def solve(
        self, cost: float, start: Logistic | None = None, tolerance: float = 1e-6, iterations: int = 1000
    ) -> Logistic:
        """The minimiser for one C.

        Args:
            cost: C > 0.
            start: where to begin; at W = 0 and the log of the classes' shares where None.
            tolerance: how far the gradient must fall, against that of the null model.
            iterations: at most so many steps of L-BFGS.

        Raises:
            ValueError: C <= 0.
        """
        if not cost > 0:
            raise ValueError(f"C must be above 0, got {cost}")
        decay = 1.0 / (cost * self.count)
        null = self.pack(np.zeros((self.classes, self.features.shape[1])), self.prior, decay)
        first = float(np.abs(self.value(null, decay)[1]).max())
        found = minimize(
            self.value,
            null if start is None else self.pack(start.weight, start.bias, decay),
            args=(decay,),
            method="L-BFGS-B",
            jac=True,
            # ftol 0: only the gradient ends the search, or the loss when it falls no further at all
            options={"maxcor": 20, "maxls": 50, "maxiter": iterations, "ftol": 0.0, "gtol": tolerance * first},
        )
        weight, bias = (part.numpy().copy() for part in self.unpack(found.x, decay))
        gradient = float(np.abs(found.jac).max()) / first if first > 0 else 0.0
        return Logistic(weight, bias, cost, gradient <= tolerance, gradient, int(found.nit))


def fit(
    features: np.ndarray, labels: np.ndarray, classes: int, cost: float = 1.0, tolerance: float = 1e-6
) -> Logistic:
    """Logistic regression for one C: see `Problem` and `Problem.solve`."""
    return Problem(features, labels, classes).solve(cost, tolerance=tolerance)


def path(
    problem: Problem,
    held_out: np.ndarray,
    held_out_labels: np.ndarray,
    costs: np.ndarray = COSTS,
    patience: int = 5,
    tolerance: float = 1e-3,
) -> Path:
    """Fits for rising C, each started from the last, until held-out rows gain nothing any more.

    A value of C gains where held-out accuracy rises above the best so far or held-out cross-entropy
    falls below the best so far. The latter is needed at the strong end of the path: W is there
    proportional to C, predictions are the same for many values, and accuracy alone would end the path.

    Args:
        problem: the rows to fit.
        held_out: this process's held-out rows, (M_p, D), perhaps none.
        held_out_labels: int64 (M_p,).
        costs: values of C, rising.
        patience: end after so many values in a row without a gain.
        tolerance: of each fit. In the preconditioned coordinates half its square times that of the null
            gradient is about what the objective still has to fall.

    Raises:
        ValueError: no held-out row over all processes.
    """
    current: Logistic | None = None
    chosen: Logistic | None = None
    accuracies: list[float] = []
    losses: list[float] = []
    idle = 0
    for cost in costs:
        current = problem.solve(float(cost), current, tolerance)
        accuracy, loss = _judge(current, held_out, held_out_labels)
        if chosen is None or accuracy > max(accuracies):
            chosen, idle = current, 0
        elif loss < min(losses):
            idle = 0
        else:
            idle += 1
        accuracies.append(accuracy)
        losses.append(loss)
        if idle == patience:
            break
    if chosen is None:
        raise ValueError("path takes at least one value of C, got none")
    log.info("C = %.3g chosen, after %d of %d values on the path", chosen.cost, len(losses), len(costs))
    return Path(chosen, costs[: len(losses)], np.array(accuracies), np.array(losses))


def _judge(found: Logistic, rows: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Accuracy and mean cross-entropy on the rows of all processes."""
    scores = torch.from_numpy(found.scores(rows))
    logarithm = scores.log_softmax(dim=1)
    truth = torch.from_numpy(np.array(labels, dtype=np.int64))
    sums = torch.tensor(
        [
            float((scores.argmax(dim=1) == truth).sum()),
            -float(logarithm.gather(1, truth[:, None]).sum()),
            float(len(truth)),
        ],
        dtype=torch.float64,
    )
    right, loss, count = total(sums).tolist()
    if count == 0:
        raise ValueError("path takes at least one held-out row, got none")
    return right / count, loss / count


