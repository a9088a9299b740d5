"""Texts of others on the explorer's page, in a real browser: nothing runs, nothing breaks out."""

import json
import re
from pathlib import Path
from typing import Any

import browser as chromium
import pytest

from hanas.report import explorer

pytestmark = pytest.mark.slow  # starts a browser

PARTS = Path(explorer.__file__).parents[1] / "resources" / "explorer"
RUNS = "<img src=x onerror='window.ran=1'><svg onload='window.ran=1'><script>window.ran=1</script>"
HOSTILE = f'</script></option></title>{RUNS}<!-- {{{{data}}}} \u2028\u202e "&amp;` ${{ran=1}}'
#: What is no text of anybody: the page's own words for numbers.
OWN = {"error", "score", "latency_ms", "energy_mj"}
#: Under these, keys are names of the study.
NAMED = {"spaces", "tasks", "devices", "proxies", "searches", "of_task"}
TRAINED = {
    "device": "edgegpu",
    "task": "toy",
    "known": ["accuracies are of one seed"],
    "doubts": ["these pictures are few"],
    "headlines": ["hanas loses here"],
    "head": ["network", "accuracy"],
    "rows": [["published/mobilenet_v2", "90 %"]],
    "notes": ["a note"],
}
FOUND = """
const all = [...document.querySelectorAll("*")];
return {
  ran: window.ran === undefined ? 0 : 1,
  handled: all.filter((e) => e.getAttributeNames().some((n) => n.startsWith("on"))).length,
  kinds: [...new Set(all.map((e) => e.localName))].sort(),
  scripts: document.scripts.length,
};
"""
CHOOSE = """
const field = document.querySelector(arguments[0]);
field.selectedIndex = field.options.length - 1;
field.dispatchEvent(new Event("input", {bubbles: true}));
field.dispatchEvent(new Event("change", {bubbles: true}));
"""


def hostile(node: Any, field: str = "") -> Any:
    """Return the page's data in which every text and name is one that a page might run."""
    if isinstance(node, dict):
        named = field in NAMED or (field == "device" and "metrics" not in node)
        return {
            (key + HOSTILE if named else key): hostile(value, _below(field, key))
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [hostile(each, field) for each in node]
    is_text = isinstance(node, str) and node not in OWN and not re.match(r"[uf]\d:", node)
    return node + HOSTILE if is_text else node


def _below(field: str, key: str) -> str:
    return "device" if field == "devices" else key


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    if chromium.programs() is None:
        pytest.skip("no Chromium with chromedriver is installed")
    with chromium.browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_no_text_of_others_is_run(computed_study, window, tmp_path):
    shown = (computed_study.folder / "results" / "explorer.html").read_text(encoding="utf-8")
    embedded = re.search(r'<script type="application/json" id="data">(.*?)</script>', shown, re.S)
    assert embedded is not None
    data = json.loads(embedded[1]) | {"trained": [TRAINED]}
    pages = {}
    for name, content in (("plain", data), ("hostile", hostile(data))):
        pages[name] = tmp_path / f"{name}.html"
        files = {"page": "page.html", "style": "style.css", "script": "explorer.js"}
        parts = {part: (PARTS / file).read_text(encoding="utf-8") for part, file in files.items()}
        pages[name].write_text(explorer.html(content, **parts), encoding="utf-8")
    found = {}
    for name, page in pages.items():
        window.open(page)
        found[name] = [window.run(FOUND)]
        for field in ("device", "proxy", "search", "compare", "vertical", "horizontal"):
            window.run(CHOOSE, f"#{field}")  # then all is drawn anew
            found[name].append(window.run(FOUND))
    assert found["hostile"] == found["plain"]
    assert all((each["ran"], each["scripts"]) == (0, 2) for each in found["plain"])
    # The texts are there, as texts: sources, doubts, what is known, labels, published networks.
    window.open(pages["hostile"])
    text = window.run("return document.body.textContent.split('id=\"data\"')[0]")
    for place in ("#known", "#doubts", "#sources", "#trained-models", "#plot-title", "#proxy"):
        assert "<img src=x onerror=" in window.text(place), place
    assert "published/mobilenet_v2</script>" in text
    assert window.said() == []
