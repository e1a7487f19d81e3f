import numpy as np
import pytest
import torch
from torch import nn

from unlabeled.training.heads import projector
from unlabeled.training.optimizers import (
    LARS,
    LEARNING_RATES,
    OPTIMIZERS,
    SCALINGS,
    OneClockAdam,
    decayed_and_not,
    default_rate,
    lars,
)


def written_out(weights, gradients, rates, adapted, decay=0.01, momentum=0.9, trust=0.001):
    """The specification's formulas, one parameter at a time, in NumPy."""
    weights = [w.copy() for w in weights]
    velocity = [np.zeros_like(w) for w in weights]
    for rate, step in zip(rates, gradients, strict=True):
        for i, (g, adapt) in enumerate(zip(step, adapted, strict=True)):
            ratio = 1.0
            if adapt:
                g = g + decay * weights[i]
                long, steep = np.sqrt((weights[i] ** 2).sum()), np.sqrt((g**2).sum())
                ratio = trust * long / steep if long > 0 and steep > 0 else 1.0
            velocity[i] = momentum * velocity[i] + rate * ratio * g
            weights[i] = weights[i] - velocity[i]
    return weights


def test_lars_is_the_specification_step_by_step() -> None:
    """Five steps with decay, a weight of norm zero, a gradient of zero, an excluded bias, and a rate that changes."""
    rng = np.random.default_rng(0)
    start = [rng.standard_normal((4, 3)), np.zeros((3, 2)), rng.standard_normal((2, 2)), rng.standard_normal(4)]
    gradients = [[rng.standard_normal(w.shape) for w in start] for _ in range(5)]
    gradients[2][2][:] = 0
    gradients[0][0][:] = 0
    rates, adapted = [0.0, 0.3, 0.6, 0.6, 0.1], [True, True, True, False]
    parameters = [nn.Parameter(torch.from_numpy(w.copy())) for w in start]
    groups = [{"params": parameters[:3]}, {"params": parameters[3:], "weight_decay": 0.0, "adapt": False}]
    optimizer = LARS(groups, lr=1.0, weight_decay=0.01)
    for count, (rate, step) in enumerate(zip(rates, gradients, strict=True), 1):
        for group in optimizer.param_groups:
            group["lr"] = rate
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        expected = written_out(start, gradients[:count], rates[:count], adapted)
        for parameter, weight in zip(parameters, expected, strict=True):
            np.testing.assert_allclose(parameter.detach().numpy(), weight, rtol=1e-12, atol=1e-15)


def test_lars_leaves_parameters_without_gradient() -> None:
    still = nn.Parameter(torch.ones(2, 2))
    LARS([still], lr=1.0, weight_decay=1.0).step()
    assert torch.equal(still, torch.ones(2, 2))


def test_lars_goes_on_from_its_state() -> None:
    def run(stop: int) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = lars(model, 0.5, 1e-3)
        for step in range(4):
            if step == stop:
                state, weights = optimizer.state_dict(), {k: v.clone() for k, v in model.state_dict().items()}
                model = nn.Linear(3, 2)
                model.load_state_dict(weights)
                optimizer = lars(model, 0.5, 1e-3)
                optimizer.load_state_dict(state)
            optimizer.zero_grad()
            model(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()
        return model.weight.detach()

    assert torch.equal(run(stop=-1), run(stop=2))


def test_biases_and_norms_are_not_decayed() -> None:
    module = projector(6, 5, 4)
    decayed, plain = decayed_and_not(module)
    assert [tuple(p.shape) for p in decayed] == [(5, 6), (4, 5)]
    assert [tuple(p.shape) for p in plain] == [(5,), (5,), (4,)]
    for make in OPTIMIZERS.values():
        for group in make(module, 0.1, 0.25).param_groups:
            assert group["weight_decay"] == (0.25 if group["params"][0].ndim > 1 else 0.0)


def test_a_plain_part_is_not_decayed() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 4))
    for make in OPTIMIZERS.values():
        decayed, plain = make(module, 0.1, 0.25, module[1]).param_groups
        assert [tuple(p.shape) for p in decayed["params"]] == [(2, 3)]
        assert [tuple(p.shape) for p in plain["params"]] == [(2,), (4, 2), (4,)]
        assert plain["weight_decay"] == 0.0 and not plain.get("adapt", False)


def momentum_written_out(
    weight: np.ndarray, gradients: list[np.ndarray], rates: list[float], decay: float
) -> np.ndarray:
    """TensorFlow's momentum with Nesterov's step, the decay part of the gradient, as the official code has it."""
    velocity = np.zeros_like(weight)
    for rate, gradient in zip(rates, gradients, strict=True):
        gradient = gradient + decay * weight
        velocity = 0.9 * velocity + gradient
        weight = weight - rate * (gradient + 0.9 * velocity)
    return weight


def adam_written_out(weight: np.ndarray, gradients: list, rates: list, decay: float) -> np.ndarray:
    """Kingma and Ba's Algorithm 1, the decay part of the gradient."""
    mean, square = np.zeros_like(weight), np.zeros_like(weight)
    for step, (rate, gradient) in enumerate(zip(rates, gradients, strict=True), 1):
        gradient = gradient + decay * weight
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        weight = weight - rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return weight


@pytest.mark.parametrize(("name", "written"), [("sgd", momentum_written_out), ("adam", adam_written_out)])
def test_momentum_and_adam_are_the_official_codes(name: str, written) -> None:
    rng = np.random.default_rng(1)
    start, gradients, rates = (
        rng.standard_normal((4, 3)),
        list(rng.standard_normal((5, 4, 3))),
        [0.0, 0.3, 0.6, 0.6, 0.1],
    )
    module = nn.Linear(3, 4, bias=False).double()
    module.weight.data = torch.from_numpy(start.copy())
    optimizer = OPTIMIZERS[name](module, 1.0, 0.01)
    for rate, gradient in zip(rates, gradients, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        module.weight.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
    np.testing.assert_allclose(module.weight.detach().numpy(), written(start, gradients, rates, 0.01), rtol=1e-12)


def test_scalings_are_the_papers() -> None:
    """Linear and sqrt agree at 4096: 0.3 x 16 = 0.075 x 64 = 4.8 (appendix B.1)."""
    assert default_rate("lars", "linear") == 0.3 and default_rate("lars", "sqrt") == pytest.approx(0.075)
    for name in OPTIMIZERS:
        found = [SCALINGS[scaling](default_rate(name, scaling), 4096) for scaling in ("linear", "sqrt")]
        assert found[0] == pytest.approx(found[1]) == pytest.approx(16 * LEARNING_RATES[name])
    assert SCALINGS["linear"](1.0, 512) == 2.0 and SCALINGS["sqrt"](1.0, 64) == 8.0


@pytest.mark.parametrize("bad", [{"lr": -1.0}, {"lr": 1.0, "momentum": 1.0}, {"lr": 1.0, "trust_coefficient": 0.0}])
def test_lars_refuses(bad) -> None:
    with pytest.raises(ValueError, match="LARS got"):
        LARS([nn.Parameter(torch.ones(1))], **bad)


def test_one_clock_adam_is_tensorflows_and_its_clock_goes_on_for_who_sits_out() -> None:
    """The update of TensorFlow 1 in NumPy; the second parameter has no gradient in some steps."""
    rng = np.random.default_rng(0)
    start = rng.standard_normal((2, 3))
    parameters = [torch.nn.Parameter(torch.from_numpy(row.copy())) for row in start]
    optimizer = OneClockAdam(parameters, lr=0.1)
    w, m, v = start.copy(), np.zeros((2, 3)), np.zeros((2, 3))
    for t in range(1, 9):
        gradients = rng.standard_normal((2, 3))
        moved = [0] if t in (3, 4, 5) else [0, 1]
        for each in range(2):
            parameters[each].grad = torch.from_numpy(gradients[each]) if each in moved else None
        optimizer.step()
        rate = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        for each in moved:
            m[each] = 0.9 * m[each] + 0.1 * gradients[each]
            v[each] = 0.999 * v[each] + 0.001 * gradients[each] ** 2
            w[each] -= rate * m[each] / (np.sqrt(v[each]) + 1e-8)
        for each in range(2):
            np.testing.assert_allclose(parameters[each].detach().numpy(), w[each], rtol=1e-10)
    again = OneClockAdam(parameters, lr=0.1)
    again.load_state_dict(optimizer.state_dict())
    assert again.param_groups[0]["clock"] == 8


def test_one_clock_adam_refuses_numbers_outside_their_range() -> None:
    for wrong in ({"lr": -1.0}, {"lr": 1.0, "betas": (1.0, 0.9)}, {"lr": 1.0, "eps": 0.0}):
        with pytest.raises(ValueError, match="OneClockAdam got"):
            OneClockAdam([torch.nn.Parameter(torch.zeros(1))], **wrong)  # type: ignore[arg-type]
