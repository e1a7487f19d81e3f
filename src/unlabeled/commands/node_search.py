"""`unlabeled search` of a run on timed links: the nodes nearest to a node, in one snapshot."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from unlabeled.commands.load import Encoder
    from unlabeled.commands.search import Searched


def search_nodes(encoder: "Encoder", samples: Any, query: str, top: int, snapshot: str | None) -> "Searched":
    """The nodes whose embeddings in a snapshot are nearest to that of a node there, by cosine.

    Args:
        encoder: of a run on timed links.
        samples: its snapshots.
        query: the node's name.
        top: how many, at least 1.
        snapshot: its start as `embed` shows it, or else its number from 0; by default the last.

    Raises:
        UserError: no such node or snapshot, or the node is not seen by then.
    """
    from unlabeled.commands.search import Neighbour, Searched
    from unlabeled.errors import UserError
    from unlabeled.metrics.neighbours import nearest

    if query not in samples.number:
        raise UserError(f"no node of {samples.place} is called {query!r}; there are {_some(samples.names)}.")
    table = encoder.rows(samples)
    number = _number(samples, snapshot)
    rows = np.flatnonzero(table.columns["snapshot"] == number)
    names = table.columns["node"][rows]
    own = np.flatnonzero(names == query)
    if not len(rows) or not len(own):
        raise UserError(
            f"{query!r} is not embedded in snapshot {number} ({samples.starts_shown()[number]}); leave out --snapshot "
            "for the last."
        )
    vectors = table.embeddings[rows]
    try:
        similarity, place = nearest(vectors[own], vectors, min(top + 1, len(rows)))
    except ValueError as problem:
        raise UserError(f"the representations cannot be compared ({problem}); train again at a lower rate.") from None
    found = [
        Neighbour(query, str(names[each]), float(value))
        for each, value in zip(place[0].tolist(), similarity[0].tolist(), strict=True)
        if each != own[0]
    ]
    return Searched(
        query=query,
        results=found[:top],
        data=f"{samples.place}, snapshot {number} ({samples.starts_shown()[number]})",
        samples=len(rows),
        queries=1,
        skipped=[],
        sheet=None,
        kind="node",
    )


def _number(samples: Any, snapshot: str | None) -> int:
    """Of the snapshot that is meant."""
    from unlabeled.errors import UserError

    shown = samples.starts_shown()
    if snapshot is None:
        return len(shown) - 1
    snapshot = str(snapshot)  # in Python also the number
    if snapshot in shown:  # first: where starts are plain numbers, they are the table's own
        return int(shown.index(snapshot))
    if snapshot.isdecimal() and int(snapshot) < len(shown):
        return int(snapshot)
    raise UserError(f"--snapshot takes 0 to {len(shown) - 1} or a start such as {shown[0]}, got {snapshot!r}.")


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
