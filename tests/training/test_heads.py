import torch

from unlabeled.training.heads import projector


def test_projector_has_the_papers_parameters() -> None:
    """D^2 + 2D + D d + d: batch norm with scale and shift between, with scale alone at the end."""
    width, output = 24, 7
    head = projector(width, width, output)
    assert sum(p.numel() for p in head.parameters()) == width**2 + 2 * width + width * output + output
    assert set(dict(head.named_parameters())) == {"0.weight", "1.weight", "1.bias", "3.weight", "4.weight"}


def test_projector_starts_as_the_official_code() -> None:
    torch.manual_seed(0)
    head = projector(256, 256, 128)
    assert abs(head[0].weight.std().item() - 0.01) < 1e-3
    assert torch.equal(head[4].weight, torch.ones(128))


def test_projector_is_the_written_out_product() -> None:
    torch.manual_seed(1)
    head, rows = projector(5, 6, 3).double(), torch.randn(8, 5, dtype=torch.float64)

    def norm(x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()

    hidden = norm(rows @ head[0].weight.T).relu()
    torch.testing.assert_close(head(rows), norm(hidden @ head[3].weight.T))
