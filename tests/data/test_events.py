"""Tables of timed links: every form, every bad row by its number, windows, snapshots against a plain computation."""

import os
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.data.source import recognise
from unlabeled.data.temporal_graphs import Events, is_events, open_snapshots, read_events, southern_women
from unlabeled.data.temporal_graphs.form import snapshot_form, snapshot_form_from
from unlabeled.data.temporal_graphs.opening import cut
from unlabeled.data.temporal_graphs.windows import Windows, length
from unlabeled.errors import UserError


def written(folder: Path, text: str, name: str = "events.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_with_numbers(tmp_path: Path) -> None:
    events = read_events(written(tmp_path, "source,target,time\n7,9,10\n9,7,12.5\n7,8,11\n"))
    assert [events.names[each] for each in events.source] == ["7", "9", "7"]
    assert [events.names[each] for each in events.target] == ["9", "7", "8"]
    assert events.time is not None and events.time.tolist() == [10.0, 12.5, 11.0]
    assert not events.skipped and not events.dated and events.weight.tolist() == [1, 1, 1]


@pytest.mark.parametrize("separator", [",", "\t", ";", " "])
def test_separators_and_other_names_of_columns(tmp_path: Path, separator: str) -> None:
    lines = [["src", "dst", "timestamp", "weight"], ["ann", "bob", "1", "2.5"], ["bob", "cid", "3", "1"]]
    events = read_events(written(tmp_path, "\n".join(separator.join(line) for line in lines)))
    assert events.names == ["ann", "bob", "cid"] and events.weight.tolist() == [2.5, 1.0]


def test_dates_with_and_without_a_zone(tmp_path: Path) -> None:
    moments = ["2001-02-03T04:05:06Z", "2001-02-03 04:05:06", "2001-02-03T05:05:06+01:00", "2001-02-03"]
    events = read_events(written(tmp_path, "\n".join(["source,target,time", *(f"a,b,{each}" for each in moments)])))
    assert events.time is not None and events.dated
    assert events.time.tolist() == [981173106.0] * 3 + [981158400.0]


def test_every_bad_row_is_told_by_its_number_and_no_other_is_lost(tmp_path: Path) -> None:
    rows = [
        "a,b,1,1",
        "a,,2,1",
        "a,b",
        "c,d,noon,1",
        "d,e,5,0",
        "e,f,6,x",
        "f,g,7,1,9",
        "g,h,8,1",
        ",h,9,1",
        "h,i,inf,1",
        "i,j,10,1e200",
    ]
    events = read_events(written(tmp_path, "source,target,time,weight\n" + "\n".join(rows)))
    assert events.time is not None and events.time.tolist() == [1, 8]
    assert [each.path for each in events.skipped] == [f"row {row}" for row in (2, 3, 4, 5, 6, 7, 9, 10, 11)]
    reasons = {each.path: each.reason for each in events.skipped}
    assert reasons["row 2"] == "no target" and reasons["row 9"] == "no source"
    assert reasons["row 5"] == "the weight 0 is not above 0"
    assert reasons["row 11"] == "the weight 1e+200 is not above 0 and up to 1e+30"
    assert "noon" in reasons["row 4"] and "2 fields and not 4" in reasons["row 3"]


def test_parquet_with_whole_numbers_and_timestamps(tmp_path: Path) -> None:
    moments = pa.array([981173106, None, 981158400], pa.timestamp("s"))
    pq.write_table(pa.table({"source": [1, 2, 3], "target": [2, 3, 1], "time": moments}), tmp_path / "events.parquet")
    events = read_events(tmp_path / "events.parquet")
    assert events.dated and events.time is not None and events.time.tolist() == [981173106.0, 981158400.0]
    assert [str(each) for each in events.skipped] == ["row 2: no time"]


@pytest.mark.parametrize("kind", ["dictionary", "large_string", "string_view"])
def test_parquet_with_text_of_every_kind(tmp_path: Path, kind: str) -> None:
    def column(values: list[Any]) -> Any:
        text = pa.array(values, pa.string())
        return text.dictionary_encode() if kind == "dictionary" else text.cast(getattr(pa, kind)())

    days = column(["2001-02-03", "2001-02-04", "never"])
    table = pa.table({"source": column(["a", "b", "a"]), "target": column(["b", None, "b"]), "time": days})
    pq.write_table(table, tmp_path / "events.parquet")
    events = read_events(tmp_path / "events.parquet")
    assert events.dated and events.time is not None and events.time.tolist() == [981158400.0]
    assert [str(each) for each in events.skipped] == [
        "row 2: no target", "row 3: the time 'never' is no date like the others"
    ]  # fmt: skip


def test_parquet_with_numbers_out_of_the_common_range(tmp_path: Path) -> None:
    ids = pa.array([2**64 - 1, 5], pa.uint64())
    table = pa.table({"source": ids, "target": [5, 6], "time": pa.array([10**18 + 1, 1], pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "events.parquet")
    events = read_events(tmp_path / "events.parquet")
    assert [events.names[each] for each in events.source] == ["18446744073709551615", "5"]
    assert [events.names[each] for each in events.target] == ["5", "6"]
    assert events.time is not None and events.time.tolist() == [1e9, 0.0] and not events.skipped
    pq.write_table(pa.table({"source": [[1], [2]], "target": [5, 6], "time": [1, 2]}), tmp_path / "lists.parquet")
    with pytest.raises(UserError, match="a column of no kind that is known here"):
        read_events(tmp_path / "lists.parquet")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("source,time\na,1\n", "lacks the column 'target'"),
        ("source,target\na,b\n", "lacks the column 'time'"),
        ("source,target,time\n", "no row"),
        ("source,target,time\na,,1\n", "no target"),
        ("", "Empty CSV file"),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        read_events(written(tmp_path, text))


def test_a_missing_and_a_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no file"):
        read_events(tmp_path / "nowhere.csv")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(UserError, match="parquet"):
        read_events(tmp_path / "broken.parquet")


class Sprung:
    """What a file must not do to those who open it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["graphs.npz", "graphs.pkl", "events.csv", "events.parquet"])
def test_what_was_sent_is_never_unpickled(tmp_path: Path, name: str) -> None:
    """Trap 14: the official repository's graphs are pickles."""
    mark, path = tmp_path / "sprung", tmp_path / name
    if name.endswith("npz"):
        np.savez(path, graph=np.array([Sprung(mark)], dtype=object), allow_pickle=True)
    else:
        path.write_bytes(pickle.dumps(Sprung(mark)))
    assert not is_events(path)
    with pytest.raises(UserError):
        open_snapshots(path, window="1d")
    assert not mark.exists()
    if not name.endswith("npz"):
        pickle.loads(path.read_bytes())
        assert mark.exists()  # it would have


def test_recognised_by_the_header_alone(tmp_path: Path) -> None:
    assert recognise(written(tmp_path, "source,target,time\na,b,1\n")) == "temporal_graphs"
    assert not is_events(written(tmp_path, "path,label\nx.png,cat\n", "labels.csv"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("10d", 864000), ("6h", 21600), ("30m", 1800), ("2w", 1209600), ("1.5", 1.5), (" 90s ", 90)]
)
def test_lengths(text: str, seconds: float) -> None:
    assert length(text) == seconds


@pytest.mark.parametrize("text", ["", "10 days", "-5", "d", "1e3d"])
def test_lengths_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match="--window"):
        length(text)


def plain_snapshots(events: Events, windows: Windows) -> list[Counter[tuple[str, str]]]:
    """Pairs of names with their weights, one event at a time."""
    assert events.time is not None
    begin = min(events.time) + length(windows.skip_first)
    end = max(events.time) - length(windows.skip_last)
    out: dict[int, Counter[tuple[str, str]]] = {}
    for source, target, time, weight in zip(events.source, events.target, events.time, events.weight, strict=True):
        if windows.outside == "drop" and not begin <= time <= end:
            continue
        number = max(0, int((min(time, end) - begin) // length(windows.window)))
        pair = tuple(sorted((events.names[source], events.names[target])))
        out.setdefault(number, Counter())[pair] += weight  # type: ignore[index]
    count = int((end - begin) // length(windows.window)) + 1
    return [out.get(number, Counter()) for number in range(count)]


rows = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 40), st.integers(1, 3)), min_size=1, max_size=30
)


@settings(max_examples=80, deadline=None)
@given(rows=rows, window=st.integers(1, 9), skip=st.integers(0, 5), merge=st.booleans())
def test_snapshots_are_what_one_event_at_a_time_gives(rows: Any, window: int, skip: int, merge: bool) -> None:
    source, target, time, weight = (np.array(column) for column in zip(*rows, strict=True))
    names = [f"n{each}" for each in range(6)]
    events = Events(source, target, time.astype(float), None, weight.astype(float), names, False, [])
    windows = Windows(window, skip, 0, "merge" if merge else "drop")
    if time.max() - time.min() < skip:
        with pytest.raises(UserError, match="leave no event"):
            cut(events, windows, "")
        return
    found = cut(events, windows, "")
    expected = plain_snapshots(events, windows)
    assert found.count == len(expected)
    seen: set[str] = set()
    for number, pairs in enumerate(expected):
        low, high, much = found.links(number)
        assert (low <= high).all()
        told = {tuple(sorted((found.names[a], found.names[b]))): w for a, b, w in zip(low, high, much, strict=True)}
        assert told == dict(pairs)
        seen |= {name for pair in pairs for name in pair}
        assert set(found.names[: found.nodes[number]]) == seen  # a snapshot's nodes are the first of all


ENRON = [18, 23, 24, 50, 66, 79, 98, 110, 117, 125, 131, 135, 137, 138, 141, 143]
MAILS = [237, 184, 216, 570, 649, 877, 1273, 2164, 2688, 2612, 2601, 2852, 1448, 581, 2125, 1707]
UCI = [497, 975, 1223, 1501, 1655, 1705, 1722, 1741, 1750, 1774, 1781, 1795, 1809]
MESSAGES = [4691, 13329, 10639, 13399, 4814, 2817, 523, 1773, 995, 1007, 805, 782, 885]


@pytest.mark.parametrize(
    ("file", "windows", "nodes", "events", "links"),
    [
        ("enron/snapshots.csv", {}, ENRON, MAILS, 2347),
        ("enron/messages.csv", {"window": "60d", "skip_first": "200d", "skip_last": "200d", "outside": "merge"},
         ENRON, MAILS, 2347),
        ("uci-messages/CollegeMsg.txt", {"window": "10d", "skip_first": "5d", "skip_last": "60d"},
         UCI, MESSAGES, 16822),
    ],
)  # fmt: skip
def test_real_tables_are_cut_as_the_official_notebooks_do(
    file: str, windows: dict[str, str], nodes: list[int], events: list[int], links: int
) -> None:
    """Invariant i of DySAT: what its notebooks print, and the sums that its paper has as numbers of links."""
    path = Path(os.environ.get("UNLABELED_DATA", "nowhere")) / "temporal" / file
    if not path.is_file():
        pytest.skip(f"needs {file} of the data sets: set UNLABELED_DATA to their folder")
    found = open_snapshots(path, held_out=0, **windows)
    assert found.nodes.tolist() == nodes and len(found.source) == links
    assert [found.links(t)[2].sum() for t in range(found.count)] == events


def test_a_snapshot_column_and_its_starts(tmp_path: Path) -> None:
    text = "snapshot,source,target,time\n3,a,b,1000000005\n1,b,c,1000000002\n1,c,d,1000000001\n"
    found = open_snapshots(written(tmp_path, text), held_out=0)
    assert found.count == 2 and found.names == ["c", "d", "b", "a"]  # in order of appearance, by time
    assert found.nodes.tolist() == [3, 4]
    assert found.starts_shown() == ["2001-09-09T01:46:41Z", "2001-09-09T01:46:45Z"]


def test_starts_that_are_no_dates_are_shown_to_the_last_digit(tmp_path: Path) -> None:
    lines = "".join(f"a,b,{day}\n" for day in (20200101, 20200102, 20200103))
    found = open_snapshots(written(tmp_path, f"source,target,snapshot\n{lines}"), held_out=0)
    assert found.starts_shown() == ["20200101", "20200102", "20200103"]
    timed = open_snapshots(written(tmp_path, "source,target,time\na,b,0.25\nb,c,0.375\n"), window="0.125", held_out=0)
    assert timed.starts_shown() == ["0.25", "0.375"]


@pytest.mark.parametrize("kind", ["text", "whole numbers", "unsigned", "floats"])
def test_late_snapshots_stay_late_and_apart(tmp_path: Path, kind: str) -> None:
    """Beyond 2^53 a float has no place for the last digits, and beyond 2^63 a snapshot has no number."""
    first, step = (17 * 10**17, 100) if kind != "floats" else (17 * 10**14, 1)
    values = [first + step * k for k in range(6)]
    if kind == "text":
        lines = [f"a,b,{value}\n" for value in values] + ["a,b,9223372036854775808\n", "a,b,007\n", "a,b,2e3\n"]
        path = written(tmp_path, "source,target,snapshot\n" + "".join(lines))
        values = [7, 2000, *values]
    else:
        types = {"whole numbers": pa.int64(), "unsigned": pa.uint64(), "floats": pa.float64()}
        shown = [*values, 2**63] if kind == "unsigned" else values
        path = tmp_path / "events.parquet"
        ends = ["a"] * len(shown), ["b"] * len(shown)
        pq.write_table(pa.table({"source": ends[0], "target": ends[1], "snapshot": pa.array(shown, types[kind])}), path)
    found = read_events(path)
    assert sorted(found.snapshot.tolist()) == values
    bad = [str(each) for each in found.skipped]
    assert bad == (["row 7: the snapshot 9.22337e+18 is no whole number of at least 0 and below 2^63"]
                   if kind in ("text", "unsigned") else [])  # fmt: skip


def test_mistakes_of_windows(tmp_path: Path) -> None:
    timed = written(tmp_path, "source,target,time\na,b,0\nb,c,1e9\n")
    numbered = written(tmp_path, "source,target,snapshot\na,b,0\nb,c,1\n", "numbered.csv")
    for path, options, says in (
        (timed, {}, "say how long a snapshot is"),
        (numbered, {"window": "1d"}, "no column time"),
        (timed, {"window": "1s"}, "--window 1s has a unit, and the times of this table are plain numbers"),
        (timed, {"window": "1", "skip_last": "1d"}, "--skip-last 1d has a unit"),
        (timed, {"window": "1"}, "choose a longer one"),
        (numbered, {"skip_first": "3"}, "are of windows of time; give --window too"),
        (numbered, {"outside": "merge"}, "are of windows of time; give --window too"),
        (timed, {"window": "0"}, "above 0"),
        (timed, {"window": "500000000", "held_out": 3}, "--held-out takes 0 to 2"),
    ):
        with pytest.raises(UserError, match=says):
            open_snapshots(path, **options)


def test_a_prefix_knows_nothing_of_what_follows() -> None:
    whole = southern_women()
    part = whole.prefix(3)
    assert len(part) == whole.nodes[2] == len(part.names) and part.count == 3
    assert part.target.max() < len(part) and part.all() is whole
    assert part.fingerprint() != whole.fingerprint()


def test_the_aggregate_adds_weights_up() -> None:
    whole = southern_women()
    added = whole.aggregate()
    assert added.count == 1 and added.weight.sum() == whole.weight.sum()
    assert len(np.unique(added.source * 18 + added.target)) == len(added.source)


def test_the_built_in_sample_is_the_published_table() -> None:
    found = southern_women()
    assert (len(found), found.count) == (18, 14)
    assert np.diff(found.offsets).tolist() == [each * (each - 1) // 2 for each in
                                               (4, 8, 3, 10, 6, 12, 6, 8, 5, 3, 3, 14, 4, 3)]  # fmt: skip
    assert found.starts_shown()[0] == "1936-02-23T00:00:00Z"


def test_labels_of_nodes(tmp_path: Path) -> None:
    table = written(tmp_path, "source,target,snapshot\na,b,0\nb,c,0\n")
    labels = written(tmp_path, "node,label\nb,red\nc,blue\nz,red\n", "labels.csv")
    found = open_snapshots(table, labels, held_out=0)
    assert found.labels is not None and dict(zip(found.names, found.labels.tolist(), strict=True)) == {
        "a": -1, "b": 1, "c": 0}  # fmt: skip
    with pytest.raises(UserError, match="columns node,label"):
        open_snapshots(table, table, held_out=0)
    again = written(tmp_path, "node,label\nb,red\nb,red \nc,blue\n", "again.csv")
    assert open_snapshots(table, again, held_out=0).classes == ["blue", "red"]
    torn = written(tmp_path, "node,label\nb,red\nc,blue\nb,blue\n", "torn.csv")
    with pytest.raises(UserError, match="give the node 'b' both 'red' and 'blue'"):
        open_snapshots(table, torn, held_out=0)


def test_attributes_of_nodes(tmp_path: Path) -> None:
    table = written(tmp_path, "source,target,snapshot\na,b,0\nb,c,1\n", "links.csv")
    attributes = written(tmp_path, "node,age,size\nb,3,0.5\nz,9,9\nc,1e2,-1\n", "attributes.csv")
    found = open_snapshots(table, held_out=0, attributes=attributes)
    assert found.names == ["a", "b", "c"] and found.attributes is not None
    assert found.attributes.tolist() == [[0, 0], [3, 0.5], [100, -1]]
    assert found.prefix(1).attributes.tolist() == [[0, 0], [3, 0.5]]  # type: ignore[union-attr]
    assert found.fingerprint() != open_snapshots(table, held_out=0).fingerprint()
    assert snapshot_form(found).attributes == 2 and snapshot_form_from(list(snapshot_form(found))) == snapshot_form(
        found
    )
    assert snapshot_form_from([3, 2, "x"]).attributes == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,age\nb,3\n", "with the column node"), ("node\nb\n", "with the column node"), ("", "column node"),
        ("node,age\nz,3\n", "no node of"), ("node,age\na,1\nb,old\n", "row 2 of .* has 'old' as age"),
        ("node,age\nb,inf\n", "finite"), ("node,age\nb,1\nb,2\n", "row 2 of .* gives .* the node 'b' again"),
        ("node,age,size\nb,1\n", "has None as size"),
    ],
)  # fmt: skip
def test_attributes_that_are_none(tmp_path: Path, text: str, says: str) -> None:
    table = written(tmp_path, "source,target,snapshot\na,b,0\nb,c,1\n", "links.csv")
    with pytest.raises(UserError, match=says):
        open_snapshots(table, attributes=written(tmp_path, text, "attributes.csv"))
