"""What users give by mistake: each is answered by one sentence that names it and says what to do."""

import gzip
import os
import struct

import numpy as np
import pytest

from making import idx, idx_pair, noise, photo, png_claiming, write
from unlabeled.data.images import open_images
from unlabeled.data.source import recognise
from unlabeled.errors import UserError


def pictures(folder):
    """A folder with three pictures, two of them in folders."""
    for name in ("a.png", "b/c.png", "b/d.png"):
        photo(folder / name)
    return folder


def with_labels(content):
    """A folder of pictures and a CSV file of these bytes."""

    def build(folder):
        return pictures(folder / "photos"), write(folder / "labels.csv", content)

    return build


def npz(**arrays):
    def build(folder):
        np.savez(folder / "x.npz", **arrays)
        return folder / "x.npz"

    return build


def file(name, content):
    return lambda folder: write(folder / name, content)


def files(*names_and_contents):
    def build(folder):
        for name, content in names_and_contents:
            write(folder / name, content)
        return folder

    return build


def value(source):
    return lambda folder: source


def fifo(folder):
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def strange_pickle(folder):
    np.savez(folder / "x.npz", images=np.array([{"a": 1}, None], dtype=object))
    return folder / "x.npz"


def structured(folder):
    np.savez(folder / "x.npz", images=np.zeros(3, dtype=[("a", "u1"), ("b", "f4")]))
    return folder / "x.npz"


def two_idx(folder):
    for part in ("first", "second"):
        idx_pair(folder, part)
    return folder


def idx_with_labels(count):
    def build(folder):
        idx_pair(folder)
        write(folder / "train-labels-idx1-ubyte.gz", gzip.compress(idx(np.zeros(count, np.uint8))))
        return folder

    return build


IDX = "x-images-idx3-ubyte"
ALL = np.zeros((3, 8, 8, 3), np.uint8)
FLOATS = np.zeros((3, 8, 8), np.float32)
BAD = {
    # paths
    "nothing there": (lambda folder: folder / "absent", "nothing can be opened at"),
    "an empty path": (value(""), "'' is not a path"),
    "a zero byte in the path": (value("a\0b"), "'a\\x00b' is not a path"),
    "a web address": (value("https://example.org/x.zip"), "no such file or directory"),
    "a path below a file": (lambda folder: write(folder / "x", b"") / "y", "not a directory"),
    "a path that is too long": (lambda folder: folder / ("x" * 5000), "file name too long"),
    "a fifo": (fifo, "is of no known kind"),
    "a device": (value("/dev/zero"), "is of no known kind"),
    "a text file": (file("notes.txt", b"hello"), "is of no known kind"),
    "an empty file": (file("x", b""), "is of no known kind"),
    "a film": (file("x.mp4", b"\0\0\0\x18ftypmp42"), "is of no known kind"),
    "an array in a file": (file("x.npy", b"\x93NUMPY\x01\x00"), "is of no known kind"),
    # folders
    "an empty folder": (lambda folder: folder, "it is empty; give a folder of pictures"),
    "empty folders in folders": (lambda folder: (folder / "a/b/c").mkdir(parents=True) or folder, "it is empty"),
    "hidden pictures": (files((".a.png", b"x"), (".git/b.png", b"x")), "it is empty"),
    "a folder of text": (files(("a.txt", b"a"), ("b.pdf", b"b")), "only 2 files of other kinds"),
    "a folder without a readable picture": (
        files(("a/b.jpg", b"\xff\xd8\xff"), ("c.png", b"")),
        "2 were skipped, the first is a/b.jpg: damaged header",
    ),
    "a folder with one damaged picture": (
        files(
            ("new\nline.png", b""),
        ),
        "1 was skipped, the first is new\\nline.png: empty",
    ),
    "a folder of bombs": (files(("a.png", png_claiming(50_000, 50_000))), "it claims 50000 x 50000 pixels"),
    # one picture
    "a damaged picture": (file("x.jpg", b"\xff\xd8\xff\xe0"), "cannot be read (damaged header"),
    "a picture of another kind": (
        file("x.heic", b"\0\0\0\x18ftypheic"),
        "cannot be read (not a picture in a known format)",
    ),
    # .npz
    "an .npz that is none": (file("x.npz", b"no archive"), "is not a sound .npz file (File is not a zip file)"),
    "an empty .npz": (file("x.npz", b""), "is not a sound .npz file"),
    "a cut .npz": (lambda folder: cut(npz(images=ALL)(folder)), "is not a sound .npz file"),
    "pickled objects": (strange_pickle, "which are never unpickled"),
    "a table of fields": (structured, "which are never unpickled"),
    "no key images": (npz(x_train=ALL, y=ALL), "holds 'x_train', 'y' but no array 'images'"),
    "nothing in the .npz": (npz(), "holds nothing but no array 'images'"),
    "images of one dimension": (npz(images=np.zeros(9, np.uint8)), "images of shape (9,)"),
    "channels first": (npz(images=np.zeros((3, 3, 8, 8), np.uint8)), "give (N, H, W) or (N, H, W, 3)"),
    "two channels": (npz(images=np.zeros((3, 8, 8, 2), np.uint8)), "images of shape (3, 8, 8, 2)"),
    "no pictures": (npz(images=np.zeros((0, 8, 8), np.uint8)), "which hold nothing"),
    "pictures without pixels": (npz(images=np.zeros((3, 0, 8), np.uint8)), "which hold nothing"),
    "whole numbers of 64 bits": (npz(images=np.zeros((3, 8, 8), np.int64)), "are of type int64; give uint8"),
    "complex numbers": (npz(images=np.zeros((3, 8, 8), complex)), "are of type complex128"),
    "text": (npz(images=np.full((3, 8, 8), "x")), "are of type <U1"),
    "not a number": (npz(images=FLOATS * np.nan), "hold NaN or infinity"),
    "infinity": (npz(images=FLOATS + np.inf), "hold NaN or infinity"),
    "floats up to 255": (npz(images=FLOATS + 255), "are floats from 255 to 255; scale them to [0, 1]"),
    "negative floats": (npz(images=FLOATS - 0.5), "are floats from -0.5 to -0.5"),
    "labels of another length": (npz(images=ALL, labels=np.arange(4)), "labels of shape (4,) for 3 pictures"),
    "labels of two dimensions": (npz(images=ALL, labels=np.eye(3)), "labels of shape (3, 3) for 3 pictures"),
    "labels that are fractions": (npz(images=ALL, labels=np.zeros(3)), "labels of type float64"),
    "labels below -1": (npz(images=ALL, labels=np.array([0, -2, 1])), "the label -2; labels are at least 0"),
    "pickled labels": (npz(images=ALL, labels=np.array([None, 1, "a"])), "Python objects as 'labels'"),
    # IDX
    "a .gz that is none": (
        file(IDX + ".gz", b"\0\0\x08\x03" + bytes(20)),
        "is not a sound IDX file (Not a gzipped file",
    ),
    "a cut .gz": (file(IDX + ".gz", gzip.compress(idx(noise()))[:-20]), "is not a sound IDX file"),
    "an IDX file that is none": (file(IDX, b"hello, world"), "its first bytes are not those of an IDX file"),
    "an IDX file of nothing": (file(IDX, b""), "is not a sound IDX file"),
    "an IDX file without its header": (file(IDX, b"\0\0\x08\x03\0\0"), "its header is cut off"),
    "an IDX file with a cut end": (file(IDX, idx(noise())[:-1]), "575 of 576 bytes are there"),
    "an IDX file with more": (file(IDX, idx(noise()) + b"x"), "more than the 576 bytes it claims are there"),
    "an IDX file that claims too much": (file(IDX, b"\0\0\x08\x03" + b"\xff" * 12), "the limit is 34,359,738,368"),
    "an IDX file of floats": (file(IDX, idx(np.zeros((2, 3, 4), ">f4"), 0x0D)), "values of type 0x0d in 3 dimensions"),
    "an IDX file of no pictures": (file(IDX, b"\0\0\x08\x03" + struct.pack(">3I", 0, 28, 28)), "which holds nothing"),
    "the labels of IDX": (file("x-labels-idx1-ubyte", idx(np.arange(9, dtype=np.uint8))), "holds labels, not pictures"),
    "IDX with other labels": (idx_with_labels(4), "labels of shape (4,) for 5 pictures"),
    "IDX files to choose from": (two_idx, "holds 2 IDX files of pictures; give one of them"),
    # arrays and other values
    "an array of one picture": (value(noise()), "has the shape (12, 16, 3) of one picture"),
    "an array of nothing": (value(np.zeros((0, 8, 8, 3), np.uint8)), "which hold nothing"),
    "an array of objects": (value(np.array([[[None]]])), "are of type object"),
    "an array with too few labels": (value((ALL, [1, 2])), "labels of shape (2,) for 3 pictures"),
    "an array with ragged labels": (value((ALL, [[1], [2, 3], 4])), "are no array"),
    "None": (value(None), "a NoneType holds no pictures"),
    "a number": (value(5), "int holds no pictures"),
    "a list of paths, one absent": (value(["a.png", "b.png"]), "nothing can be opened at 'a.png'"),
    "a list of numbers": (value([1, 2]), "a list holds no pictures"),
    "three things": (value((ALL, None, None)), "a tuple holds no pictures"),
    # labels
    "labels that are absent": (lambda folder: (pictures(folder), folder / "no.csv"), "are no file; give a CSV file"),
    "labels that are a folder": (lambda folder: (pictures(folder), folder), "are no file"),
    "labels without a line": (with_labels(b""), "lacks the column 'path'"),
    "labels without a header": (with_labels(b"a.png,cat\n"), "lacks the column 'path'"),
    "labels without labels": (with_labels(b"path,class\na.png,cat\n"), "lacks the column 'label'"),
    "labels between semicolons": (with_labels(b"path;label\na.png;cat\n"), "its first line must be path,label"),
    "a short row": (with_labels(b"path,label\na.png,cat\nb/c.png\n"), "line 3 of "),
    "two labels for one picture": (
        with_labels(b"path,label\na.png,cat\n./a.png,dog\n"),
        "gives 'a.png' two labels, 'cat' and 'dog' (line 3)",
    ),
    "labels of other pictures": (
        with_labels(b"path,label\nx.png,cat\n"),
        "write paths relative to it, such as 'a.png'",
    ),
    "labels in Latin-1": (with_labels("path,label\na.png,café\n".encode("latin-1")), "is not UTF-8 text"),
    "labels in UTF-16": (with_labels("path,label\na.png,x\n".encode("utf-16")), "is not UTF-8 text"),
    "an open quotation": (with_labels(b'path,label\n"a.png,cat\n'), "cannot be read as CSV"),
}


def cut(path):
    return write(path, path.read_bytes()[:-40])


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_answered_by_one_sentence(tmp_path, case):
    build, fragment = BAD[case]
    source = build(tmp_path)
    arguments = (
        source
        if isinstance(source, tuple) and not isinstance(source[0], np.ndarray) and len(source) == 2
        else (source,)
    )
    with pytest.raises(UserError) as caught:
        open_images(*arguments)
    message = str(caught.value)
    assert fragment in message
    assert "\n" not in message and message.endswith(".") and ". " not in message


def test_there_are_many_kinds_of_mistakes():
    assert len(BAD) >= 30


@pytest.mark.parametrize(
    ("build", "fragment"),
    [
        (
            files(("a.mp4", b""), ("b/c.mp4", b""), ("d.csv", b"")),
            "2 .mp4 files (videos), which this version does not read",
        ),
        (files(("a.jsonl", b"")), "1 .jsonl file (text)"),
        (files(("a.xyz", b"")), "1 .xyz file, which"),
        (file("a.zip", b"x"), "does not read (archives)"),
        (file("a.xyz", b"x"), "of a kind that this version does not read; give a folder of pictures"),
        (value(7), "int holds no pictures"),
        (value("absent"), "nothing can be opened at 'absent'"),
    ],
)
def test_what_is_not_recognised(tmp_path, build, fragment):
    with pytest.raises(UserError) as caught:
        recognise(build(tmp_path))
    assert fragment in str(caught.value) and "\n" not in str(caught.value) and str(caught.value).endswith(".")
