"""`--compile`: an encoder's forward and backward pass as kernels made for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from unlabeled.errors import UserError


def compile_in_place(encoder: nn.Module) -> None:
    """Let torch.compile make an encoder's kernels at its first call; its class and the names of its weights stay.

    Chance is drawn as without (`fallback_random`), so that the results differ by rounding alone.
    """
    encoder.compile(options={"fallback_random": True})


@contextmanager
def compiler_told() -> Iterator[None]:
    """Raise what a compiler could not do inside as the user's matter.

    Raises:
        UserError: there is no compiler, or it failed.
    """
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as problem:
        reason = next((line.strip() for line in str(problem).splitlines() if line.strip()), type(problem).__name__)
        raise UserError(
            f"--compile cannot be had here ({reason.rstrip('.')}); install a C++ compiler (such as g++) that torch "
            "finds, or leave out --compile."
        ) from None
