"""Omniglot as CURL streams it: drawers 1 to 15 of every character to train, 16 to 20 to test."""

import shutil
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

ARCHIVES = ("images_background.zip", "images_evaluation.zip", "images_background_small1.zip")
"""The whole is the first two, 50 alphabets; the last holds five of them, and is left out where its whole is there."""
DRAWERS = 15
"""That train, of 20."""


def make(data: Path, scratch: Path) -> None:
    """Write `alphabets/{train,test}` and `characters/{train,test}` into `scratch`, a folder a class, once.

    Args:
        data: the folder of data sets; `images/omniglot` in it holds any of `ARCHIVES` as published.
        scratch: made here.

    Raises:
        FileNotFoundError: none of the archives is there.
    """
    if (scratch / "whole").exists():
        return
    folder = data / "images" / "omniglot"
    found = [folder / name for name in ARCHIVES if (folder / name).exists()]
    if not found:
        raise FileNotFoundError(f"{folder} holds none of {', '.join(ARCHIVES)}")
    for archive in found[:2] if found[0].name == ARCHIVES[0] else found:
        with ZipFile(archive) as file:
            for name in sorted(each for each in file.namelist() if each.endswith(".png")):
                for out in places(PurePosixPath(name)):
                    (scratch / out).parent.mkdir(parents=True, exist_ok=True)
                    with file.open(name) as drawn, (scratch / out).open("wb") as kept:
                        shutil.copyfileobj(drawn, kept)
    (scratch / "whole").touch()


def places(member: PurePosixPath) -> list[PurePosixPath]:
    """Where a drawing goes: `set/Alphabet/character01/0108_03.png` is of drawer 3."""
    alphabet, character, name = member.parts[-3:]
    part = "train" if int(member.stem.rpartition("_")[2]) <= DRAWERS else "test"
    alone = f"{alphabet}-{character}"
    return [
        PurePosixPath("alphabets", part, alphabet, f"{character}-{name}"),
        PurePosixPath("characters", part, alone, name),
    ]
