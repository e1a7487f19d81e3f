"""The two ways in which the user's world can disappoint us, each told in one sentence."""


class UserError(Exception):
    """The user asked for something that cannot be done.

    The message is one sentence: what is wrong, where, and what to do. The command prints it without a
    traceback and exits with code 2.
    """


class Unreadable(Exception):
    """One sample of the data cannot be read; the others can.

    Args:
        path: the sample's name, as its data set gives it.
        reason: why, in a few words.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason


def in_range(**numbers: tuple[float, float]) -> None:
    """Refuse a number below its least.

    Args:
        numbers: by the flag's name, the number and the least that it may be.

    Raises:
        UserError: the first that is below, or is no number.
    """
    for name, (value, least) in numbers.items():
        if not value >= least:
            raise UserError(f"--{name.replace('_', '-')} takes numbers of at least {least}, got {value}.")
