"""A page of a real run, opened in headless Chromium: quiet, alone, no wider than its window, and drawn."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import unlabeled
from battery.small import digits
from reports.browser import Browser, installed
from reports.material import material
from unlabeled.reports.page import page

pytestmark = pytest.mark.skipif(installed() is None, reason="no Chromium is installed (looked for it on the PATH)")

DRAWN = """(() => {
  const plane = document.getElementById("plane");
  const copy = new OffscreenCanvas(plane.width, plane.height).getContext("2d");
  copy.drawImage(plane, 0, 0);
  const pixels = copy.getImageData(0, 0, plane.width, plane.height).data;
  const colours = new Set();
  for (let place = 3; place < pixels.length; place += 4)
    if (pixels[place] > 200) colours.add(`${pixels[place - 3]} ${pixels[place - 2]} ${pixels[place - 1]}`);
  return colours.size;
})()"""
"""How many colours the map shows."""

WIDER = """[...document.querySelectorAll("body *")].filter(each => !each.closest(".scroll, .unseen, [hidden]")
  && each.getBoundingClientRect().right > innerWidth + 0.5).map(each => each.outerHTML.slice(0, 80))"""
"""Elements that stand out of the window at its right."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = installed()
    assert program is not None
    with Browser(program) as found:
        yield found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    unlabeled.pretrain("simclr", data=digits(64), out=out, max_steps=4, batch_size=32, workers=0)
    return Path(unlabeled.report(out, digits(64)).report)


def quiet(browser: Browser) -> None:
    """Nothing went wrong in the page, and it asked for nothing but itself."""
    assert browser.problems == []
    assert {address.split(":")[0] for address in browser.requests} <= {"file", "data", "about"}
    assert sum(address.startswith("file:") for address in browser.requests) <= browser.opened


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_a_page_of_a_run(width: int, dark: bool, browser: Browser, written: Path) -> None:
    browser.open(written, width, dark)
    assert browser.value("innerWidth") == width
    assert browser.value("document.documentElement.scrollWidth") == width and browser.value(WIDER) == []
    assert browser.value("[...document.images].filter(each => !each.complete || !each.naturalWidth).length") == 0
    assert browser.value(DRAWN) >= 10, "ten classes, a colour each"
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in paper[4:-1].split(",")) < 200) == dark
    quiet(browser)


def test_the_map_answers_to_keys_pointer_and_legend(browser: Browser, written: Path) -> None:
    browser.open(written, 1440)
    browser.value("document.getElementById('plane').focus()")
    said = []
    for key in ("ArrowRight", "ArrowUp", "ArrowRight", "ArrowDown"):
        browser.press(key)
        said.append(browser.value("document.getElementById('map-live').textContent"))
    assert all(said) and len(set(said)) > 1, "arrow keys go from sample to sample"
    assert not browser.value("document.getElementById('tip').hidden")
    browser.press("Escape")
    assert browser.value("document.getElementById('tip').hidden")
    browser.value("document.getElementById('plane').scrollIntoView({behavior: 'instant', block: 'center'})")
    box = browser.value("(r => [r.left, r.top, r.width, r.height])(plane.getBoundingClientRect())")
    found = 0
    for across in range(1, 20):
        browser.move(box[0] + box[2] * across / 20, box[1] + box[3] / 2)
        found += not browser.value("document.getElementById('tip').hidden")
    assert found > 0, "a sample under the pointer is shown"
    browser.move(5, 5)
    before = browser.value(DRAWN)
    browser.value("document.querySelector('.legend button').click()")
    assert browser.value(DRAWN) < before, "one class alone has a colour"
    browser.value("document.getElementById('pictures').click()")
    assert browser.value("document.getElementById('pictures').getAttribute('aria-pressed')") == "true"
    quiet(browser)


def test_charts_answer_to_keys_and_pointer(browser: Browser, written: Path) -> None:
    browser.open(written, 1440)
    output = "document.querySelector('.chart output').textContent"
    last: Any = browser.value(output)
    browser.value("document.querySelector('.chart svg').focus()")
    browser.press("Home")
    assert browser.value(output).endswith("at step 1")
    browser.press("ArrowRight")
    assert browser.value(output).endswith("at step 2")
    browser.value("document.querySelector('.chart svg').blur()")
    assert browser.value(output) == last
    quiet(browser)


def test_names_that_try_to_be_scripts_do_nothing(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(material()), encoding="utf-8")
    browser.open(tmp_path / "page.html", 390)
    assert browser.value("document.querySelectorAll('main script:not([type]), main style, [onerror]').length") == 0
    assert browser.value("document.documentElement.scrollWidth") == 390
    browser.value("document.getElementById('plane').focus()")
    browser.press("ArrowRight")
    assert browser.value("document.querySelectorAll('#tip *').length") == 3, "a name is text in the tip, too"
    quiet(browser)


def test_the_harness_sees_errors_requests_and_width(browser: Browser, tmp_path: Path) -> None:
    """The checks above can fail: a page that does all that ours must not."""
    (tmp_path / "bad.html").write_text(
        "<!doctype html><div style='width: 900px'>wide</div><img src='http://127.0.0.1:9/a.png'><script>nope()</script>"
    )
    problems, requests = len(browser.problems), len(browser.requests)
    browser.open(tmp_path / "bad.html", 390)
    assert any("nope" in problem for problem in browser.problems[problems:])
    assert "http://127.0.0.1:9/a.png" in browser.requests[requests:]
    assert browser.value("document.documentElement.scrollWidth") >= 900 and browser.value(WIDER)
    browser.problems.clear()
    browser.requests.clear()
