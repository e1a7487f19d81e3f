"""One training at a time in the folder of a run."""

from pathlib import Path

from unlabeled.errors import UserError

try:
    import fcntl
except ImportError:  # Windows: its folders are not guarded
    fcntl = None  # type: ignore[assignment]


class Claim:
    """The folder of a run, held until `release` or the end of this process, whatever ends it.

    The lock is POSIX's on a record: workers do not inherit it, which outlive a killed process by some seconds.

    Args:
        folder: of the run.

    Raises:
        UserError: another process trains there.
    """

    def __init__(self, folder: Path) -> None:
        self._file = (folder / ".claimed").open("w")
        if fcntl is None:
            return
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise UserError(f"another process trains in {folder}; wait for its end, or give another --out.") from None
        except OSError:  # a file system without locks
            return

    def release(self) -> None:
        """Let others train there."""
        self._file.close()
