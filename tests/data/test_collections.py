"""What every source of pictures has in common, whatever the pictures lie in."""

import gzip
import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from making import batch_of_cifar, idx, noise, packed, table, tar, write
from unlabeled.data.images import Images, open_images
from unlabeled.data.source import describe, recognise

COUNT = 6
PIXELS = np.stack([noise(32, 32, seed) for seed in range(COUNT)])
LABELS = ["a", "b", "c", "a", "b", "c"]
NUMBERS = ["abc".index(label) for label in LABELS]
PNGS = [packed(pixels, "PNG") for pixels in PIXELS]


def folder(root: Path) -> object:
    for row, (label, content) in enumerate(zip(LABELS, PNGS, strict=True)):
        write(root / label / f"{row}.png", content)
    return root


def shard(root: Path) -> object:
    content = [(f"{row}.png", png) for row, png in enumerate(PNGS)]
    content += [(f"{row}.json", f'{{"label": "{label}"}}'.encode()) for row, label in enumerate(LABELS)]
    return tar(root / "x.tar", content)


def shards(root: Path) -> object:
    for number in range(3):
        rows = range(2 * number, 2 * number + 2)
        content = [(f"{row}.json", f'{{"class": "{LABELS[row]}"}}'.encode()) for row in rows]
        tar(root / f"{number}.tar", [*content, *((f"{row}.png", PNGS[row]) for row in rows)])
    return root


def parquet(root: Path) -> object:
    return table(root / "x.parquet", 4, image=PNGS, label=LABELS)


def parquets(root: Path) -> object:
    for number in range(2):
        rows = slice(3 * number, 3 * number + 3)
        table(root / f"{number}.parquet", 2, image=PNGS[rows], label=LABELS[rows])
    return root


def archive(root: Path) -> object:
    np.savez(root / "x.npz", images=PIXELS, labels=LABELS)
    return root / "x.npz"


def mnist(root: Path) -> object:
    write(root / "train-images-idx3-ubyte.gz", gzip.compress(idx(PIXELS)))
    write(root / "train-labels-idx1-ubyte.gz", gzip.compress(idx(np.array(NUMBERS, np.uint8))))
    return root


def cifar(root: Path) -> object:
    for number in range(5):
        rows = slice(number, number + 1) if number < 4 else slice(4, 6)
        path = root / "cifar-10-batches-py" / f"data_batch_{number + 1}"
        batch_of_cifar(path, PIXELS[rows], {"labels": NUMBERS[rows]})
    meta = b"\x80\x02}q\x01(U\x0blabel_namesq\x02](" + b"".join(b"U\x01" + name for name in (b"a", b"b", b"c")) + b"eu."
    write(root / "cifar-10-batches-py" / "batches.meta", meta)
    return f"torchvision:CIFAR10:{root}"


def arrays(root: Path) -> object:
    return PIXELS, LABELS


SOURCES = {each.__name__: each for each in (folder, shard, shards, parquet, parquets, archive, mnist, cifar, arrays)}
STAMPED = ["folder", "shard", "shards", "parquet", "parquets"]


@pytest.fixture(params=SOURCES)
def source(request, tmp_path):
    return SOURCES[request.param](tmp_path)


def rows_of(images: Images) -> list[int]:
    """Which of `PIXELS` each picture is."""
    return [int(np.flatnonzero((PIXELS == images.read(place)).all((1, 2, 3)))[0]) for place in range(len(images))]


def called(images: Images) -> list[str]:
    names = [images.classes[label] for label in images.labels]
    return ["abc"[int(name)] if name.isdigit() else name for name in names]


def test_pictures_names_and_labels(source):
    images = open_images(source)
    rows = rows_of(images)
    assert sorted(rows) == list(range(COUNT)) and len(set(images.names)) == COUNT
    assert called(images) == [LABELS[row] for row in rows] and images.labels.dtype == np.int64
    assert images.skipped == [] and images.ignored == 0 and images.size() == 32
    assert recognise(source) == "images" and describe(images) == "6 images in 3 classes"


def test_a_subset_is_a_view_in_the_given_order(source):
    images = open_images(source)
    part = images.subset(np.array([5, 0, 0, 3])).subset(np.array([3, 0]))
    rows = rows_of(images)
    assert rows_of(part) == [rows[3], rows[5]] and part.names == [images.names[3], images.names[5]]
    assert called(part) == [LABELS[rows[3]], LABELS[rows[5]]] and part.reader is images.reader


def test_opened_again_it_is_the_same(source):
    first, second = open_images(source), open_images(source)
    assert (first.names, first.fingerprint()) == (second.names, second.fingerprint())
    part = first.subset(np.array([1, 0]))
    assert len({first.fingerprint(), part.fingerprint(), first.subset(np.array([0, 1])).fingerprint()}) == 3
    assert first.subset(np.arange(COUNT)).fingerprint() == first.fingerprint()


def test_it_can_be_pickled(source):
    images = open_images(source)
    images.read(0)
    copy = pickle.loads(pickle.dumps(images))
    assert (copy.names, copy.fingerprint(), rows_of(copy)) == (images.names, images.fingerprint(), rows_of(images))
    assert copy.labels.tolist() == images.labels.tolist()


def _sum(images: Images, answers) -> None:
    answers.put([int(images.read(place).sum()) for place in range(len(images))])


def test_threads_and_forked_processes_read_side_by_side(source):
    images = open_images(source)
    expected = [int(images.read(place).sum()) for place in range(COUNT)]
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    workers = [fork.Process(target=_sum, args=(images, answers)) for _ in range(3)]
    for worker in workers:
        worker.start()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda place: int(images.read(place % COUNT).sum()), range(200))) == (expected * 34)[:200]
    assert [answers.get(timeout=60) for _ in workers] == [expected] * 3
    for worker in workers:
        worker.join()


def test_a_table_of_labels_replaces_its_own(source, tmp_path):
    images = open_images(source)
    lines = [f'"{name}",{row % 2}' for row, name in enumerate(images.names[:-1])]
    labels = write(tmp_path / "labels.csv", "\n".join(["path,label", *lines, "absent,1"]).encode())
    again = open_images(source, labels)
    assert again.labels.tolist() == [0, 1, 0, 1, 0, -1] and again.classes == ["0", "1"]
    assert [one.path for one in again.skipped] == ["absent"] and rows_of(again) == rows_of(images)


def test_relabel_brings_two_sources_to_the_same_numbers(source):
    images = open_images(source)
    names = list(images.classes)
    again = images.relabel(["other", *reversed(names)])
    assert [again.classes[label] for label in again.labels] == [images.classes[label] for label in images.labels]


@pytest.mark.parametrize("name", STAMPED)
def test_the_fingerprint_changes_with_the_files_and_not_with_their_folder(name, tmp_path):
    (tmp_path / "one").mkdir()
    opened = SOURCES[name](tmp_path / "one")
    first = open_images(opened).fingerprint()
    (tmp_path / "one").rename(tmp_path / "two")
    moved = Path(str(opened).replace("/one", "/two"))
    assert open_images(moved).fingerprint() == first
    changed = next(path for path in sorted((tmp_path / "two").rglob("*")) if path.is_file())
    times = changed.stat().st_atime_ns, changed.stat().st_mtime_ns
    os.utime(changed, ns=(times[0], times[1] + 1))
    assert open_images(moved).fingerprint() != first


@pytest.mark.parametrize("name", STAMPED)
def test_a_jpeg_is_decoded_smaller_where_that_is_enough(name, tmp_path, monkeypatch):
    large = [packed(noise(64, 96, seed), "JPEG") for seed in range(COUNT)]
    monkeypatch.setattr(f"{__name__}.PNGS", large)
    images = open_images(SOURCES[name](tmp_path))
    assert images.read(0, 32).shape == (32, 48, 3) and images.read(0, 33).shape == (64, 96, 3) and images.size() == 64


def test_training_on_shards_is_training_on_files(tmp_path):
    """The same pictures in the same order: the same encoder to the last bit, also when it is interrupted."""
    import unlabeled

    flags = {"batch_size": 3, "image_size": 8, "encoder": "small_resnet", "optimizer": "adamw", "epochs": 2}
    for row, content in enumerate(PNGS):
        write(tmp_path / "files" / f"{row}.png", content)
    sources = {"files": tmp_path / "files"}
    for name in ("shard", "shards", "parquet"):
        (tmp_path / name).mkdir()
        sources[name] = SOURCES[name](tmp_path / name)
    weights = set()
    for name, opened in sources.items():
        run = unlabeled.pretrain("simclr", data=opened, out=tmp_path / "runs" / name, workers=2, **flags)
        weights.add((Path(run) / "encoder.safetensors").read_bytes())
        half = unlabeled.pretrain(
            "simclr",
            data=opened,
            out=tmp_path / "halves" / name,
            workers=0,
            max_time=1e-9,
            checkpoint_seconds=0,
            **flags,
        )
        assert not half.finished
        whole = unlabeled.pretrain("simclr", out=half, resume=True)
        assert whole.finished
        weights.add((Path(whole) / "encoder.safetensors").read_bytes())
    assert len(weights) == 1
