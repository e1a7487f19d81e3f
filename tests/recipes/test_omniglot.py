"""Drawings by drawer and by class, from archives as they are published."""

import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "recipes"))
import omniglot

ALPHABETS = {"Greek": 2, "Latin": 1}


def archive(path: Path, alphabets: dict[str, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w") as file:
        for alphabet, characters in alphabets.items():
            for character in range(1, characters + 1):
                for drawer in range(1, 21):
                    name = f"{path.stem}/{alphabet}/character{character:02}/{character:04}_{drawer:02}.png"
                    file.writestr(name, f"{alphabet} {character} {drawer}")


def test_five_drawers_of_every_character_are_kept_for_the_test(tmp_path: Path) -> None:
    archive(tmp_path / "images" / "omniglot" / "images_background_small1.zip", ALPHABETS)
    omniglot.make(tmp_path, tmp_path / "out")
    for stream, classes in {"alphabets": {"Greek": 2, "Latin": 1}, "characters": {"Greek-character01": 1}}.items():
        for part, drawers in {"train": range(1, 16), "test": range(16, 21)}.items():
            for name, characters in classes.items():
                drawings = sorted((tmp_path / "out" / stream / part / name).iterdir())
                assert len(drawings) == characters * len(drawers)
                seen = {int(each.read_text(encoding="utf-8").split()[2]) for each in drawings}
                assert seen == set(drawers)
    assert len([*(tmp_path / "out" / "characters" / "train").iterdir()]) == 3


def test_the_whole_stands_for_its_part(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "omniglot"
    archive(folder / "images_background.zip", {"Greek": 2})
    archive(folder / "images_evaluation.zip", {"Latin": 1})
    archive(folder / "images_background_small1.zip", {"Hebrew": 1})
    omniglot.make(tmp_path, tmp_path / "out")
    assert {each.name for each in (tmp_path / "out" / "alphabets" / "train").iterdir()} == {"Greek", "Latin"}


def test_no_archive_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds none of"):
        omniglot.make(tmp_path, tmp_path / "out")
