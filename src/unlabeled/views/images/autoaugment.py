"""AutoAugment, the policy learnt with labels that SimCLR's Table 1 stands beside its own."""

from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.random import Generator

Policy = Literal["imagenet", "cifar10", "svhn"]


def autoaugment(image: np.ndarray, rng: Generator, policy: Policy) -> np.ndarray:
    """One of the policy's 25 pairs of operations (Cubuk et al. 2019, by torchvision), drawn by `rng` alone.

    Args:
        image: uint8 (H, W, 3).
        rng: gives the seed of torch's generator, whose state is put back afterwards.
        policy: the data set that the policy was learnt on.

    Returns:
        uint8 (H, W, 3).
    """
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(int(rng.integers(2**63)))
    try:
        made = _transform(policy)(torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1))
    finally:
        torch.set_rng_state(before)
    pixels: np.ndarray = made.permute(1, 2, 0).contiguous().numpy()
    return pixels


@cache
def _transform(policy: Policy) -> Any:
    from torchvision.transforms import v2

    return v2.AutoAugment(v2.AutoAugmentPolicy(policy))
