"""`inspect` of 100,000 small photographs against the least that any look at them costs: listing and `stat`."""

import io
import os
import tempfile
from pathlib import Path

from PIL import Image

import unlabeled
from timing import interleaved, table
from unlabeled.data.photographs import photographs

FILES, FOLDERS = 100_000, 100


def make(root: Path) -> None:
    """Patches of real photographs as JPEG, a thousand in each of a hundred folders."""
    samples = photographs()[0]
    contents = []
    for place in range(len(samples)):
        stream = io.BytesIO()
        Image.fromarray(samples.read(place)).save(stream, "JPEG", quality=90)
        contents.append(stream.getvalue())
    for number in range(FOLDERS):
        (root / f"{number:02}").mkdir()
    for row in range(FILES):
        (root / f"{row % FOLDERS:02}" / f"{row // FOLDERS:04}.jpg").write_bytes(contents[row % len(contents)])


def walk_and_stat(root: str) -> int:
    """What is the least: every folder listed, every file asked for its length."""
    return sum(os.stat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(root) for name in names)  # noqa: PTH116, PTH118


def run(rounds: int = 7) -> list[str]:
    limit = "limit: os.walk and os.stat"
    with tempfile.TemporaryDirectory() as name:
        make(Path(name))
        found = unlabeled.inspect(name)
        assert (found.samples, found.classes, found.skipped) == (FILES, FOLDERS, [])
        seconds = interleaved(
            {
                limit: lambda: walk_and_stat(name),
                "`inspect`: every header and end read": lambda: unlabeled.inspect(name),
            },
            rounds,
        )
    lines = table(f"{FILES:,} JPEG files of 32 pixels in {FOLDERS} folders", seconds, limit, FILES, "files")
    return ["## Looking at a folder", "", "Limit: listing and `stat`; at most 2.00 times that.", "", *lines]


if __name__ == "__main__":
    print("\n".join(run()))
