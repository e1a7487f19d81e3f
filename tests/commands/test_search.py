"""Search, against cosines of representations computed one by one in float64."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import unlabeled
from battery.small import digits
from finished import call, photos, refused, train


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, its data, and queries that are not among them."""
    root = tmp_path_factory.mktemp("search")
    train(photos(root / "photos"), root / "run")
    (root / "queries" / "some").mkdir(parents=True)
    for place, pixels in enumerate(digits(125)[0][120:]):
        Image.fromarray(pixels).save(root / "queries" / "some" / f"{place}.png")
    return root


def by_hand(world: Path, query: Path) -> dict[str, float]:
    """Cosine of the query with every sample by name, each picture embedded from a list of paths."""
    encoder = unlabeled.load(world / "run")
    files = sorted((world / "photos").rglob("*.png"))
    rows = encoder.embed(files).astype(np.float64)
    (asked,) = encoder.embed([query]).astype(np.float64)
    cosines = [row @ asked / np.linalg.norm(row) / np.linalg.norm(asked) for row in rows]
    names = [file.relative_to(world / "photos").as_posix() for file in files]
    return dict(zip(names, cosines, strict=True))


def test_one_query_gives_its_nearest(world: Path, capfd: Any) -> None:
    query = world / "queries" / "some" / "0.png"
    code, said = call(capfd, "search", world / "run", "--query", query, "--top", 7)
    assert code == 0 and said["query"] == str(query) and said["samples"] == 120 and said["queries"] == 1
    cosines = by_hand(world, query)
    nearest = sorted(cosines, key=lambda name: -cosines[name])[:7]
    assert [each["path"] for each in said["results"]] == nearest
    assert [each["similarity"] for each in said["results"]] == pytest.approx(
        [cosines[name] for name in nearest], abs=1e-5
    )
    assert {each["query"] for each in said["results"]} == {"0.png"} and said["sheet"] is None


def test_a_folder_asks_one_question_a_picture(world: Path, tmp_path: Path, capfd: Any) -> None:
    shutil.copytree(world / "queries", tmp_path / "q")
    (tmp_path / "q" / "broken.png").write_bytes(b"this is no picture")
    code, said = call(capfd, "search", world / "run", "--query", tmp_path / "q", "--top", 3)
    assert code == 0 and said["queries"] == 5 and [each["path"] for each in said["skipped"]] == ["broken.png"]
    asked = [each["query"] for each in said["results"]]
    assert asked == [f"some/{place}.png" for place in range(5) for _ in range(3)]
    alone = unlabeled.search(world / "run", query=world / "queries" / "some" / "3.png", top=3)
    assert [each["path"] for each in said["results"][9:12]] == [each.path for each in alone.results]


def test_a_sample_is_not_its_own_neighbour_but_its_copy_is(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "photos", tmp_path / "data")
    first = sorted((tmp_path / "data" / "3").glob("*.png"))[0]
    shutil.copy(first, first.with_name("zzz.png"))
    (tmp_path / "link.png").symlink_to(first)
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    twin = f"3/{first.name}", "3/zzz.png"
    for query in (
        first,
        tmp_path / "link.png",
        tmp_path / "linked" / "3" / first.name,
        first.parent / ".." / "3" / first.name,
    ):
        found = unlabeled.search(world / "run", query=query, data=tmp_path / "data", top=2).results
        assert found[0].path == twin[1] and found[0].similarity == pytest.approx(1, abs=1e-5), query
        assert found[1].path not in twin
    through = unlabeled.search(world / "run", query=first, data=tmp_path / "linked", top=1).results
    assert through[0].path == twin[1], "the data may be opened through a link too"
    stranger = unlabeled.search(
        world / "run", query=shutil.copy(first, tmp_path / "copy.png"), data=tmp_path / "data", top=2
    )
    assert [each.path for each in stranger.results] == list(twin), "equal similarities in the order of the data"


def test_the_data_asked_about_itself(world: Path) -> None:
    found = unlabeled.search(world / "run", query=world / "photos", top=1)
    assert found.queries == len(found.results) == 120
    assert all(each.query != each.path for each in found.results)


def test_more_than_there_are_gives_all(world: Path) -> None:
    stranger = unlabeled.search(world / "run", query=world / "queries" / "some" / "0.png", top=1000)
    assert len({each.path for each in stranger.results}) == 120
    sample = sorted((world / "photos").rglob("*.png"))[0]
    assert len(unlabeled.search(world / "run", query=sample, top=1000).results) == 119
    assert unlabeled.search(world / "run", query=sample, data=sample).results == [], "the only sample is the query"


def test_the_data_is_embedded_once(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unlabeled.evaluation import extraction

    query = world / "queries" / "some" / "1.png"
    first = unlabeled.search(world / "run", query=query)
    seen: list[int] = []
    monkeypatch.setattr(
        "unlabeled.commands.load.extract",
        lambda encode, samples, *rest: seen.append(len(samples)) or extraction.extract(encode, samples, *rest),
    )
    monkeypatch.setattr("unlabeled.commands.load.extract_blocks", lambda *rest, **more: pytest.fail("embedded again"))
    assert unlabeled.search(world / "run", query=query) == first and seen == [1]


def test_the_sheet_shows_the_query_and_its_neighbours(world: Path, tmp_path: Path) -> None:
    from unlabeled.modalities import small_picture
    from unlabeled.reports.sheet import SIDE

    query, out = world / "queries" / "some" / "0.png", tmp_path / "sheet.png"
    found = unlabeled.search(world / "run", query=query, top=3, out=out)
    assert found.sheet == str(out)
    sheet = np.asarray(Image.open(out).convert("RGB"))
    for file in (query, *(world / "photos" / each.path for each in found.results)):
        thumbnail = small_picture(np.asarray(Image.open(file).convert("RGB")), SIDE)
        rows, columns = sheet.shape[0] - SIDE + 1, sheet.shape[1] - SIDE + 1
        likely = np.argwhere((sheet[:rows, :columns] == thumbnail[0, 0]).all(axis=2))
        assert any((sheet[top : top + SIDE, left : left + SIDE] == thumbnail).all() for top, left in likely), file


def test_a_long_sheet_says_what_it_leaves_out(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unlabeled.reports import sheet

    notes: list[str] = []
    monkeypatch.setattr(
        sheet, "contact_sheet", lambda rows, title, note: notes.append(note) or Image.new("RGB", (len(rows), 1))
    )
    unlabeled.search(world / "run", query=world / "photos", top=30, out=tmp_path / "s.png")
    assert "the first 40 of 120 queries" in notes[0] and "the first 24 of 30 neighbours" in notes[0]
    assert Image.open(tmp_path / "s.png").width == 40


def test_people_get_a_table(world: Path, capfd: Any) -> None:
    from unlabeled.cli import main

    main(["search", str(world / "run"), "--query", str(world / "queries"), "--top", "5"])
    shown = capfd.readouterr()
    assert shown.out == "" and "some/4.png" in shown.err and "120 samples" in shown.err
    assert "and 10 more" in shown.err, "three of five neighbours of each of five queries are shown"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--query", "W/nowhere.png"], "nowhere.png"),
        (["--query", "W/empty"], "empty"),
        (["--query", "W/broken.png"], "broken.png"),
        (["--query", "W/queries", "--top", "0"], "at least 1"),
        (["--query", "W/queries", "--top", "many"], "top"),
        (["--top", "3"], "query"),
        (["--query", "W/queries", "--out", "W/sheet.gif"], "end it in .png"),
        (["--query", "W/queries", "--out", "W/there.png"], "--overwrite"),
        (["--query", "W/queries", "--out", "W/gone/sheet.png"], "no folder"),
        (["--query", "W/queries", "--data", "W/gone"], "gone"),
    ],
)
def test_mistakes(words: list[str], sentence: str, world: Path, capfd: Any) -> None:
    (world / "empty").mkdir(exist_ok=True)
    (world / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    (world / "there.png").write_bytes(b"kept")
    assert sentence in refused(capfd, "search", world / "run", *(word.replace("W/", f"{world}/") for word in words))
    assert (world / "there.png").read_bytes() == b"kept" and not (world / "sheet.gif").exists()


def test_no_run(world: Path, capfd: Any) -> None:
    assert "no run at" in refused(capfd, "search", world / "gone", "--query", world / "queries")
