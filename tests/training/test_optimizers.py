import numpy as np
import pytest
import torch
from torch import nn

from unlabeled.training.heads import projector
from unlabeled.training.optimizers import LARS, OPTIMIZERS, decayed_and_not, lars


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


@pytest.mark.parametrize("bad", [{"lr": -1.0}, {"lr": 1.0, "momentum": 1.0}, {"lr": 1.0, "trust_coefficient": 0.0}])
def test_lars_refuses(bad) -> None:
    with pytest.raises(ValueError, match="LARS got"):
        LARS([nn.Parameter(torch.ones(1))], **bad)
