"""Parquet files with pictures: bytes, structs, labels, and what a file may have instead."""

import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from making import noise, packed, png_claiming, table, write
from unlabeled.data.images import Images, open_images
from unlabeled.data.images import parquet as module
from unlabeled.data.source import describe, recognise
from unlabeled.errors import Unreadable, UserError


def pngs(*seeds: int) -> list[bytes]:
    return [packed(noise(seed=seed), "PNG") for seed in seeds]


def hugging_face(pictures: list[bytes | None]) -> pa.Array:
    """The form of Hugging Face's data sets: structs of bytes and a path."""
    return pa.array([None if each is None else {"bytes": each, "path": "x.png"} for each in pictures],
                    pa.struct([("bytes", pa.binary()), ("path", pa.string())]))  # fmt: skip


FORMS = {
    "bytes": lambda pictures: pa.array(pictures, pa.binary()),
    "large bytes": lambda pictures: pa.array(pictures, pa.large_binary()),
    "structs": hugging_face,
}


def reasons(images: Images) -> dict[str, str]:
    return {one.path: one.reason for one in images.skipped}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("group", [1, 2, 100])
def test_pictures_come_in_the_order_of_rows(tmp_path, form, group):
    path = table(tmp_path / "a.parquet", group, id=[b"x"] * 5 if form == "structs" else list("abcde"),
                 image=FORMS[form](pngs(*range(5))), label=[7, 3, 7, -1, None])  # fmt: skip
    images = open_images(path)
    assert images.names == ["0", "1", "2", "3", "4"] and images.place == str(path) and images.size() == 12
    assert images.classes == ["3", "7"] and images.labels.tolist() == [1, 0, 1, -1, -1]
    for place in (4, 0, 3, 1, 2):
        np.testing.assert_array_equal(images.read(place), noise(seed=place))
    assert recognise(path) == "images" and describe(images) == "5 images in 2 classes, 2 unlabelled"


def test_a_folder_of_files_and_a_list_of_them(tmp_path):
    for number in (1, 0):
        table(tmp_path / f"{number}.parquet", image=pngs(10 * number, 10 * number + 1), label=["b", "a"])
    images = open_images(tmp_path)
    assert images.names == ["0.parquet/0", "0.parquet/1", "1.parquet/0", "1.parquet/1"]
    assert images.classes == ["a", "b"] and images.labels.tolist() == [1, 0, 1, 0] and recognise(tmp_path) == "images"
    for place, seed in enumerate((0, 1, 10, 11)):
        np.testing.assert_array_equal(images.read(place), noise(seed=seed))
    several = open_images([tmp_path / "1.parquet", tmp_path / "0.parquet"])
    np.testing.assert_array_equal(several.read(0), noise(seed=10))
    table(tmp_path / "test-0.parquet", image=pngs(5))
    table(tmp_path / "train-0.parquet", image=pngs(6))
    assert open_images(tmp_path).names == ["train-0.parquet/0"]


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (pa.array([1.0, float("nan"), 3.0, None]), ["1", None, "3", None]),  # what pandas makes of gaps
        (pa.array(["x", None, "", "y"]), ["x", None, None, "y"]),
        (pa.array(["x", "y", "x", None]).dictionary_encode(), ["x", "y", "x", None]),
        (pa.array([True, False, True, None]), ["1", "0", "1", None]),
        (pa.array([200, 0, 3, 7], pa.uint8()), ["200", "0", "3", "7"]),
        (pa.nulls(4), [None] * 4),
    ],
)
def test_labels(tmp_path, labels, found):
    images = open_images(table(tmp_path / "a.parquet", image=pngs(0, 1, 2, 3), label=labels))
    texts = [None] * 4 if images.labels is None else [images.classes[k] if k >= 0 else None for k in images.labels]
    assert texts == found


def test_labels_are_called_by_the_names_in_the_schema(tmp_path):
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    made = pa.table({"image": hugging_face(pngs(0, 1, 2)), "label": [1, 0, 2]}).replace_schema_metadata(about)
    pq.write_table(made, tmp_path / "a.parquet")
    assert open_images(tmp_path / "a.parquet").classes == ["2", "cat", "dog"]
    for broken in (b"{", b"[]", b'{"info": {"features": {"label": {"names": ["a", "a"]}}}}'):
        pq.write_table(made.replace_schema_metadata({b"huggingface": broken}), tmp_path / "b.parquet")
        assert open_images(tmp_path / "b.parquet").classes == ["0", "1", "2"]


def test_rows_without_a_readable_picture_are_listed(tmp_path):
    pictures = [
        None,
        *pngs(1),
        b"",
        b"text",
        png_claiming(50_000, 50_000),
        packed(noise(40, 40), "JPEG")[:500],
        *pngs(6),
    ]
    for form in FORMS:
        images = open_images(table(tmp_path / "a.parquet", 3, image=FORMS[form](pictures), label=list("abcdefg")))
        assert images.names == ["1", "6"] and images.classes == ["b", "g"]
        np.testing.assert_array_equal(images.read(1), noise(seed=6))
        found = reasons(images)
        assert list(found) == ["0", "2", "3", "4", "5"] and found["0"] == "the row holds no picture"
        assert found["2"] == "empty file" and found["3"] == "not a picture in a known format"
        assert found["4"].startswith("too large") and found["5"].startswith("truncated")


def test_a_row_group_that_is_damaged_is_listed_and_the_others_are_kept(tmp_path):
    path = table(tmp_path / "a.parquet", 2, image=pngs(0, 1, 2, 3, 4, 5))
    about = pq.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    start = about.dictionary_page_offset or about.data_page_offset
    content[start : start + about.total_compressed_size] = b"\xff" * about.total_compressed_size
    write(path, bytes(content))
    images = open_images(path)
    assert images.names == ["0", "1", "4", "5"] and list(reasons(images)) == ["2-3"]
    assert reasons(images)["2-3"].startswith("the row group cannot be read (")
    np.testing.assert_array_equal(images.read(2), noise(seed=4))


def test_a_damaged_file_among_others_is_listed(tmp_path):
    table(tmp_path / "0.parquet", image=pngs(0))
    whole = table(tmp_path / "1.parquet", image=pngs(1))
    write(whole, whole.read_bytes()[:-10])
    write(tmp_path / "2.parquet", b"")
    images = open_images(tmp_path)
    assert images.names == ["0.parquet/0"] and list(reasons(images)) == ["1.parquet", "2.parquet"]
    assert all(reason.startswith("no sound parquet file (") for reason in reasons(images).values())


def test_of_several_columns_of_bytes_the_one_called_image(tmp_path):
    path = table(tmp_path / "a.parquet", mask=pngs(1, 1), image=pngs(2, 3), thumbnail=pngs(4, 4))
    np.testing.assert_array_equal(open_images(path).read(1), noise(seed=3))


BAD = {
    "embeddings": (
        lambda path: table(path, path=["a"], index=[0], embedding=pa.array([[1.0, 2.0]])),
        "holds embeddings, as `unlabeled embed` writes them, and no pictures",
    ),
    "other columns": (
        lambda path: table(path, text=["a"], label=[1]),
        "has no column with the bytes of pictures, only text",
    ),
    "no columns": (lambda path: table(path), "only nothing"),
    "two columns of bytes": (lambda path: table(path, a=pngs(0), b=pngs(1)), "several columns of bytes (a, b)"),
    "no rows": (lambda path: table(path, image=pa.array([], pa.binary())), "no picture in"),
    "null rows": (lambda path: table(path, image=pa.array([None, None], pa.binary())), "2 were skipped"),
    "truncated": (lambda path: write(path, table(path, image=pngs(0)).read_bytes()[:-9]), "is no sound parquet file"),
    "no end": (lambda path: write(path, b"PAR1" + bytes(100)), "is no sound parquet file"),
    "empty": (lambda path: write(path, b""), "is no sound parquet file"),
    "fractions": (lambda path: table(path, image=pngs(0), label=[0.5]), "has the label '0.5'"),
    "infinity": (lambda path: table(path, image=pngs(0), label=[float("inf")]), "has the label 'inf'"),
    "negative": (lambda path: table(path, image=pngs(0), label=[-2]), "has the label '-2'"),
    "lists of labels": (lambda path: table(path, image=pngs(0), label=pa.array([[1, 2]])), "has the label '[1, 2]'"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_answered_by_one_sentence(tmp_path, case):
    build, fragment = BAD[case]
    with pytest.raises(UserError) as caught:
        open_images(build(tmp_path / "a.parquet"))
    message = str(caught.value)
    assert fragment in message and "\n" not in message and message.endswith(".") and ". " not in message


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("unlabeled.data.images.packed._SMALL", 1 << 16)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [bytes(1 << 22)]}), path, compression="zstd", use_dictionary=False)
    with pytest.raises(UserError, match="archive bomb"):
        open_images(path)


def test_memory_does_not_grow_with_the_number_of_row_groups(tmp_path, monkeypatch):
    pictures = [packed(noise(60, 60, seed), "PNG") for seed in range(20)]
    monkeypatch.setattr(module, "_CACHE", 3 * len(pictures[0]))
    images = open_images(table(tmp_path / "a.parquet", 1, image=pictures))
    for place in (*range(20), 3, 19):
        np.testing.assert_array_equal(images.read(place), noise(60, 60, place))
        assert len(images.reader._kept) <= 3
    assert len(images.reader._kept) > 1
    assert len(pickle.dumps(images)) < len(pickle.dumps(pictures)) / 20  # what is kept does not travel


def test_what_is_kept_is_read_once(tmp_path, monkeypatch):
    images = open_images(table(tmp_path / "a.parquet", 2, image=pngs(0, 1, 2, 3)))
    read, real = [], module.Group.pictures
    monkeypatch.setattr(module.Group, "pictures", lambda group: read.append(group.number) or real(group))
    for place in (0, 3, 1, 2, 0):
        images.read(place)
    assert read == [0, 1]


def test_a_file_that_is_gone_is_unreadable_by_the_row(tmp_path):
    path = table(tmp_path / "a.parquet", image=pngs(0, 1))
    images = open_images(path)
    path.unlink()
    with pytest.raises(Unreadable) as caught:
        images.read(1)
    assert caught.value.path == "1" and "\n" not in caught.value.reason
