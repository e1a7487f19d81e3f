"""Arrays, `.npz` and IDX files: what goes in comes out, and arbitrary bytes end in one sentence."""

import gzip
import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from making import idx, idx_pair, noise, write
from unlabeled.data.images import open_images
from unlabeled.data.images import packed as unpacking
from unlabeled.errors import UserError

FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def stack(count: int = 4) -> np.ndarray:
    return np.stack([noise(6, 8, seed) for seed in range(count)])


def one_sentence_or_images(source) -> None:
    """Open it; nothing but pictures or one sentence may come."""
    try:
        images = open_images(source)
    except UserError as error:
        assert "\n" not in str(error) and str(error).endswith(".")
    else:
        assert images.read(0).shape[2] == 3


def test_uint8_with_three_channels_is_kept_as_it_is():
    pixels = stack()
    images = open_images(pixels)
    assert images.names == ["0", "1", "2", "3"] and images.labels is None and images.size() == 6
    np.testing.assert_array_equal(images.read(2), pixels[2])
    images.read(2)[:] = 0  # the caller's to change
    np.testing.assert_array_equal(images.read(2), noise(6, 8, 2))


@pytest.mark.parametrize("shape", [(3, 6, 8), (3, 6, 8, 1)])
def test_grey_becomes_three_channels(shape):
    grey = stack(3)[..., 0].reshape(shape)
    shown = open_images(grey).read(1)
    np.testing.assert_array_equal(shown, np.stack([grey[1].reshape(6, 8)] * 3, axis=2))


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", ">f4"])
def test_floats_are_rounded_to_the_nearest_of_255_steps(kind):
    values = np.random.default_rng(0).random((3, 5, 7, 3)).astype(kind)
    values[0, 0, 0] = 0, 1, 0.5
    shown = np.stack([open_images(values).read(row) for row in range(3)])
    np.testing.assert_array_equal(shown, np.rint(values * 255.0))


def test_labels_of_an_array_as_numbers_and_as_text():
    images = open_images((stack(), [7, -1, 3, 7]))
    assert images.labels.tolist() == [1, -1, 0, 1] and images.classes == ["3", "7"]
    images = open_images((stack(), np.array([["b"], ["a"], [""], ["b"]])))
    assert images.labels.tolist() == [1, 0, -1, 1] and images.classes == ["a", "b"]


def test_relabel_leaves_the_unlabelled_unlabelled():
    images = open_images((stack(), [7, -1, 3, 7])).subset(np.array([1, 2, 3]))
    assert images.relabel(["x", "3", "y", "7"]).labels.tolist() == [-1, 1, 3]
    assert images.subset(np.array([], int)).relabel(["3"]).labels.tolist() == []


def test_a_tensor_is_an_array():
    torch = pytest.importorskip("torch")
    images = open_images((torch.from_numpy(stack()), torch.tensor([0, 1, 0, 1])))
    np.testing.assert_array_equal(images.read(3), noise(6, 8, 3))
    assert images.labels.tolist() == [0, 1, 0, 1]


def test_the_fingerprint_is_of_every_byte():
    pixels = stack()
    first = open_images(pixels).fingerprint()
    assert open_images(pixels.copy()).fingerprint() == first == open_images((pixels, [0, 1, 2, 3])).fingerprint()
    other = pixels.copy()
    other[3, 5, 7, 2] ^= 1
    reshaped = pixels.reshape(4, 8, 6, 3)
    order = open_images(pixels).subset(np.array([1, 0, 2, 3]))
    prints = [first, open_images(other).fingerprint(), open_images(reshaped).fingerprint(), order.fingerprint()]
    assert len(set(prints)) == 4
    swapped = open_images(pixels[[1, 0, 2, 3]]).fingerprint()
    assert order.fingerprint() == swapped


def test_a_huge_array_is_fingerprinted_by_evenly_spread_rows(monkeypatch):
    pixels = stack(40)
    monkeypatch.setattr("unlabeled.data.images.arrays._HASHED", 10 * pixels[0].size)
    first = open_images(pixels).fingerprint()
    seen = 0
    for row in range(40):
        other = pixels.copy()
        other[row] ^= 1
        seen += open_images(other).fingerprint() != first
    assert seen == 10


def test_pickling_keeps_pixels_and_labels():
    images = open_images((stack(), [0, 1, 2, 1])).subset(np.array([3, 1]))
    copy = pickle.loads(pickle.dumps(images))
    np.testing.assert_array_equal(copy.read(0), images.read(0))
    assert copy.labels.tolist() == [1, 1] and copy.fingerprint() == images.fingerprint()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_packed_and_unpacked(tmp_path, save):
    save(tmp_path / "a.npz", images=stack(), labels=np.array([2, 0, 1, 0], np.uint8), other=np.zeros(3))
    images = open_images(tmp_path / "a.npz")
    assert images.place == str(tmp_path / "a.npz")
    np.testing.assert_array_equal(np.stack([images.read(row) for row in range(4)]), stack())
    assert images.labels.tolist() == [2, 0, 1, 0]


def test_npz_in_the_order_of_fortran_with_text_labels(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.asfortranarray(stack()), labels=np.array(["x", "y", "x", "z"]))
    images = open_images(tmp_path / "a.npz")
    np.testing.assert_array_equal(images.read(3), noise(6, 8, 3))
    assert images.classes == ["x", "y", "z"]


def npz_with(member: bytes, name: str = "images.npy", pack: bool = True) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if pack else zipfile.ZIP_STORED) as archive:
        archive.writestr(name, member)
    return stream.getvalue()


def npy(shape: str, content: bytes, kind: str = "|u1") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


@pytest.mark.parametrize("shape", ["(1099511627776, 1024, 1024)", "(2, 3, 5)", "(-1, 6, 8)", "()", "(0, 0)"])
def test_npz_is_not_believed_when_it_claims_other_bytes_than_there_are(tmp_path, shape):
    path = write(tmp_path / "a.npz", npz_with(npy(shape, b"\0" * 96)))
    with pytest.raises(UserError, match="is not a sound"):
        open_images(path)


def test_a_bomb_in_npz_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "_SMALL", 1 << 20)
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((1000, 64, 64), np.uint8))
    with pytest.raises(UserError, match="archive bomb"):
        open_images(tmp_path / "a.npz")
    monkeypatch.setattr(unpacking, "LIMIT", 1000)
    np.savez(tmp_path / "b.npz", images=stack(20))
    with pytest.raises(UserError, match="the limit is 1,000"):
        open_images(tmp_path / "b.npz")


@FUZZ
@given(st.data())
def test_any_bytes_as_npz(tmp_path, data):
    stream = io.BytesIO()
    np.savez_compressed(stream, images=stack(), labels=np.arange(4))
    content = bytearray(
        data.draw(st.sampled_from([stream.getvalue(), npz_with(npy("(2, 6, 8)", b"\1" * 96), pack=False)]))
    )
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    one_sentence_or_images(write(tmp_path / "a.npz", bytes(content if cut % 3 else content[:cut])))


@FUZZ
@given(header=st.text(max_size=60), tail=st.binary(max_size=40))
def test_any_header_of_an_array_in_npz(tmp_path, header, tail):
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header.encode())) + header.encode() + tail
    one_sentence_or_images(write(tmp_path / "a.npz", npz_with(member)))


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_with_the_labels_of_its_sibling(tmp_path, zipped):
    pixels = idx_pair(tmp_path, zipped=zipped)
    name = "train-images-idx3-ubyte" + (".gz" if zipped else "")
    for source in (tmp_path, tmp_path / name):
        images = open_images(source)
        assert images.labels.tolist() == [0, 1, 2, 0, 1] and images.place == str(source)
        np.testing.assert_array_equal(images.read(4), np.stack([pixels[4]] * 3, axis=2))


def test_idx_of_a_folder_with_both_parts_is_the_training_part(tmp_path):
    pixels = idx_pair(tmp_path, "train", 5, 1)
    idx_pair(tmp_path, "t10k", 3, 2)
    images = open_images(tmp_path)
    assert len(images) == 5
    np.testing.assert_array_equal(images.read(0)[..., 0], pixels[0])
    assert len(open_images(tmp_path / "t10k-images-idx3-ubyte.gz")) == 3


def test_idx_without_labels_under_another_name_and_with_colours(tmp_path):
    assert open_images(write(tmp_path / "anything.bin", gzip.compress(idx(stack())))).labels is None
    np.testing.assert_array_equal(open_images(tmp_path / "anything.bin").read(1), noise(6, 8, 1))


def test_idx_that_claims_more_than_there_is_does_not_allocate(tmp_path):
    header = bytes((0, 0, 8, 3)) + struct.pack(">3I", 300_000, 300, 300)  # 27 GB
    with pytest.raises(UserError, match="48 of 27,000,000,000 bytes"):
        open_images(write(tmp_path / "a-images-idx3-ubyte", header + b"\0" * 48))
    with pytest.raises(UserError, match="archive bomb"):
        open_images(write(tmp_path / "b-images-idx3-ubyte.gz", gzip.compress(header + b"\0" * 48)))


@FUZZ
@given(st.data())
def test_any_bytes_as_idx(tmp_path, data):
    whole = idx(stack()[..., 0])
    content = bytearray(data.draw(st.sampled_from([whole, gzip.compress(whole, mtime=0)])))
    for place in data.draw(st.lists(st.integers(0, min(40, len(content) - 1)), max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    name = data.draw(st.sampled_from(["a-images-idx3-ubyte", "a-images-idx3-ubyte.gz", "plain"]))
    one_sentence_or_images(write(tmp_path / "x" / name, bytes(content[: data.draw(st.integers(0, len(content)))])))
