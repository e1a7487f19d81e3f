"""Optimisers and which parameters they decay; every one has the same signature, so a method may offer them all."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

OptimizerName = Literal["lars", "sgd", "adam", "adamw"]


def _loss_of(closure: Callable[[], float] | None) -> float | None:
    """What a step is given to compute the loss anew, with gradients, if it is given anything."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


class OneClockAdam(torch.optim.Optimizer):
    """Adam with one step counter for all parameters, moved at every step or not, as TensorFlow 1 has it.

        t <- t + 1;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
        w <- w - l sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt v + e)

    `torch.optim.Adam` counts for each parameter, so that one which sits out some steps starts its corrections later. A
    parameter without a gradient stays, and so do its moments.

    Args:
        params: parameters or groups.
        lr: l, at least 0.
        betas: b1 and b2, within [0, 1).
        eps: e, above 0.

    Raises:
        ValueError: a number outside its range.
    """

    def __init__(
        self, params: Iterable[Any], lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        if lr < 0 or not all(0 <= beta < 1 for beta in betas) or eps <= 0:
            raise ValueError(f"OneClockAdam got lr {lr}, betas {betas}, eps {eps}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "clock": 0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update; returns the closure's loss if one is given."""
        loss = _loss_of(closure)
        for group in self.param_groups:
            group["clock"] += 1
            moved = [p for p in group["params"] if p.grad is not None]
            if moved:
                self._move(moved, group)
        return loss

    def _move(self, moved: list[Tensor], group: dict[str, Any]) -> None:
        (first, second), clock = group["betas"], group["clock"]
        for each in moved:
            if not self.state[each]:
                self.state[each].update(mean=torch.zeros_like(each), square=torch.zeros_like(each))
        gradients = [each.grad for each in moved if each.grad is not None]
        means, squares = ([self.state[each][name] for each in moved] for name in ("mean", "square"))
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        below = torch._foreach_sqrt(squares)
        torch._foreach_add_(below, group["eps"])
        rate = group["lr"] * math.sqrt(1 - second**clock) / (1 - first**clock)
        torch._foreach_addcdiv_(moved, means, below, -rate)


class LARS(torch.optim.Optimizer):
    """Layer-wise adaptive rates as SimCLR's official code has them (`lars_optimizer.py`).

    For each parameter w with gradient g, rate l, decay d, trust coefficient c and momentum m:

        g <- g + d w;   r = c |w| / |g|  if both norms are above 0, else 1      (adapted groups)
        r = 1 and no decay                                                      (groups with adapt=False)
        v <- m v + (l r) g;   w <- w - v

    The rate enters the momentum buffer, so after a change of rate old steps keep theirs (unlike
    `torch.optim.SGD`). No epsilon is added and there is no Nesterov step.

    Args:
        params: parameters or groups; a group may set `weight_decay` and `adapt`.
        lr: l, at least 0.
        momentum: m, 0 to 1.
        weight_decay: d, at least 0.
        trust_coefficient: c, above 0.
        adapt: whether a group gets a trust ratio and decay.

    Raises:
        ValueError: a number outside its range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 0.001,
        adapt: bool = True,
    ) -> None:
        if lr < 0 or not 0 <= momentum < 1 or weight_decay < 0 or trust_coefficient <= 0:
            raise ValueError(f"LARS got lr {lr}, momentum {momentum}, decay {weight_decay}, trust {trust_coefficient}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "trust_coefficient": trust_coefficient,
            "adapt": adapt,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update; returns the closure's loss if one is given."""
        loss = _loss_of(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)
        return loss

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        rate: Tensor | float = group["lr"]
        if group["adapt"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
            # vector_norm in float64: on a CPU a float32 norm of millions of numbers loses digits
            norm = torch.linalg.vector_norm(parameter, dtype=torch.float64)
            gradient_norm = torch.linalg.vector_norm(gradient, dtype=torch.float64)
            ratio = group["trust_coefficient"] * norm / gradient_norm
            ratio = torch.where((norm > 0) & (gradient_norm > 0), ratio, torch.ones_like(ratio))
            rate = (ratio * rate).to(parameter.dtype)  # stays on the device: no synchronisation a parameter
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        velocity = state["momentum"]
        velocity.mul_(group["momentum"]).add_(gradient * rate)
        parameter.sub_(velocity)


def decayed_and_not(module: nn.Module, plain: nn.Module | None = None) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trainable parameters that are decayed, and those that are not.

    Args:
        module: whose parameters they are.
        plain: a part of it that is not decayed at all, such as a classifier beside the method.

    Returns:
        The parameters of two dimensions and more, but for those of `plain`; and the others: biases and norms.
    """
    apart = set(plain.parameters()) if plain is not None else set()
    decayed = [p for p in module.parameters() if p.requires_grad and p.ndim > 1 and p not in apart]
    return decayed, [p for p in module.parameters() if p.requires_grad and (p.ndim <= 1 or p in apart)]


def lars(
    module: nn.Module, learning_rate: float, weight_decay: float, plain: nn.Module | None = None
) -> torch.optim.Optimizer:
    """LARS, momentum 0.9; biases, norms and `plain` are neither decayed nor adapted (SimCLR's official code)."""
    decayed, others = decayed_and_not(module, plain)
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0, "adapt": False}]
    return LARS(groups, lr=learning_rate, weight_decay=weight_decay)


def sgd(
    module: nn.Module, learning_rate: float, weight_decay: float, plain: nn.Module | None = None
) -> torch.optim.Optimizer:
    """SGD, Nesterov momentum 0.9 (`momentum` of SimCLR's official code); biases, norms and `plain` are not decayed."""
    return torch.optim.SGD(_groups(module, weight_decay, plain), lr=learning_rate, momentum=0.9, nesterov=True)


def plain_sgd(module: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """SGD, momentum 0.9 without Nesterov's step; every parameter is decayed (SeLa, official code)."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    return torch.optim.SGD(trainable, lr=learning_rate, momentum=0.9, weight_decay=weight_decay)


def adam(
    module: nn.Module, learning_rate: float, weight_decay: float, plain: nn.Module | None = None
) -> torch.optim.Optimizer:
    """Adam, betas 0.9 and 0.999, the decay part of the gradient (SimCLR's official code); not on biases and norms."""
    return torch.optim.Adam(_groups(module, weight_decay, plain), lr=learning_rate)


def adamw(
    module: nn.Module, learning_rate: float, weight_decay: float, plain: nn.Module | None = None
) -> torch.optim.Optimizer:
    """AdamW, betas 0.9 and 0.999; biases, norms and `plain` are not decayed."""
    return torch.optim.AdamW(_groups(module, weight_decay, plain), lr=learning_rate)


def _groups(module: nn.Module, weight_decay: float, plain: nn.Module | None) -> list[dict[str, Any]]:
    decayed, others = decayed_and_not(module, plain)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "lars": lars,
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
}
"""(module, learning rate, weight decay, part that is not decayed or None) -> optimiser."""

LEARNING_RATES: dict[str, float] = {"lars": 0.3, "sgd": 0.03, "adam": 1e-3, "adamw": 1e-3}
"""Each optimiser's learning rate for a batch of 256: LARS as the paper has it, the others our own choice."""

ScalingName = Literal["linear", "sqrt"]

SCALINGS: dict[str, Callable[[float, int], float]] = {
    "linear": lambda rate, batch_size: rate * batch_size / 256,
    "sqrt": lambda rate, batch_size: rate * math.sqrt(batch_size),
}
"""(learning rate, batch over all processes) -> learning rate at the top of the schedule (SimCLR, appendix B.1)."""


def default_rate(optimizer: OptimizerName, scaling: ScalingName) -> float:
    """The learning rate before scaling where none is given; as the paper's, all scalings agree at a batch of 4096."""
    return LEARNING_RATES[optimizer] * (SCALINGS["linear"](1.0, 4096) / SCALINGS[scaling](1.0, 4096))
