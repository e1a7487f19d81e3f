import numpy as np
import torch
from scipy.special import softmax

from unlabeled.objectives import balanced_assignment


def official(logits: np.ndarray, strength: float, loops: int = 4000) -> np.ndarray:
    """The paper's own loop on the powered softmax in float64; N Q, (N, K)."""
    power = softmax(logits.astype(np.float64), axis=1).T ** strength  # (K, N)
    clusters, samples = power.shape
    c = np.full(samples, 1 / samples)
    for _ in range(loops):
        r = (1 / clusters) / (power @ c)
        c = (1 / samples) / (r @ power)
    return (r[:, None] * power * c).T * samples


def test_is_the_official_loop() -> None:
    logits = np.random.default_rng(0).standard_normal((60, 5))
    found = balanced_assignment(torch.from_numpy(logits), 5.0, tolerance=1e-12)
    expected = official(logits, 5.0)
    np.testing.assert_allclose(softmax(5 * logits + found.bias.numpy(), axis=1), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.labels.numpy(), expected.argmax(1))
