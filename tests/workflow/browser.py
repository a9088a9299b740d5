"""A real headless Chromium, driven through chromedriver by plain HTTP: no package is needed."""

import base64
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KEYS = {
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "Home": "\ue011",
    "End": "\ue010",
    "ArrowLeft": "\ue012",
    "ArrowRight": "\ue014",
    "Control": "\ue009",
}
#: What Chromium needs to run as root, in a container, and without calling home.
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--window-size=1280,1000",
)


def programs() -> tuple[str, str] | None:
    """Return the paths of Chromium and its driver; None where one is missing."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    browser = next((path for name in names if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Browser:
    """One window; see the WebDriver standard for what is sent."""

    def __init__(self, session: str) -> None:
        self._session = session

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return _send(method, f"{self._session}/{path}", body)

    def cdp(self, command: str, **parameters: Any) -> Any:
        return self._send("POST", "goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, page: Path, fragment: str = "") -> None:
        self._send("POST", "url", {"url": "about:blank"})
        self._send("POST", "url", {"url": page.as_uri() + fragment})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a JavaScript function and return what it returns."""
        return self._send("POST", "execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def press(self, *keys: str, holding: str | None = None) -> None:
        """Press keys one after the other, by name or as the letters of a text."""
        actions = [] if holding is None else [{"type": "keyDown", "value": KEYS[holding]}]
        for key in keys:
            for letter in [KEYS[key]] if key in KEYS else key:
                actions += [{"type": kind, "value": letter} for kind in ("keyDown", "keyUp")]
        if holding is not None:
            actions.append({"type": "keyUp", "value": KEYS[holding]})
        self._send(
            "POST", "actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}
        )

    def point(self, x: float, y: float, *, click: bool = False) -> None:
        """Move the pointer to a place of the window, and click there."""
        moves: list[dict[str, Any]] = [
            {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0}
        ]
        if click:
            moves += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self._send(
            "POST", "actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": moves}]}
        )

    def click(self, selector: str) -> None:
        """Scroll to an element and click in its middle."""
        x, y = self.run(
            "const found = document.querySelector(arguments[0]);"
            "found.scrollIntoView({block: 'center'});"
            "const box = found.getBoundingClientRect();"
            "return [box.left + box.width / 2, box.top + box.height / 2]",
            selector,
        )
        self.point(x, y, click=True)

    def wait_for(self, selector: str, words: str, *, seconds: float = 5) -> None:
        """Wait until an element's text has the words."""
        deadline = time.monotonic() + seconds
        while words not in self.text(selector):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{selector} is {self.text(selector)!r}, without {words!r}")
            time.sleep(0.02)

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a select, as a user's choice arrives at the page."""
        self.run(
            "const select = document.querySelector(arguments[0]); select.value = arguments[1];"
            "select.dispatchEvent(new Event('change', {bubbles: true}))",
            selector,
            value,
        )

    def resize(self, width: int, height: int) -> None:
        """Show the page as a screen of that size does."""
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if width < 600 else 1,
            mobile=width < 600,
        )

    def prefer(self, scheme: str) -> None:
        """Ask for the light or the dark scheme."""
        self.cdp(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        taken = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))

    def said(self) -> list[str]:
        """Return the messages of the console since the last call."""
        return [line["message"] for line in self._send("POST", "se/log", {"type": "browser"})]

    def requested(self) -> list[str]:
        """Return the addresses that the window has asked for since the last call."""
        lines = self._send("POST", "se/log", {"type": "performance"})
        events = [json.loads(line["message"])["message"] for line in lines]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start Chromium with a profile folder of its own, and end it afterwards."""
    found = programs()
    assert found is not None
    process = subprocess.Popen(
        [found[1], "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HOME": str(profile)},
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            started = re.search(r"started successfully on port (\d+)", line)
            if started:
                break
        else:
            raise RuntimeError("chromedriver did not start")
        address = f"http://127.0.0.1:{started[1]}/session"
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {
                "binary": found[0],
                "args": [*ARGUMENTS, f"--user-data-dir={profile}"],
            },
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        session = _send("POST", address, {"capabilities": {"alwaysMatch": wanted}})
        session_address = f"{address}/{session['sessionId']}"
        try:
            yield Browser(session_address)
        finally:
            _send("DELETE", session_address)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _send(method: str, address: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(
        address,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as response:
            return json.load(response)["value"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(json.load(error)["value"]["message"]) from error
