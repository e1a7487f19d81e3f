"""`Graphs`: what every source of graphs becomes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from unlabeled.data.graphs.graph import Graph
from unlabeled.data.images.labels import UNLABELLED, Labels
from unlabeled.data.skipped import Skipped
from unlabeled.errors import UserError


@dataclass(frozen=True)
class Store:
    """Graphs end to end: graph g has the nodes and links from `starts[g]` to `starts[g + 1]`.

    Args:
        node_starts: int64 (G + 1,).
        edge_starts: int64 (G + 1,).
        edges: int64 (2, E), as `Graph.edges` has them, node numbers from 0 in each graph.
        labels: int64 (N,) of all nodes, or None.
        attributes: float32 (N, A) of all nodes, or None.
    """

    node_starts: np.ndarray
    edge_starts: np.ndarray
    edges: np.ndarray
    labels: np.ndarray | None
    attributes: np.ndarray | None

    def graph(self, row: int) -> Graph:
        """Graph `row`; its arrays are views of these."""
        nodes = slice(self.node_starts[row], self.node_starts[row + 1])
        return Graph(
            int(nodes.stop - nodes.start),
            self.edges[:, self.edge_starts[row] : self.edge_starts[row + 1]],
            None if self.labels is None else self.labels[nodes],
            None if self.attributes is None else self.attributes[nodes],
        )

    @cached_property
    def digest(self) -> bytes:
        """Of everything in it."""
        digest = hashlib.blake2b(digest_size=16)
        for each in (self.node_starts, self.edge_starts, self.edges, self.labels, self.attributes):
            digest.update(b"-" if each is None else f"{each.dtype} {each.shape}".encode())
            digest.update(b"" if each is None else np.ascontiguousarray(each).data)
        return digest.digest()


def stored(graphs: Sequence[Graph]) -> Store:
    """Graphs end to end; node labels and attributes where all graphs have them."""

    def starts(counts: list[int]) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    labels = [each.labels for each in graphs if each.labels is not None]
    attributes = [each.attributes for each in graphs if each.attributes is not None]
    return Store(
        starts([each.nodes for each in graphs]),
        starts([each.edges.shape[1] for each in graphs]),
        np.concatenate([each.edges for each in graphs], axis=1),
        np.concatenate(labels) if len(labels) == len(graphs) else None,
        np.concatenate(attributes) if len(attributes) == len(graphs) else None,
    )


class Graphs:
    """Graphs in a fixed order. Safe to pickle and to fork.

    Attributes:
        place: what was opened: an absolute path, or words.
        names: G names: each graph's number in its source, from 0, as text.
        labels: int64 (G,), numbers of `classes`, -1 where unlabelled; None where the source has none.
        classes: the names of the labels, or None.
        skipped: the graphs left out, with reasons.
        ignored: always 0.
        folds: ten pairs of graphs to learn from and to test on, by their names, where the source has such; else None.

    Args:
        place: as above.
        names: as above.
        store: the graphs themselves.
        answers: the labels of all rows of the store.
        skipped: as above.
        folds: as above.
        rows: int64 (G,), the place of each graph in the store; by default all of them, in order.
    """

    nouns: ClassVar = ("graph", "graphs")
    ignored = 0
    labels_pending = False

    def __init__(
        self,
        place: str,
        names: list[str],
        store: Store,
        answers: Labels | None = None,
        skipped: Sequence[Skipped] = (),
        folds: list[tuple[list[str], list[str]]] | None = None,
        rows: np.ndarray | None = None,
    ) -> None:
        self.place, self.names, self.store, self.answers = place, names, store, answers
        self.skipped, self.folds = list(skipped), folds
        self.rows = np.arange(len(names)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Graphs({len(self)} of {self.place})"

    def read(self, index: int, at_least: int | None = None) -> Graph:
        """One graph.

        Args:
            index: from 0 to G - 1.
            at_least: has no meaning for graphs.
        """
        return self.store.graph(int(self.rows[index]))

    @property
    def labels(self) -> np.ndarray | None:
        """Int64 (G,), numbers of `classes`, -1 where unlabelled; None where the source has none."""
        return None if self.answers is None else self.answers.values[self.rows]

    @property
    def classes(self) -> list[str] | None:
        """The names of the labels; None where there are none."""
        return None if self.answers is None else self.answers.classes

    def sizes(self) -> np.ndarray:
        """Nodes of each graph, int64 (G,)."""
        sizes: np.ndarray = np.diff(self.store.node_starts)[self.rows]
        return sizes

    def carried(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Kinds (N,) and attributes (N, A) of all nodes of these graphs and of no others; None where there are none."""
        store, sizes = self.store, self.sizes()
        before = store.node_starts[self.rows] - np.cumsum(sizes) + sizes
        nodes = np.arange(int(sizes.sum())) + np.repeat(before, sizes)
        return (
            None if store.labels is None else store.labels[nodes],
            None if store.attributes is None else store.attributes[nodes],
        )

    def fingerprint(self) -> str:
        """A digest of the graphs and of what their nodes carry, 32 hexadecimal digits; graphs' labels do not count."""
        return hashlib.blake2b(self.store.digest + self.rows.tobytes(), digest_size=16).hexdigest()

    def digests(self) -> set[bytes]:
        """One of each graph as it is numbered, of its links and of what its nodes carry."""
        found = set()
        for place in range(len(self)):
            one = self.read(place)
            carried = [part.tobytes() for part in (one.labels, one.attributes) if part is not None]
            found.add(hashlib.blake2b(b"|".join([b"%d" % one.nodes, one.edges.tobytes(), *carried])).digest())
        return found

    def subset(self, places: np.ndarray) -> "Graphs":
        """The graphs at `places`, integers (M,) from 0 to G - 1, in that order, sharing this one's store."""
        places = np.asarray(places, dtype=np.int64)
        names = [self.names[place] for place in places.tolist()]
        return Graphs(self.place, names, self.store, self.answers, self.skipped, None, self.rows[places])

    def relabel(self, classes: list[str]) -> "Graphs":
        """The same graphs with labels that are places in `classes`, another source's.

        Raises:
            UserError: there are no labels, or one of the classes is not in `classes`.
        """
        if self.answers is None or self.labels is None:
            raise UserError(f"{self.place} has no labels; add its _graph_labels.txt or give a CSV file.")
        place = {name: number for number, name in enumerate(classes)}
        used = sorted(set(self.labels.tolist()) - {UNLABELLED})
        strange = [self.answers.classes[label] for label in used if self.answers.classes[label] not in place]
        if strange:
            raise UserError(
                f"{self.place} has the class {strange[0]!r}, which is not one of {len(classes)} known ones."
            )
        numbers = np.array([place.get(name, UNLABELLED) for name in self.answers.classes] + [UNLABELLED], np.int64)
        answers = Labels(numbers[self.answers.values], list(classes))  # -1 takes the last number, which is -1
        return Graphs(self.place, self.names, self.store, answers, self.skipped, self.folds, self.rows)
