"""A real headless Chromium on the explorer's page, driven by selenium."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

KEYS = {
    "Tab": Keys.TAB,
    "Enter": Keys.ENTER,
    "Home": Keys.HOME,
    "End": Keys.END,
    "ArrowLeft": Keys.ARROW_LEFT,
    "ArrowRight": Keys.ARROW_RIGHT,
    "Control": Keys.CONTROL,
    "Shift": Keys.SHIFT,
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
    """One window."""

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver

    def open(self, page: Path, fragment: str = "") -> None:
        self._driver.get("about:blank")
        self._driver.get(page.as_uri() + fragment)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a JavaScript function and return what it returns."""
        return self._driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def press(self, *keys: str, holding: str | None = None) -> None:
        """Press keys one after the other, by name or as the letters of a text."""
        actions = ActionChains(self._driver)
        if holding is not None:
            actions.key_down(KEYS[holding])
        actions.send_keys(*(KEYS.get(key, key) for key in keys))
        if holding is not None:
            actions.key_up(KEYS[holding])
        actions.perform()

    def point(self, x: float, y: float, *, click: bool = False) -> None:
        """Move the pointer to a place of the window, and click there."""
        actions = ActionChains(self._driver, duration=0)
        actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        if click:
            actions.click()
        actions.perform()

    def click(self, selector: str) -> None:
        self._driver.find_element(By.CSS_SELECTOR, selector).click()

    def wait_for(self, selector: str, words: str, *, seconds: float = 5) -> None:
        """Wait until an element's text has the words."""
        waiting = WebDriverWait(self._driver, seconds, poll_frequency=0.02)
        waiting.until(lambda _: words in self.text(selector), f"{selector} without {words!r}")

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
        size = {"width": width, "height": height}
        shown = {"deviceScaleFactor": 2 if width < 600 else 1, "mobile": width < 600}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, **shown})

    def prefer(self, scheme: str) -> None:
        """Ask for the light or the dark scheme."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def said(self) -> list[str]:
        """Return the messages of the console since the last call."""
        return [line["message"] for line in self._driver.get_log("browser")]

    def requested(self) -> list[str]:
        """Return the addresses that the window has asked for since the last call."""
        lines = self._driver.get_log("performance")
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
    options = ChromeOptions()
    options.binary_location = found[0]
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options, Service(found[1], env={**os.environ, "HOME": str(profile)}))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
