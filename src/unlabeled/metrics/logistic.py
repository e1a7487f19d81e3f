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
from unlabeled.metrics.spectrum import blocks

log = logging.getLogger(__name__)

COSTS = 10.0 ** np.linspace(-6, 5, 45)
"""The 45 values of C, from the strongest regularisation to the weakest (DINOv2, after Kornblith et al. 2019)."""
BLOCK = 1024
"""Rows of one product: their float64 form stays in the processor's cache, so float32 rows are read once."""
WIDEST = 4096
"""The largest D whose covariance is decomposed for the coordinates; above it only its diagonal is used."""
ROUND = 50
"""Steps of L-BFGS between two changes of coordinates."""


@dataclass(frozen=True)
class Logistic:
    """A fitted classifier: the scores of x are W x + b.

    Args:
        weight: W, float64 (C, D).
        bias: b, float64 (C,).
        cost: C of the objective, the weight of the summed loss against the penalty.
        converged: whether the gradient fell to the tolerance.
        gradient: the largest entry of the gradient against that of the null model, each in coordinates
            where the Hessian is about the identity, so that the features' scale does not matter.
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


@dataclass(frozen=True)
class _Coordinates:
    """Coordinates U, beta in which the Hessian of the fit at hand is about the identity.

        W = U S V^T,    b = s beta - W m,    S = (e + lambda)^(-1/2)

    with m, V, e the mean, eigenvectors and eigenvalues of the features' covariance under weights
    w_i, and s = mean(w)^(-1/2). V None stands for the identity.
    """

    middle: Tensor
    spectrum: Tensor
    basis: Tensor | None
    bias_scale: float

    def scale(self, decay: float) -> Tensor:
        """S, (D,)."""
        return (self.spectrum.clamp(min=0) + decay).rsqrt()

    def unpack(self, point: np.ndarray, decay: float) -> tuple[Tensor, Tensor]:
        """Weight (C, D) and bias (C,) of a point (C D + C,)."""
        classes = len(point) // (len(self.middle) + 1)
        parameters = torch.from_numpy(point)
        weight = parameters[:-classes].reshape(classes, -1) * self.scale(decay)
        weight = weight if self.basis is None else weight @ self.basis.T
        return weight, parameters[-classes:] * self.bias_scale - weight @ self.middle

    def pack(self, weight: Tensor, bias: Tensor, decay: float) -> np.ndarray:
        """The inverse of `unpack`."""
        turned = weight if self.basis is None else weight @ self.basis
        centred = bias + weight @ self.middle
        return torch.cat([(turned / self.scale(decay)).flatten(), centred / self.bias_scale]).numpy()

    def pull(self, slope: Tensor, slope_bias: Tensor, weight: Tensor, decay: float) -> np.ndarray:
        """The gradient at a point, (C D + C,), from that of the mean loss by weight and bias."""
        centred = slope - torch.outer(slope_bias, self.middle) + decay * weight
        turned = centred if self.basis is None else centred @ self.basis
        return torch.cat([(turned * self.scale(decay)).flatten(), slope_bias * self.bias_scale]).numpy()


class Problem:
    """Rows and labels whose logistic regression is wanted, for one C after the other.

        minimise over W, b:   sum_i CE(W x_i + b, y_i) + 1/(2C) |W|^2,     the bias not penalised,

    solved in the mean form with lambda = 1 / (C N), N over all processes. Features are taken as they
    are, not standardised; coordinates are changed inside, which leaves the minimiser where it is.

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
        own = np.array(labels if places is None else labels[places], dtype=np.int64)
        outside = int(((own < 0) | (own >= classes)).sum())
        counts = np.bincount(own[(own >= 0) & (own < classes)], minlength=classes)
        *sizes, outside = total(torch.from_numpy(np.append(counts, outside))).tolist()
        if classes < 2 or outside or 0 in sizes:
            raise ValueError(f"each of {classes} classes (2 or more) needs a row; they have {sizes}, others {outside}")
        self.features, self.labels, self.places, self.classes = features, torch.from_numpy(own), places, classes
        self.count = sum(sizes)
        shares = torch.tensor(sizes, dtype=torch.float64).log()
        self.null = torch.zeros(classes, features.shape[1], dtype=torch.float64), shares - shares.mean()
        self.null_slope = self.mean_loss(*self.null)[1:]
        self.at_null = self.at_hand = self.coordinates(*self.null)

    def parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows in float64 and their labels, a block at a time."""
        for place, part in enumerate(blocks(self.features, self.places, BLOCK)):
            yield torch.from_numpy(part), self.labels[place * BLOCK : (place + 1) * BLOCK]

    def mean_loss(self, weight: Tensor, bias: Tensor) -> tuple[float, Tensor, Tensor]:
        """The mean cross-entropy over the rows of all processes, and its gradients by weight and bias."""
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
        slope, slope_bias, loss = sums.split([slope.numel(), self.classes, 1])
        return float(loss), slope.reshape(weight.shape), slope_bias

    def coordinates(self, weight: Tensor, bias: Tensor) -> _Coordinates:
        """Those of the Hessian at W, b, averaged over classes: row i weighs w_i = (1 - sum_c p_ic^2) / (C - 1)."""
        width = weight.shape[1]
        full = width <= WIDEST
        first = torch.zeros(width + 1, dtype=torch.float64)  # sums of w x and of w
        second = torch.zeros(width, width if full else 1, dtype=torch.float64)
        for rows, _ in self.parts():
            share = torch.addmm(bias, rows, weight.T).softmax(dim=1)
            heavy = (1 - share.square().sum(dim=1)).clamp(min=0) / (self.classes - 1)
            first += torch.cat([heavy @ rows, heavy.sum()[None]])
            weighted = rows * heavy[:, None]
            second += weighted.T @ rows if full else (weighted * rows).sum(dim=0)[:, None]
        first, second = total(first) / self.count, total(second) / self.count
        mass = first[-1].clamp(min=1e-12)  # rows that are all certain weigh nothing
        middle = first[:-1] / mass
        if full:
            spectrum, basis = torch.linalg.eigh(second - mass * torch.outer(middle, middle))
            return _Coordinates(middle, spectrum, basis, float(mass.rsqrt()))
        return _Coordinates(middle, second[:, 0] - mass * middle.square(), None, float(mass.rsqrt()))

    def solve(
        self, cost: float, start: Logistic | None = None, tolerance: float = 1e-6, iterations: int = 1000
    ) -> Logistic:
        """The minimiser for one C, by rounds of L-BFGS, each in the coordinates of where the last one ended.

        Args:
            cost: C > 0.
            start: where to begin; at W = 0 and the log of the classes' shares where None.
            tolerance: how far the gradient must fall, against that of the null model.
            iterations: at most so many steps, rounded up to whole rounds.

        Raises:
            ValueError: C <= 0.
        """
        if not cost > 0:
            raise ValueError(f"C must be above 0, got {cost}")
        decay = 1.0 / (cost * self.count)
        unit = float(np.abs(self.at_null.pull(*self.null_slope, self.null[0], decay)).max())
        weight, bias = self.null if start is None else (torch.tensor(start.weight), torch.tensor(start.bias))
        steps, gradient, moved = 0, np.inf, True
        while moved and gradient > tolerance and steps < iterations:
            if steps:
                self.at_hand = self.coordinates(weight, bias)
            weight, bias, slope, taken = self._round(weight, bias, decay, tolerance * unit)
            gradient = slope / unit if unit > 0 else 0.0
            steps, moved = steps + taken, taken > 0
        return Logistic(weight.numpy(), bias.numpy(), cost, gradient <= tolerance, gradient, steps)

    def _round(self, weight: Tensor, bias: Tensor, decay: float, goal: float) -> tuple[Tensor, Tensor, float, int]:
        """At most `ROUND` steps of L-BFGS: where they end, the largest entry of the gradient there, and their number."""
        space = self.at_hand

        def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
            weight, bias = space.unpack(point, decay)
            loss, slope, slope_bias = self.mean_loss(weight, bias)
            return loss + decay / 2 * float(weight.square().sum()), space.pull(slope, slope_bias, weight, decay)

        found = minimize(
            objective,
            space.pack(weight, bias, decay),
            method="L-BFGS-B",
            jac=True,
            # ftol 0: the gradient ends the search, or a loss that falls no further at all
            options={"maxcor": 20, "maxls": 50, "maxiter": ROUND, "ftol": 0.0, "gtol": goal},
        )
        weight, bias = space.unpack(found.x, decay)
        return weight, bias, float(np.abs(found.jac).max()), int(found.nit)


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
    Held-out rows that are all right end it at once.

    Args:
        problem: the rows to fit.
        held_out: this process's held-out rows, (M_p, D), perhaps none.
        held_out_labels: int64 (M_p,).
        costs: values of C, rising.
        patience: end after so many values in a row without a gain.
        tolerance: of each fit, see `Problem.solve`.

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
        if idle == patience or accuracy == 1.0:
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


