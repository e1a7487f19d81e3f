"""The samples that a verb works on: the run's own, or what the user gave, opened alike."""

from os import PathLike
from typing import TYPE_CHECKING, Any

from unlabeled.errors import UserError
from unlabeled.modalities import modality, opening
from unlabeled.run import Run
from unlabeled.training.building import labelled_sample
from unlabeled.training.settings import MEMORY, Settings

if TYPE_CHECKING:
    from unlabeled.commands.load import Encoder


def opening_of(folder: Run) -> dict[str, Any]:
    """The arguments that a run's data was opened with."""
    return opening(modality(folder.description()["modality"]), Settings.of(folder.config()).arguments)[0]


def data_of(folder: Run, data: Any = None, labels: str | PathLike[str] | None = None) -> tuple[Any, Any]:
    """The samples that a verb works on, and test samples where they come with them.

    Args:
        folder: the run.
        data: what the user gave, or None for the run's own data; the built-in sample brings its own test samples.
        labels: a file of labels, or None for those the run was given.

    Raises:
        UserError: the data cannot be opened, or the run was trained on data in memory and none is given; or labels
            are given for the built-in sample.
    """
    config, kind, options = folder.config(), modality(folder.description()["modality"]), opening_of(folder)
    if data is not None:
        return kind.open(data, labels, **options), None
    if config["data"] == MEMORY:
        raise UserError(f"{folder.path} was trained on data in memory; say which data to use.")
    labels = labels or config["labels"]
    if config["data"] is None and not options:
        return (labelled_sample(kind, labels), None) if labels is not None else kind.sample()
    return kind.open(config["data"], labels, **options), None


def tested_of(encoder: "Encoder", test: Any, test_labels: str | PathLike[str] | None, otherwise: Any) -> Any:
    """The samples to test on that the user gave; else others.

    Args:
        encoder: whose samples they are to be.
        test: what the user gave, or None.
        test_labels: a file of their labels, or None.
        otherwise: what there is without.

    Raises:
        UserError: they cannot be opened, or there are labels and no samples.
    """
    if test is None and test_labels is not None:
        raise UserError("--test-labels are the labels of --test; give both, or leave them out.")
    return otherwise if test is None else encoder.opened(test, test_labels)
