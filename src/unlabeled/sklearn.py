"""The door for scikit-learn: an encoder as a transformer, from pictures to rows of numbers.

from unlabeled.sklearn import Encoder

make_pipeline(Encoder(run="runs/photos"), LogisticRegression()).fit(paths, labels)
make_pipeline(Encoder(method="simclr", epochs=20, temperature=0.2), LogisticRegression()).fit(pictures, labels)
"""

import io
import os
from contextlib import AbstractContextManager, nullcontext, redirect_stderr
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError

from unlabeled.errors import UserError

if TYPE_CHECKING:
    from unlabeled.commands.load import Encoder as Loaded
    from unlabeled.commands.pretrain import Pretrained

PathText = str | PathLike[str]


class Encoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Pictures to representations, by an encoder that is trained already or that `fit` trains without labels.

    X is whatever holds N pictures: an array uint8 (N, H, W) or (N, H, W, 3), the same as floats in [0, 1], a list of
    paths, or in `fit` also a folder. Pictures may have any size, in `transform` another than in `fit`: so there is
    no `n_features_in_`.

    With `run` nothing is trained: `fit` takes the run's weights, and `transform` works without `fit` too. Otherwise
    `fit` pretrains on X; y is never looked at. A fitted estimator carries its weights as the bytes of a safetensors
    file, so that its pickle needs no folder.

    Args:
        run: a run's folder, or a file that `unlabeled export --format safetensors` wrote; None trains.
        method: what trains, a name that `unlabeled methods` lists.
        out: the folder to keep the run in, a new one for each `fit`; None keeps nothing but the weights.
        epochs: passes over X.
        max_steps: train for this many steps and no more.
        batch_size: pictures a step, at most as many as X has.
        image_size: side of the views in pixels; None chooses by the pictures.
        encoder: the network's name; None chooses by the size of the views.
        init: a run or a .safetensors file whose weights the encoder starts from.
        seed: of everything drawn by chance.
        precision: of the arithmetic.
        workers: processes that make views; 0 makes them here. The result does not depend on it.
        views: arguments of the method's view preset, a dict.
        network: arguments of the encoder, a dict.
        verbose: show what training and embedding show.
        arguments: the method's own, such as `temperature`: each a parameter of its own name, in grids too.

    Attributes:
        weights_: the encoder, bytes.
        pretrained_: what `unlabeled.pretrain` said, its loss and health among it; None where nothing was trained.
    """

    _cached: "tuple[object, Loaded] | None" = None  # where the encoder was made from, and the encoder

    def __init__(
        self,
        run: PathText | None = None,
        *,
        method: str = "simclr",
        out: PathText | None = None,
        epochs: int = 100,
        max_steps: int | None = None,
        batch_size: int = 256,
        image_size: int | None = None,
        encoder: str | None = None,
        init: PathText | None = None,
        seed: int = 0,
        precision: str = "32-true",
        workers: int = 0,
        views: dict[str, Any] | None = None,
        network: dict[str, Any] | None = None,
        verbose: bool = False,
        **arguments: Any,
    ) -> None:
        self.run, self.method, self.out = run, method, out
        self.epochs, self.max_steps, self.batch_size = epochs, max_steps, batch_size
        self.image_size, self.encoder, self.init = image_size, encoder, init
        self.seed, self.precision, self.workers = seed, precision, workers
        self.views, self.network, self.verbose = views, network, verbose
        self._arguments = arguments

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All parameters by name; of the method's own those that were given."""
        return dict(super().get_params(deep=deep)) | self._arguments

    def set_params(self, **params: Any) -> "Encoder":
        """Set parameters by name; one that is not this class's is the method's own, and `fit` says if it has none."""
        ours = super().get_params(deep=False)
        super().set_params(**{name: value for name, value in params.items() if name in ours})
        self._arguments = self._arguments | {name: params[name] for name in params if name not in ours}
        return self

    def fit(self, X: Any, y: Any = None) -> "Encoder":
        """Take the weights of `run`, or learn an encoder from the pictures X.

        Args:
            X: pictures (see the class).
            y: not looked at.

        Raises:
            UserError: in one sentence, whatever of this cannot be done.
        """
        self.pretrained_: Pretrained | None = None
        if self.run is not None:
            self._take(Path(self.run))
        elif self.out is not None:
            self._train(X, Path(self.out))
        else:
            with TemporaryDirectory(prefix="unlabeled-") as folder:
                self._train(X, Path(folder) / "run")
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The representations of the pictures X, float32 (N, D).

        Raises:
            NotFittedError: there is no run and nothing was learnt.
            UserError: a picture cannot be read.
        """
        encoder = self._loaded()
        with self._quietly():
            return encoder.embed(_pictures(X))

    def _train(self, X: Any, out: Path) -> None:
        from unlabeled.commands.pretrain import pretrain

        options = self.get_params(deep=False)
        for name in ("run", "out", "verbose"):
            del options[name]
        with self._quietly():
            self.pretrained_ = pretrain(data=_pictures(X), out=out, **options)
        self._take(out)

    def _take(self, run: Path) -> None:
        """Make the weights of a run, or of an exported file, this estimator's own."""
        from unlabeled.commands.packed import pack, unpack
        from unlabeled.run import Run

        weights = run.read_bytes() if run.is_file() else pack(Run.open(run))
        self._cached = weights, _of_pictures(unpack(weights, run), run)
        self.weights_ = weights

    def _loaded(self) -> "Loaded":
        """The encoder, made once from the weights learnt, else from the run."""
        from unlabeled.commands.load import load
        from unlabeled.commands.packed import unpack

        if not self.__sklearn_is_fitted__():
            raise NotFittedError("this Encoder has learnt nothing yet: call fit, or give it a run.")
        source: Any = getattr(self, "weights_", self.run)
        if self._cached is None or self._cached[0] is not source:
            self._cached = source, _of_pictures(unpack(source) if isinstance(source, bytes) else load(source), self.run)
        return self._cached[1]

    def _quietly(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.verbose else redirect_stderr(io.StringIO())

    @property
    def _n_features_out(self) -> int:
        """D, by which scikit-learn names the columns: encoder0, encoder1, ..."""
        encoder = self._loaded()
        return int(encoder.embed(np.zeros((1, encoder.size, encoder.size, 3), np.uint8)).shape[1])

    def __sklearn_is_fitted__(self) -> bool:
        return self.run is not None or hasattr(self, "weights_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array, tags.input_tags.string = False, True, True
        tags.transformer_tags.preserves_dtype = []  # float32, whatever the pictures are
        tags.requires_fit = self.run is None
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_cached", None)  # made again from the weights
        return state


def _pictures(X: Any) -> Any:
    """X as `unlabeled` opens it: an array, a list of paths, one path, or a torch data set as it is."""
    if isinstance(X, str | os.PathLike) or not (isinstance(X, list | tuple) or hasattr(X, "__array__")):
        return X
    strange = [] if hasattr(X, "__array__") else [each for each in X if not _may_be_a_picture(each)]
    if strange:
        kind = type(strange[0]).__name__
        raise UserError(f"this Encoder takes pictures, arrays or paths, and X holds {kind}; use unlabeled.pretrain.")
    array = np.asarray(X)
    if array.dtype.kind not in "OU":
        return array
    return [os.fspath(path) for path in array.ravel()]


def _may_be_a_picture(each: Any) -> bool:
    arrays = "__array__", "__array_interface__"
    return isinstance(each, str | os.PathLike | list | tuple) or any(hasattr(each, name) for name in arrays)


def _of_pictures(encoder: "Loaded", run: Any) -> "Loaded":
    """The same.

    Raises:
        UserError: it is one of other data.
    """
    kind = encoder.description["modality"]
    if kind != "images":
        raise UserError(f"this Encoder is of pictures, and {run or 'the run'} is of {kind}; use unlabeled.load.")
    return encoder
