"""Multinomial logistic regression by L-BFGS, exact over processes.

Every process holds its own rows. Loss and gradient are sums over rows, so one all-reduce an evaluation
gives all processes the same numbers and each takes the same steps.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import OptimizeResult, minimize

from unlabeled.distributed import total
from unlabeled.metrics.spectrum import blocks, in_threads, one_core

log = logging.getLogger(__name__)

COSTS = 10.0 ** np.linspace(-6, 5, 45)
"""The 45 values of C, from the strongest regularisation to the weakest (DINOv2, after Kornblith et al. 2019)."""
BLOCK = 1024
"""Rows of one product: their float64 form stays in the processor's cache, so float32 rows are read once."""
WIDEST = 4096
"""The largest D whose covariance is decomposed for the coordinates; above it only its diagonal is used."""
ROUND = 50
"""Steps of L-BFGS between two changes of coordinates."""


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Logarithms of the probabilities whose logits are `scores`, (N, C)."""
    scores = scores - scores.max(axis=1, keepdims=True)
    scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return scores


@dataclass(frozen=True)
class Logistic:
    """A fitted classifier: the scores of x are W x + b.

    Args:
        weight: W, float64 (C, D).
        bias: b, float64 (C,).
        cost: C of the objective, the weight of the summed loss against the penalty.
        converged: whether the gradient fell as far as was asked.
        gradient: the largest entry of the gradient against that of the null model, each in coordinates
            where the Hessian is about the identity, so that the features' scale does not matter.
        objective: the mean cross-entropy with the penalty.
        iterations: of L-BFGS.
    """

    weight: np.ndarray
    bias: np.ndarray
    cost: float
    converged: bool
    gradient: float
    objective: float
    iterations: int

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Logits of rows (N, D), perhaps memory-mapped: float64 (N, C)."""
        parts = [part @ self.weight.T + self.bias for part in blocks(features, block=BLOCK)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.bias)))


@dataclass(frozen=True)
class _Coordinates:
    """Coordinates U, beta in which the Hessian of the fit at hand is about the identity.

        W = U S V^T,    b = s beta - W m,    S = (e + lambda)^(-1/2)

    with m, V, e the mean, eigenvectors and eigenvalues of the features' covariance under weights
    w_i, and s = mean(w)^(-1/2). V None stands for the identity.
    """

    middle: np.ndarray
    spectrum: np.ndarray
    basis: np.ndarray | None
    bias_scale: float

    def scale(self, decay: float) -> np.ndarray:
        """S, (D,)."""
        return 1.0 / np.sqrt(np.maximum(self.spectrum, 0.0) + decay)  # type: ignore[no-any-return]

    def unpack(self, point: np.ndarray, decay: float) -> tuple[np.ndarray, np.ndarray]:
        """Weight (C, D) and bias (C,) of a point (C D + C,)."""
        classes = len(point) // (len(self.middle) + 1)
        weight = point[:-classes].reshape(classes, -1) * self.scale(decay)
        weight = weight if self.basis is None else weight @ self.basis.T
        return weight, point[-classes:] * self.bias_scale - weight @ self.middle

    def pack(self, weight: np.ndarray, bias: np.ndarray, decay: float) -> np.ndarray:
        """The inverse of `unpack`."""
        turned = weight if self.basis is None else weight @ self.basis
        centred = bias + weight @ self.middle
        return np.append(turned / self.scale(decay), centred / self.bias_scale)

    def pull(self, slope: np.ndarray, slope_bias: np.ndarray, weight: np.ndarray, decay: float) -> np.ndarray:
        """The gradient at a point, (C D + C,), from that of the mean loss by weight and bias."""
        centred = slope - np.outer(slope_bias, self.middle) + decay * weight
        turned = centred if self.basis is None else centred @ self.basis
        return np.append(turned * self.scale(decay), slope_bias * self.bias_scale)


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
        self.features, self.labels, self.classes = features, labels, classes
        self.places = np.arange(len(features)) if places is None else places
        own = labels[self.places]
        outside = int(((own < 0) | (own >= classes)).sum())
        counts = np.bincount(own[(own >= 0) & (own < classes)], minlength=classes)
        *sizes, outside = total(torch.from_numpy(np.append(counts, outside))).tolist()
        if classes < 2 or outside or 0 in sizes:
            raise ValueError(f"each of {classes} classes (2 or more) needs a row; they have {sizes}, others {outside}")
        self.count = sum(sizes)
        shares = np.log(sizes)
        weight, bias = np.zeros((classes, features.shape[1])), shares - shares.mean()
        loss, slope, slope_bias = self.mean_loss(weight, bias)
        self.null_slope = slope, slope_bias
        self.null = Logistic(weight, bias, 0.0, True, 1.0, loss, 0)  # the classes' shares, whatever the features
        self.at_null = self.at_hand = self.coordinates(weight, bias)

    def mean_over_rows(self, of_block: Callable[[np.ndarray, np.ndarray], np.ndarray], size: int) -> np.ndarray:
        """Sums (size,) that `of_block` forms of rows (B, D) in float64 and their labels, over N; in threads."""

        def of_run(places: np.ndarray) -> np.ndarray:
            sums = np.zeros(size)
            for start, rows in zip(range(0, len(places), BLOCK), blocks(self.features, places, BLOCK), strict=True):
                sums += of_block(rows, self.labels[places[start : start + BLOCK]])
            return sums

        threads = torch.get_num_threads()
        own = sum(in_threads(of_run, np.array_split(self.places, threads)), np.zeros(size))
        return total(torch.from_numpy(own)).numpy() / self.count  # type: ignore[no-any-return]

    def mean_loss(self, weight: np.ndarray, bias: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """The mean cross-entropy over the rows of all processes, and its gradients by weight and bias."""

        def of_block(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
            logarithm = log_softmax(rows @ weight.T + bias)  # (B, C)
            own = np.arange(len(rows)), labels
            loss = -logarithm[own].sum()
            excess = np.exp(logarithm, out=logarithm)
            excess[own] -= 1.0
            return np.concatenate([(excess.T @ rows).ravel(), excess.sum(axis=0), [loss]])

        sums = self.mean_over_rows(of_block, weight.size + self.classes + 1)
        return float(sums[-1]), sums[: weight.size].reshape(weight.shape), sums[weight.size : -1]

    def coordinates(self, weight: np.ndarray, bias: np.ndarray) -> _Coordinates:
        """Those of the Hessian at W, b, averaged over classes: row i weighs w_i = (1 - sum_c p_ic^2) / (C - 1)."""
        width = weight.shape[1]
        full = width <= WIDEST

        def of_block(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
            share = np.exp(log_softmax(rows @ weight.T + bias))
            heavy = np.maximum(1.0 - np.square(share).sum(axis=1), 0.0) / (self.classes - 1)
            weighted = rows * heavy[:, None]
            second = weighted.T @ rows if full else (weighted * rows).sum(axis=0)
            return np.concatenate([second.ravel(), weighted.sum(axis=0), [heavy.sum()]])

        sums = self.mean_over_rows(of_block, (width * width if full else width) + width + 1)
        mass = max(float(sums[-1]), 1e-12)  # rows that are all certain weigh nothing
        middle, second = sums[-width - 1 : -1] / mass, sums[: -width - 1]
        if not full:
            return _Coordinates(middle, second - mass * np.square(middle), None, mass**-0.5)
        with one_core():
            spectrum, basis = np.linalg.eigh(second.reshape(width, width) - mass * np.outer(middle, middle))
        return _Coordinates(middle, spectrum, basis, mass**-0.5)

    def solve(
        self, cost: float, start: Logistic | None = None, tolerance: float = 1e-9, iterations: int = 1000
    ) -> Logistic:
        """The minimiser for one C, by rounds of L-BFGS, each in the coordinates of where the last one ended.

        Args:
            cost: C > 0.
            start: where to begin; at W = 0 and the log of the classes' shares where None.
            tolerance: how far the gradient must fall, against that of the null model. It has converged too
                where half its square, about what the objective can still fall, is lost in rounding.
            iterations: at most so many steps, rounded up to whole rounds.

        Raises:
            ValueError: C <= 0.
        """
        if not cost > 0:
            raise ValueError(f"C must be above 0, got {cost}")
        decay = 1.0 / (cost * self.count)
        unit = float(np.abs(self.at_null.pull(*self.null_slope, self.null.weight, decay)).max())
        goal, floor = tolerance * unit, (np.finfo(float).eps * self.null.objective) ** 0.5
        weight, bias = (start or self.null).weight, (start or self.null).bias
        steps, slope, moved = 0, np.inf, True
        with one_core():
            while moved and slope > goal and steps < iterations:
                if steps:
                    self.at_hand = self.coordinates(weight, bias)
                found = self._round(weight, bias, decay, goal)
                weight, bias = self.at_hand.unpack(found.x, decay)
                slope = float(np.abs(found.jac).max())
                steps, moved = steps + int(found.nit), found.nit > 0
        gradient = slope / unit if unit > 0 else 0.0
        return Logistic(weight, bias, cost, bool(slope <= max(goal, floor)), gradient, float(found.fun), steps)

    def _round(self, weight: np.ndarray, bias: np.ndarray, decay: float, goal: float) -> OptimizeResult:
        """At most `ROUND` steps of L-BFGS, until no entry of the gradient is above `goal`."""
        space = self.at_hand

        def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
            weight, bias = space.unpack(point, decay)
            loss, slope, slope_bias = self.mean_loss(weight, bias)
            return loss + decay / 2 * float(np.square(weight).sum()), space.pull(slope, slope_bias, weight, decay)

        # ftol 0: the gradient ends the search, or a loss that falls no further at all
        options = {"maxcor": 20, "maxls": 50, "maxiter": ROUND, "ftol": 0.0, "gtol": goal}
        return minimize(objective, space.pack(weight, bias, decay), method="L-BFGS-B", jac=True, options=options)


def path(
    problem: Problem,
    held_out: np.ndarray,
    held_out_labels: np.ndarray,
    costs: np.ndarray = COSTS,
    patience: int = 5,
    tolerance: float = 1e-3,
    report: Callable[[int], None] | None = None,
) -> tuple[Logistic, np.ndarray, np.ndarray]:
    """Fits for rising C, each started from the last, until held-out rows gain nothing any more.

    A value of C gains where held-out accuracy rises above, or held-out cross-entropy falls below, the
    best so far. At the strong end, where the objective is above nine tenths of the null model's, the path
    goes on regardless: W is there proportional to C, so that many values in a row give the same answers.
    Held-out rows that are all right end it at once.

    Args:
        problem: the rows to fit.
        held_out: this process's held-out rows, (M_p, D), perhaps none.
        held_out_labels: int64 (M_p,).
        costs: values of C, rising.
        patience: end after so many values in a row without a gain.
        tolerance: of each fit, see `Problem.solve`.
        report: told how many costs were tried, after each.

    Returns:
        The fit of highest held-out accuracy, of equals that of the strongest regularisation, and the
        held-out accuracies (n,) and mean cross-entropies (n,) of the first n costs, which were tried.

    Raises:
        ValueError: no held-out row over all processes.
    """
    current = chosen = problem.null
    accuracies, losses = np.empty(0), np.empty(0)
    idle = 0
    for cost in costs:
        current = problem.solve(float(cost), current, tolerance)
        accuracy, loss = judged(current, held_out, held_out_labels)
        if accuracy > accuracies.max(initial=-1.0):
            chosen = current
        gained = chosen is current or loss < losses.min(initial=np.inf)
        idle = 0 if gained or current.objective > 0.9 * problem.null.objective else idle + 1
        accuracies, losses = np.append(accuracies, accuracy), np.append(losses, loss)
        if report is not None:
            report(len(losses))
        if idle == patience or accuracy == 1.0:
            break
    log.info("C = %.3g chosen, after %d of %d values on the path", chosen.cost, len(losses), len(costs))
    return chosen, accuracies, losses


def judged(found: Logistic, rows: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Accuracy and mean cross-entropy on the rows of all processes."""
    logarithm = log_softmax(found.scores(rows))
    right = float((logarithm.argmax(axis=1) == labels).sum())
    surprise = -float(logarithm[np.arange(len(labels)), labels].sum())
    right, surprise, count = total(torch.tensor([right, surprise, len(labels)], dtype=torch.float64)).tolist()
    if count == 0:
        raise ValueError("path takes at least one held-out row, got none")
    return right / count, surprise / count
