"""Chance as a function of place: the same seed and place give the same draws, whoever asks and when.

No generator lives longer than the place it was made for, so the number of workers, the number of
processes and a kill at any moment change nothing.
"""

import numpy as np
import torch

ORDER, VIEWS, MODEL, INITIALISATION, SPLIT, PASS = range(6)
"""What a draw is for: the first number of every place, so that two uses never share draws."""


def generator(seed: int, use: int, *place: int) -> np.random.Generator:
    """The generator of one place.

    Args:
        seed: of the run, at least 0.
        use: `ORDER`, `VIEWS`, `MODEL`, `INITIALISATION`, `SPLIT` or `PASS`.
        place: any whole numbers of at least 0, for example (epoch, sample, view).

    Returns:
        A fresh generator, independent of those of all other places.
    """
    return np.random.Generator(np.random.PCG64(_sequence(seed, use, *place)))


def torch_generator(seed: int, use: int, *place: int) -> "torch.Generator":
    """The same for torch's own draws, on the CPU, so that every device and process draws alike."""
    state = _sequence(seed, use, *place).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) & (2**63 - 1))


def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of one epoch: a permutation of `count` places, int64 (count,)."""
    return generator(seed, ORDER, epoch).permutation(count)


def seed_torch(seed: int, use: int, *place: int) -> None:
    """Set torch's own generators (all devices) for one place: dropout of a step, the initialisation of a network."""
    state = _sequence(seed, use, *place).generate_state(1, np.uint64)[0]
    torch.manual_seed(int(state) & (2**63 - 1))


def _sequence(seed: int, *place: int) -> np.random.SeedSequence:
    # a spawn key, and not more entropy: entropy of (1,) and of (1, 0) is the same
    return np.random.SeedSequence(seed, spawn_key=place)
