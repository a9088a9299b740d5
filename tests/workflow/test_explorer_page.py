"""The explorer in a real browser, from disk, held against the tables it was made from."""

import io
import re
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import browser as chromium
import numpy as np
import pandas as pd
import pytest
from nb201_space import EDGES, OPERATIONS, nb201
from PIL import Image

from hanas.core.files import RESOURCES, read_json
from hanas.fronts import picks
from hanas.fronts.rows import Row, read_history
from hanas.report import explorer as explorer_page

pytestmark = pytest.mark.slow  # starts a browser

MARKS = ("found", "true", "other", "cloud", *(f"also-{number}" for number in range(5)))
#: Keeps what the page saves instead of leaving it to the browser.
KEEP = """
window.saved = [];
const address = URL.createObjectURL;
URL.createObjectURL = (blob) => { window.saved.push(blob); return address(blob); };
HTMLAnchorElement.prototype.click = function () { window.savedAs = this.download; };
"""
TYPE = """
const field = document.querySelector(arguments[0]);
field.value = arguments[1];
field.dispatchEvent(new Event("input", {bubbles: true}));
"""
OVERLAPS = """
const boxes = [...document.querySelectorAll(arguments[0])].filter((text) => text.textContent)
  .map((text) => [text.textContent, text.getBoundingClientRect()]);
const found = [];
boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
  if (a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)
    found.push(`${one} / ${other}`);
}));
return found;
"""


@dataclass(frozen=True)
class Explorer:
    """The page of a computed study, open in a window."""

    window: chromium.Browser
    folder: Path

    def open(self, **choices: str) -> None:
        """Load the page with choices in its address, as a link to it has them."""
        fragment = "&".join(f"{key}={value}" for key, value in choices.items())
        self.window.open(self.folder / "results" / "explorer.html", f"#{fragment}")

    def table(self, *parts: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder.joinpath("results", *parts))

    def front(self, device: str, proxy: str, search: str) -> pd.DataFrame:
        """Return the front as Python finds it, with the truth, in order of preference."""
        histories = self.folder / f"results/searches/toy/{device}/{proxy}.parquet"
        front = picks.found_front(read_history(str(histories), search), nb201)[["arch"]]
        metrics = self.table("devices", device, "nb201", "toy.parquet")
        accuracies = self.table("benchmarks", "nb201", "toy.parquet")
        front = front.merge(metrics.drop(columns="source"), how="left", on="arch")
        return front.merge(accuracies.drop(columns="source"), how="left", on="arch")

    def copied(self) -> str:
        """Wait until the page says that it copied, and return what is pasted then."""
        self.window.wait_for("#said", "Copied")
        self.window.run(
            "const field = document.createElement('textarea'); field.id = 'pasted';"
            "document.body.append(field); field.focus({preventScroll: true})"
        )
        self.window.press("v", holding="Control")
        return self.window.run(
            "const field = document.querySelector('#pasted'), text = field.value;"
            "field.remove(); document.querySelector('#said').textContent = ''; return text"
        )


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    if chromium.programs() is None:
        pytest.skip("no Chromium with chromedriver is installed")
    with chromium.browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def explorer(computed_study, window):
    window.resize(1280, 900)
    window.prefer("light")
    window.requested()
    window.said()
    yield Explorer(window, computed_study.folder)
    assert window.said() == []


def explorer_rows(folder: Path) -> list[Row]:
    """Return the searches that the page is of, from its facts."""
    facts = read_json(folder / "results" / "explorer.json")
    return [Row(**row) for row in facts["settings"]["rows"]]


def index_of(arch: str) -> int:
    return int(nb201.index_of(nb201.from_text(arch)[None])[0])


def assert_pick(explorer: Explorer, expected: pd.Series) -> None:
    """Assert that the page says to take an architecture, and copies it."""
    said = explorer.window.text("#pick-text")
    numbers = [
        float(number) for number in re.findall(r"[\d.]+(?= (?:%|ms|mJ)(?: accuracy|[,.]))", said)
    ]
    metrics = [name for name in ("latency_ms", "energy_mj") if name in expected]
    assert f"take network {index_of(expected['arch'])}:" in said
    assert numbers == pytest.approx(
        [expected[name] for name in ("accuracy_percent", *metrics)], abs=0.0051
    )
    explorer.window.click("#pick-copy")
    assert explorer.copied() == expected["arch"]


def test_page_loads_from_disk_and_asks_for_nothing_else(explorer):
    explorer.open()
    asked = [
        url
        for url in explorer.window.requested()
        if not url.startswith(("data:", "about:", "chrome"))
    ]
    assert asked == [(explorer.folder / "results" / "explorer.html").as_uri()]
    assert explorer.window.run("return document.querySelectorAll('#chart .found').length") > 0
    sources = explorer.window.text("#sources")
    for table in ("benchmarks/nb201/toy", "devices/edgegpu/nb201/toy"):
        assert explorer.table(f"{table}.parquet")["source"].iloc[0] in sources


@pytest.mark.parametrize("device", ["edgegpu", "edgetpu"])
@pytest.mark.parametrize("proxy", ["gdas_toy", "params"])
@pytest.mark.parametrize("search", ["nsga2", "random"])
def test_pick_without_limits_is_that_of_python(explorer, device, proxy, search):
    explorer.open()
    for key, value in (("device", device), ("proxy", proxy), ("search", search)):
        explorer.window.choose(f"#{key}", value)
    assert_pick(explorer, explorer.front(device, proxy, search).iloc[0])


@pytest.mark.parametrize("where", ["edgegpu", "edgetpu"])
def test_pick_keeps_within_the_latency_limit(explorer, where):
    explorer.open(device=where, proxy="params", search="random")
    front = explorer.front(where, "params", "random")
    # The latencies of the front themselves: equal is within.
    for limit in sorted(front["latency_ms"]):
        explorer.window.run(TYPE, "#limit-latency_ms", repr(limit))
        position = picks.pick(front, {"latency_ms": limit})
        assert_pick(explorer, front.iloc[position])
    explorer.window.run(
        TYPE, "#limit-latency_ms", repr(float(np.nextafter(front["latency_ms"].min(), 0)))
    )
    assert "nothing to take" in explorer.window.text("#pick-text")
    assert explorer.window.run("return document.querySelector('#pick-copy').disabled")


def test_pick_keeps_within_both_limits(explorer):
    explorer.open(device="edgegpu", proxy="params", search="random")
    front = explorer.front("edgegpu", "params", "random")
    limits = {name: float(front[name].median()) for name in ("latency_ms", "energy_mj")}
    for name, limit in limits.items():
        explorer.window.run(TYPE, f"#limit-{name}", repr(limit))
    position = picks.pick(front, limits)
    if position is None:
        assert "nothing to take" in explorer.window.text("#pick-text")
    else:
        assert_pick(explorer, front.iloc[position])


def test_a_device_without_energy_has_no_energy_limit(explorer):
    explorer.open(device="edgegpu")
    assert explorer.window.run("return !!document.querySelector('#slider-energy_mj')")
    explorer.window.choose("#device", "edgetpu")
    assert not explorer.window.run("return !!document.querySelector('#slider-energy_mj')")


def test_a_limit_that_is_no_positive_number_is_refused(explorer):
    explorer.open(device="edgegpu")
    before = explorer.window.text("#pick-text")
    explorer.window.run(TYPE, "#limit-latency_ms", "-3")
    invalid = "return document.querySelector('#limit-latency_ms').getAttribute('aria-invalid')"
    assert explorer.window.run(invalid) == "true"
    assert "above 0" in explorer.window.text(".limit output")
    assert explorer.window.text("#pick-text") == before


def test_slider_moves_the_limit_by_keyboard(explorer):
    explorer.open(device="edgegpu", proxy="params", search="random")
    front = explorer.front("edgegpu", "params", "random")
    explorer.window.run("document.querySelector('#slider-latency_ms').focus()")
    explorer.window.press(*["ArrowLeft"] * 60)
    limit = float(explorer.window.run("return document.querySelector('#limit-latency_ms').value"))
    assert front["latency_ms"].min() < limit < front["latency_ms"].max()
    assert f"Up to {limit:g} ms take" in explorer.window.text("#pick-text")
    assert_pick(explorer, front.iloc[picks.pick(front, {"latency_ms": limit})])
    explorer.window.run("document.querySelector('#slider-latency_ms').focus()")
    explorer.window.press("End")
    assert explorer.window.run("return document.querySelector('#limit-latency_ms').value") == ""
    assert explorer.window.text("#pick-text").startswith("Without a limit")


def test_keyboard_alone_walks_along_the_front_and_copies(explorer):
    explorer.open(device="edgegpu", proxy="params", search="random", whole="1")
    reached = []
    for _ in range(30):
        explorer.window.press("Tab")
        reached.append(explorer.window.run("return document.activeElement.id"))
        if reached[-1] == "chart":
            break
    assert reached[:4] == ["device", "proxy", "search", "compare"]  # there is but one task
    assert {"slider-latency_ms", "limit-latency_ms", "slider-energy_mj", "pick-copy"} <= set(
        reached
    )
    assert reached[-1] == "chart"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert explorer.window.run(outline) == "solid"
    by_latency = explorer.front("edgegpu", "params", "random").sort_values("latency_ms")
    for key, expected in (("Home", 0), ("ArrowRight", 1), ("ArrowLeft", 0), ("End", -1)):
        explorer.window.press(key)
        assert explorer.window.text("#arch") == by_latency["arch"].iloc[expected]
    said = explorer.window.text("#network-text")
    assert f"Network {index_of(by_latency['arch'].iloc[-1])}, on the found front" in said
    explorer.window.press("Enter")
    assert explorer.copied() == by_latency["arch"].iloc[-1]


def test_pointer_shows_the_network_and_a_click_copies_it(explorer):
    explorer.open(device="edgegpu", proxy="params", search="random", whole="1")
    front = explorer.front("edgegpu", "params", "random")
    fastest = front.loc[front["latency_ms"].idxmin()]
    explorer.window.run("document.querySelector('#chart').scrollIntoView({block: 'center'})")
    left, top = explorer.window.run(
        "const points = [...document.querySelectorAll('#chart .found')]"
        ".map((point) => point.getBoundingClientRect()).sort((a, b) => a.left - b.left);"
        "return [points[0].left + points[0].width / 2, points[0].top + points[0].height / 2]"
    )
    explorer.window.point(left, top)
    assert explorer.window.text("#arch") == fastest["arch"]
    explorer.window.point(left, top, click=True)
    assert explorer.copied() == fastest["arch"]
    # The cell is drawn: four nodes, six edges with the names of their operations.
    assert explorer.window.run("return document.querySelectorAll('#cell .node').length") == 4
    drawn = explorer.window.text("#cell title")
    short = {
        "none": "none",
        "skip_connect": "skip",
        "nor_conv_1x1": "conv 1×1",
        "nor_conv_3x3": "conv 3×3",
        "avg_pool_3x3": "pool 3×3",
    }
    genes = nb201.from_text(fastest["arch"])
    expected = [
        f"node {target} from node {source}: {short[OPERATIONS[gene]]}"
        for (target, source), gene in zip(EDGES, genes, strict=True)
    ]
    assert drawn == "; ".join(expected)


def test_the_same_network_is_shown_on_every_device(explorer):
    explorer.open(device="edgegpu", proxy="params", search="nsga2")
    arch = explorer.window.text("#arch")
    rows = explorer.window.run(
        "return [...document.querySelectorAll('#numbers table:last-child tbody tr')]"
        ".map((row) => [...row.children].map((cell) => cell.textContent)).slice(-2)"
    )
    assert [row[0] for row in rows] == ["edgegpu", "edgetpu"]
    for device, latency, _, mark in rows:
        metrics = explorer.table("devices", device, "nb201", "toy.parquet").set_index("arch")
        if metrics.loc[arch, "feasible"]:
            expected = metrics.loc[arch, "latency_ms"]
            assert float(latency) == pytest.approx(expected, abs=0.0051)
            on_front = arch in explorer.front(device, "params", "nsga2")["arch"].tolist()
            assert mark == ("●" if on_front else "")
        else:
            assert (latency, mark) == ("–", "cannot run it")


def _found_at(explorer: Explorer) -> dict[str, tuple[float, float]]:
    """Return where the points of the found front are drawn, by what they are."""
    found = explorer.window.run(
        "return [...document.querySelectorAll('#chart circle.found')].map((point) => "
        "[point.dataset.id, Number(point.getAttribute('cx')), Number(point.getAttribute('cy'))])"
    )
    return {which: (x, y) for which, x, y in found}


def test_zooming_and_moving_keep_points_where_their_numbers_are(explorer):
    explorer.open(device="edgegpu", proxy="params", search="random", whole="1")
    whole = _found_at(explorer)
    chosen = explorer.window.run(
        "return document.querySelector('#chart .current').getAttribute('cx')"
    )
    explorer.window.run("document.querySelector('#chart').focus()")
    explorer.window.press("+")
    explorer.window.wait_for("#said", "In view: latency")
    zoomed = _found_at(explorer)
    assert 0 < len(zoomed) <= len(whole)
    # Around the chosen point, twice as far apart.
    here = float(chosen)
    for which, (x, _) in zoomed.items():
        assert x - here == pytest.approx(2 * (whole[which][0] - here), abs=0.2)
    link = explorer.window.run("return location.hash")
    assert "view=" in link
    explorer.window.run("document.querySelector('#chart').focus()")
    explorer.window.press("ArrowRight", holding="Shift")
    moved = _found_at(explorer)
    shared = zoomed.keys() & moved.keys()
    assert shared
    assert all(moved[each][0] == pytest.approx(zoomed[each][0] - 60, abs=0.2) for each in shared)
    page = explorer.folder / "results" / "explorer.html"
    explorer.window.open(page, link)  # the link gives the view again
    assert _found_at(explorer) == zoomed
    explorer.window.click("#zoom-all")
    assert _found_at(explorer) == whole
    assert "view=" not in explorer.window.run("return location.hash")


def test_the_wheel_zooms_with_control_only_and_a_drag_is_no_click(explorer):
    explorer.open(device="edgegpu", proxy="params", search="random", whole="1")
    whole = _found_at(explorer)
    wheel = (
        "const box = document.querySelector('#chart').getBoundingClientRect();"
        "document.querySelector('#chart').dispatchEvent(new WheelEvent('wheel', {deltaY: -100,"
        "ctrlKey: arguments[0], clientX: box.left + 200,"
        "clientY: box.top + 150, cancelable: true}))"
    )
    explorer.window.run(wheel, False)
    assert _found_at(explorer) == whole
    explorer.window.run(wheel, True)
    zoomed = _found_at(explorer)
    assert zoomed != whole
    drag = (
        "const chart = document.querySelector('#chart'), box = chart.getBoundingClientRect();"
        "const at = (kind, x, buttons) => chart.dispatchEvent(new PointerEvent(kind, {"
        "bubbles: true, button: 0, buttons, clientX: box.left + x, clientY: box.top + 150}));"
        "at('pointerdown', 200, 1); at('pointermove', 230, 1); at('pointerup', 230, 0);"
        "at('click', 230, 0); return document.querySelector('#said').textContent"
    )
    assert explorer.window.run(drag) == ""
    moved = _found_at(explorer)
    shared = moved.keys() & zoomed.keys()
    assert shared
    assert all(moved[each][0] == pytest.approx(zoomed[each][0] + 30, abs=0.2) for each in shared)


def test_fronts_of_several_devices_stand_in_one_chart(explorer):
    explorer.open(device="edgegpu", proxy="params", search="random", whole="1", also="edgetpu")
    marks = explorer.window.run("return document.querySelectorAll('#chart svg .also').length")
    assert marks == len(explorer.front("edgetpu", "params", "random"))
    assert "found front on edgetpu" in explorer.window.text("#legend")
    label = "return document.querySelector('#chart').getAttribute('aria-label')"
    assert "beside it the fronts on edgetpu" in explorer.window.run(label)
    explorer.window.choose("#horizontal", "energy_mj")  # which that device has not
    assert explorer.window.run("return document.querySelectorAll('#chart svg .also').length") == 0


def test_what_is_shown_is_saved_as_a_table(explorer):
    explorer.open(device="edgegpu", proxy="params", search="random", whole="1", also="edgetpu")
    explorer.window.run(KEEP)
    explorer.window.click("#save-csv")
    assert explorer.window.run("return window.savedAs") == "edgegpu-toy-params-random.csv"
    table = pd.read_csv(io.StringIO(explorer.window.run("return window.saved[0].text()")))
    for device in ("edgegpu", "edgetpu"):
        expected = explorer.front(device, "params", "random").set_index("arch").sort_index()
        rows = table[(table["shown_as"] == "found front") & (table["device"] == device)]
        rows = rows.set_index("arch").sort_index()
        assert list(rows.index) == list(expected.index)
        for name in ("accuracy_percent", "latency_ms"):
            assert rows[name].to_numpy() == pytest.approx(expected[name].to_numpy(), rel=1e-6)
    assert set(table["shown_as"]) == {"found front", "evaluated", "true front"}


def test_the_chart_is_saved_as_a_picture(explorer):
    explorer.open(device="edgegpu", proxy="params", search="random", whole="1", also="edgetpu")
    explorer.window.run(KEEP)
    explorer.window.click("#save-svg")
    drawn = ElementTree.fromstring(explorer.window.run("return window.saved[0].text()"))
    svg = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in drawn.iter(f"{svg}text")]
    assert "found front on edgetpu" in texts
    assert any("on edgegpu, toy" in (text or "") for text in texts)
    red = [mark for mark in drawn.iter(f"{svg}circle") if mark.get("fill") == "rgb(196, 22, 28)"]
    assert len(red) == len(_found_at(explorer)) + 1  # and the one of the legend
    explorer.window.click("#save-png")
    explorer.window.wait_for("#said", ".png")
    start = explorer.window.run(
        "return window.saved.at(-1).arrayBuffer().then((bytes) => [...new Uint8Array(bytes)])"
    )
    with Image.open(io.BytesIO(bytes(start))) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24)}
        assert picture.width == 2 * int(float(drawn.get("width", "0")))
    assert {(255, 255, 255), (196, 22, 28)} <= colours


def test_a_task_without_a_benchmark_is_shown_by_what_was_seen(explorer, tmp_path):
    rows = explorer_rows(explorer.folder)
    nothing = dict.fromkeys(("accuracies", "metrics", "proxy_table"))
    unjudged = [replace(row, **nothing, accuracy_floor_percent=0) for row in rows]
    with chdir(explorer.folder):
        data = explorer_page.explorer_data(unjudged)
    parts = {
        name: (RESOURCES / "explorer" / file).read_text(encoding="utf-8")
        for name, file in (("page", "page.html"), ("style", "style.css"), ("script", "explorer.js"))
    }
    page = tmp_path / "page.html"
    page.write_text(explorer_page.html(data, **parts), encoding="utf-8")
    explorer.window.open(page, "#device=edgegpu&proxy=params&search=random")
    front = explorer.front("edgegpu", "params", "random")
    said = explorer.window.text("#pick-text")
    assert "accuracy" not in said
    first = front.iloc[0]
    assert f"take network {index_of(first['arch'])}: {first['latency_ms']:.3f}" in said
    assert "true accuracy is not known" in explorer.window.text("#pick-numbers")
    assert len(_found_at(explorer)) == len(front)
    axes = "return [...document.querySelectorAll('#vertical option')].map((one) => one.value)"
    assert explorer.window.run(axes) == ["proxy"]
    assert "NaN" not in explorer.window.run("return document.body.innerText")


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("vertical", ["true", "proxy"])
def test_nothing_overlaps_or_leaves_the_screen(explorer, width, vertical):
    explorer.window.resize(width, 800)
    for device in ("edgegpu", "edgetpu"):
        explorer.open(device=device, vertical=vertical, proxy="params", whole="1")
        assert explorer.window.run("return document.documentElement.scrollWidth <= innerWidth")
        assert explorer.window.run(OVERLAPS, "#chart text") == []
        assert explorer.window.run(OVERLAPS, "#cell text") == []
        clipped = explorer.window.run(
            "const box = document.querySelector('#chart').getBoundingClientRect();"
            "return [...document.querySelectorAll('#chart text')].filter((text) => {"
            "  const at = text.getBoundingClientRect();"
            "  return at.left < box.left || at.right > box.right || at.bottom > box.bottom;"
            "}).map((text) => text.textContent)"
        )
        assert clipped == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_told_from_the_paper(explorer, scheme):
    explorer.window.prefer(scheme)
    explorer.open()
    colours = explorer.window.run(
        "const style = getComputedStyle(document.documentElement);"
        "return Object.fromEntries(arguments[0].map((name) =>"
        "  [name, style.getPropertyValue(`--${name}`).trim()]))",
        ["paper", "panel", "ink", "soft", *MARKS],
    )
    paper = _luminance(colours["paper"])
    assert (paper < 0.5) == (scheme == "dark")
    for name in ("ink", "soft", *MARKS):
        for behind in ("paper", "panel"):
            pair = sorted((_luminance(colours[name]), _luminance(colours[behind])))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (name, behind)


def _luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb as the WCAG defines it."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
