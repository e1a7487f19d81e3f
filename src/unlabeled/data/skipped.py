"""What a data set leaves out, and why."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Skipped:
    """One file that the data set does not hold.

    Args:
        path: the file's path relative to the data's root, with forward slashes.
        reason: why, in a few plain words.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        """One line whatever the path holds: control characters and broken Unicode are written as escapes."""
        shown = self.path if self.path.isprintable() else repr(self.path)[1:-1]
        return f"{shown}: {self.reason}"
