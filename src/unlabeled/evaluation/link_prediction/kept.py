"""Finished steps on disk, so that an evaluation that was stopped goes on where it was."""

import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.evaluation.link_prediction.step import Answer
from unlabeled.training.checkpoints import write_atomically


def kept_or_made(file: Path, make: Callable[[], dict[str, Answer]]) -> dict[str, Answer]:
    """The answers in `file`, or those that `make` gives, which are written there.

    Args:
        file: an .npz, in a folder that is made.
        make: called where the file is absent or damaged.
    """
    found = _read(file)
    if found is None:
        found = make()
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, lambda beside: _write(beside, found))
    return found


def _write(path: Path, answers: dict[str, Answer]) -> None:
    arrays: dict[str, np.ndarray] = {}
    told: dict[str, Any] = {}
    for number, (name, answer) in enumerate(answers.items()):
        told[name] = {"epoch": answer.epoch, "validation": answer.validation, "scores": list(answer.scores)}
        told[name] |= {"learnt": answer.learnt, "ranked": list(answer.ranks)}
        arrays[f"{number} linked"] = np.stack(answer.linked)
        for way, scores in answer.scores.items():
            arrays[f"{number} {way}"] = np.stack(scores)
        for way, ranks in answer.ranks.items():
            arrays[f"{number} ranks {way}"] = ranks
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, told=np.array(json.dumps(told)), **arrays)


def _read(path: Path) -> dict[str, Answer] | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            told = json.loads(str(file["told"]))
            return {
                name: Answer(
                    {way: list(file[f"{number} {way}"]) for way in each["scores"]},
                    list(file[f"{number} linked"]),
                    each["epoch"],
                    each["validation"],
                    each["learnt"],
                    {way: file[f"{number} ranks {way}"] for way in each["ranked"]},
                )
                for number, (name, each) in enumerate(told.items())
            }
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        return None
