"""Protocols of `unlabeled evaluate` that fit by SGD: `linear-sgd` on the frozen encoder, `finetune` of all of it."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

from unlabeled.commands.labelled import Evaluated, Labelled, Opened, PathText, kept

if TYPE_CHECKING:
    from torch import nn

    from unlabeled.commands.load import Encoder
    from unlabeled.evaluation.extraction import Encode
    from unlabeled.evaluation.features import Features
    from unlabeled.evaluation.finetune import Pool


def linear_sgd(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    learning_rate: tuple[float, ...] = (0.1,),
    epochs: int = 90,
    batch_size: int = 256,
    weight_decay: float = 0.0,
    drops: tuple[int, ...] = (),
    max_steps: int | None = None,
    workers: int = 2,
    layer: int = 0,
    seed: int = 0,
) -> Evaluated:
    """Fit a linear classifier by SGD on cropped and flipped views of the frozen encoder: the published protocol.

    The encoder stays as it is, to the bit. The classifier of the last step is tested, never the best on test samples.

    Examples:
      unlabeled evaluate linear-sgd runs/photos --data train/ --test test/
      unlabeled evaluate linear-sgd runs/photos --learning-rate 0.01 0.1 1 --epochs 10

    Args:
        run: the run's folder.
        data: labelled samples (class = first sub-folder); by default the run's own data.
        test: labelled samples to test on; by default a fifth of the data, split by the seed.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        learning_rate: for a batch of 256, each above 0; of several, fitted in one pass, a tenth of the training samples
            chooses.
        epochs: at least 1.
        batch_size: over all processes, at least 1; the learning rate grows with it.
        weight_decay: not on biases, at least 0.
        drops: epochs after which the learning rate is a tenth of what it was; without any it falls by a cosine to 0.
        max_steps: at most so many steps, for a quick look.
        workers: processes that make views, at least 0; the result does not depend on it.
        layer: 0 for the encoder's output, k for that of the k-th layer of its projector, -1 for the projector's last.
        seed: of the split, the views, their order and the validation samples.
    """
    from unlabeled.evaluation.fitting import Recipe, check_learning_rates
    from unlabeled.evaluation.linear_sgd import linear_sgd as protocol
    from unlabeled.evaluation.raw import RawViews, raw_features

    recipe = Recipe(epochs, batch_size, weight_decay, drops, max_steps, seed, workers)
    check_learning_rates(learning_rate)
    opened = _in_batches("linear-sgd", Labelled(run, data, test, labels, test_labels, seed, layer).opened())
    modality = opened.trained.modality
    views = modality.fitted(opened.trained.size)
    raw = RawViews(views, opened.trained.raw)
    ways = {
        "trained": (_network(opened.trained)[1], views, opened.trained.features),
        "random_encoder": (_network(opened.random)[1], views, opened.random.features),
        "raw_input": (lambda rows: rows, raw, lambda samples: raw_features(samples, opened.trained.raw)),
    }
    results = {}
    for which, (encode, seen, features_of) in ways.items():
        pair = opened.pair(features_of, seed)
        results[which] = protocol(encode, opened.samples, seen, *pair, recipe, learning_rate)
    return kept(opened.folder, "linear-sgd", "accuracy", results, seed, opened.split, opened)


def finetune(
    run: PathText,
    *,
    data: Any = None,
    test: Any = None,
    labels: PathText | None = None,
    test_labels: PathText | None = None,
    share: tuple[float, ...] = (0.01, 0.1, 1.0),
    draws: int = 3,
    learning_rate: tuple[float, ...] = (0.05,),
    epochs: int | None = None,
    batch_size: int = 256,
    max_steps: int | None = None,
    workers: int = 2,
    layer: int = 0,
    seed: int = 0,
) -> Evaluated:
    """Fine-tune everything on a share of the labels, beside the frozen encoder and training from scratch on the same.

    Figures that are finished are kept with the run, so a call that was stopped goes on where it was.

    Examples:
      unlabeled evaluate finetune runs/photos --data train/ --test test/ --share 0.01 0.1
      unlabeled evaluate finetune runs/photos --share 0.1 --learning-rate 0.02 0.05 0.2

    Args:
        run: the run's folder.
        data: labelled samples (class = first sub-folder); by default the run's own data.
        test: labelled samples to test on; by default a fifth of the data, split by the seed.
        labels: a CSV with columns path,label for the data.
        test_labels: the same for the test samples.
        share: of the training samples, each above 0 and at most 1, drawn from all classes alike, at least one of each.
        draws: of each share, at least 1; all samples are drawn once.
        learning_rate: for a batch of 256, each above 0; of several, a fifth of the draws chooses for each share and
            for each of trained and from scratch.
        epochs: at least 1; by default 60 for shares below 5 %, else 30.
        batch_size: over all processes, at least 1, or all samples of a draw; the learning rate grows with it.
        max_steps: at most so many steps of each fit, for a quick look.
        workers: processes that make views, at least 0; the result does not depend on it.
        layer: where the classifier is put: 0 on the encoder's output, k on the k-th layer of its projector, -1 on the
            projector's last; the layers below it are fine-tuned too.
        seed: of the split and of the draws.
    """
    from unlabeled.evaluation.finetune import Start, Study
    from unlabeled.evaluation.fitting import Recipe
    from unlabeled.evaluation.raw import raw_features

    def recipe(share: float) -> Recipe:
        whole = (60 if share < 0.05 else 30) if epochs is None else epochs
        return Recipe(whole, batch_size, max_steps=max_steps, workers=workers)

    opened = _in_batches("finetune", Labelled(run, data, test, labels, test_labels, seed, layer).opened())
    ways: dict[str, Callable[[Any], Features]] = {
        "frozen": opened.trained.features,
        "random_encoder": opened.random.features,
        "raw_input": partial(raw_features, raw=opened.trained.raw),
    }
    pairs = {which: opened.pair(features_of, seed) for which, features_of in ways.items()}
    pool = _pool(opened, *pairs["frozen"])
    study = Study(pool, share, draws, learning_rate, recipe, opened.folder.path / "evaluations" / "finetune", seed)
    width = pairs["frozen"][0].embeddings.shape[1]
    starts = {"trained": opened.trained, "from_scratch": opened.random}
    results = {
        which: study.tuned(Start(which, width, partial(_network, encoder, copied=True)))
        for which, encoder in starts.items()
    }
    results |= {which: study.frozen(*pair) for which, pair in pairs.items()}
    return kept(opened.folder, "finetune", "accuracy", results, seed, opened.split, opened)


def _in_batches(protocol: str, opened: Opened) -> Opened:
    """The same, where samples can be looked at a batch at a time.

    Raises:
        UserError: the encoder sees all samples at once.
    """
    from unlabeled.errors import UserError

    if opened.trained.modality.whole is not None:
        raise UserError(
            f"{protocol} learns from batches of samples, and the encoder of {opened.folder.path} sees all nodes at "
            "once; use knn, linear or clustering."
        )
    return opened


def _pool(opened: Opened, train: "Features", test: "Features") -> "Pool":
    """The labelled samples that can be read."""
    from unlabeled.evaluation.finetune import Pool
    from unlabeled.evaluation.split import labelled_pair

    numbers, test_numbers, classes = labelled_pair(train, test, "finetune", apart=True)
    encoder = opened.trained
    return Pool(
        samples=opened.samples.subset(train.ids),
        labels=numbers,
        tested=(opened.samples if opened.tested is None else opened.tested).subset(test.ids),
        test_labels=test_numbers,
        classes=classes,
        fitted=encoder.modality.fitted(encoder.size),
        plain=encoder.view,
        size=encoder.size,
    )


def _network(encoder: "Encoder", copied: bool = False) -> "tuple[nn.Module, Encode]":
    """An encoder's network, or a copy of it to be trained, and what it and the layers above make of a batch."""
    from torch import nn

    from unlabeled.evaluation.extraction import encode_with

    module, head = (deepcopy(encoder.module), deepcopy(encoder.head)) if copied else (encoder.module, encoder.head)
    represent = getattr(module, "represent") if encoder.description["represents"] else None  # noqa: B009
    encode, project = encode_with(module, represent), encode_with(head)
    return nn.ModuleList([module, head]) if len(head) else module, lambda batch: project(encode(batch))
