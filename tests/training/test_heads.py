import pytest
import torch
from torch import Tensor, nn

from unlabeled.training.heads import perceptron, projector


def norm(x: Tensor) -> Tensor:
    return (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()


def test_projector_has_the_papers_parameters() -> None:
    """D^2 + 2D + D d + d: batch norm with scale and shift between, with scale alone at the end."""
    width, output = 24, 7
    head = projector(width, width, output)
    assert sum(p.numel() for p in head.parameters()) == width**2 + 2 * width + width * output + output
    assert set(dict(head.named_parameters())) == {"0.0.weight", "0.1.weight", "0.1.bias", "1.0.weight", "1.1.weight"}


@pytest.mark.parametrize(
    ("layers", "parameters"),
    [(0, 0), (1, 6 * 4 + 4), (2, 6 * 5 + 10 + 5 * 4 + 4), (3, 6 * 5 + 10 + 5 * 5 + 10 + 5 * 4 + 4)],
)
def test_children_are_the_layers(layers: int, parameters: int) -> None:
    """Each a linear map and its norm, all but the last with a ReLU; no head is the identity."""
    head = projector(6, 5, 4, layers)
    assert sum(p.numel() for p in head.parameters()) == parameters
    kinds = [[type(part).__name__ for part in child] for child in head]
    between, last = ["Linear", "BatchNorm1d", "ReLU"], ["Linear", "BatchNormWithoutShift"]
    assert kinds == ([between] * (layers - 1) + [last] if layers else [])


def test_no_head_is_the_identity() -> None:
    rows = torch.randn(3, 6)
    assert projector(6, 5, 4, layers=0)(rows) is rows


def test_projector_starts_as_the_official_code() -> None:
    torch.manual_seed(0)
    head = projector(256, 256, 128, layers=3)
    kernels = [module.weight for module in head.modules() if isinstance(module, nn.Linear)]
    assert len(kernels) == 3
    for kernel in kernels:
        assert abs(kernel.std().item() - 0.01) < 1e-3
    assert torch.equal(head[2][1].weight, torch.ones(128))


def test_projector_is_the_written_out_product() -> None:
    torch.manual_seed(1)
    head, rows = projector(5, 6, 3).double(), torch.randn(8, 5, dtype=torch.float64)
    hidden = norm(rows @ head[0][0].weight.T).relu()
    torch.testing.assert_close(head(rows), norm(hidden @ head[1][0].weight.T))
    linear = projector(5, 6, 3, layers=1).double()
    torch.testing.assert_close(linear(rows), norm(rows @ linear[0][0].weight.T))


@pytest.mark.parametrize("bad", [(5, 6, 3, -1), (5, 0, 3, 2), (5, 6, 0, 2)])
def test_refuses(bad: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="a head takes"):
        projector(*bad)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_a_head_without_norms_is_the_written_out_product(layers: int) -> None:
    """Its children are the layers; each row, of any shape around it, goes through it alone."""
    torch.manual_seed(0)
    head, rows = perceptron(5, layers).double(), torch.randn(2, 3, 5, dtype=torch.float64)
    assert len(head) == layers
    expected = rows
    linear = [module for module in head.modules() if isinstance(module, nn.Linear)]
    for number, layer in enumerate(linear):
        expected = expected @ layer.weight.T + layer.bias
        expected = expected if number == layers - 1 else expected.clamp(min=0)
    torch.testing.assert_close(head(rows), expected)
    torch.testing.assert_close(head(rows[:1, 2:]), expected[:1, 2:])


@pytest.mark.parametrize("bad", [(5, -1), (0, 2)])
def test_refuses_a_head_of_nothing(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="a head takes"):
        perceptron(*bad)
