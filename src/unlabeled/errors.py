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
