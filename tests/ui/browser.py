"""A headless Chromium on the Dagster UI. Elements are found by the text that a user reads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver.remote.webelement import WebElement

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1600,1000",
)
PATIENCE_SECONDS = 60
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """One page. Every method waits for what it needs, and fails when it does not come."""

    def __init__(self, chromium: str, chromedriver: str, profile: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service

        options = Options()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        self._driver = webdriver.Chrome(options=options, service=Service(chromedriver))
        self._url = ""

    def visit(self, url: str) -> None:
        """Choose the server whose pages are opened."""
        self._url = url

    def open(self, path: str) -> None:
        self._driver.get(self._url + path)

    def open_file(self, path: Path) -> None:
        self._driver.get(path.as_uri())

    def complaints(self) -> list[str]:
        """What the page logged as errors."""
        entries: list[dict[str, str]] = self._driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def close(self) -> None:
        self._driver.quit()

    def find(self, xpath: str) -> WebElement:
        """The first visible element."""
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self._driver, PATIENCE_SECONDS)
        found: WebElement = wait.until(lambda _: self._visible(xpath), f"nothing visible is {xpath}")
        return found

    def find_text(self, text: str) -> WebElement:
        """The first visible element with exactly this text of its own."""
        return self.find(f"//*[text()[normalize-space(.)='{text}']]")

    def click(self, text: str) -> None:
        """Click on a text, wherever it stands."""
        self._click(self.find_text(text))

    def click_graph(self, *names: str) -> None:
        """Click on nodes of a lineage graph, all but the first with Shift held down."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        for index, name in enumerate(names):
            node = self.find(f"//*[name()='foreignObject']//*[text()[normalize-space(.)='{name}']]")
            actions = ActionChains(self._driver)
            if index:
                actions.key_down(Keys.SHIFT)
            actions.move_to_element(node).click()
            if index:
                actions.key_up(Keys.SHIFT)
            actions.perform()

    def open_launchpad(self) -> None:
        """Open the launchpad from the menu beside the button that materializes an asset."""
        self._click(self.find("//button[contains(., 'Materialize')]/following::button[1]"))
        self._click(self.find("//*[contains(normalize-space(text()), 'Open launchpad')]"))

    def write_config(self, text: str) -> None:
        """Replace what stands in the launchpad's editor."""
        self.find("//*[contains(@class, 'cm-s-config-editor')]")
        self._driver.execute_script(
            "document.querySelector('.cm-s-config-editor').CodeMirror.setValue(arguments[0])", text
        )

    def launch(self) -> None:
        """Start the run that the launchpad describes."""
        self._click(self.find("//button[normalize-space(.)='Materialize' and not(@disabled)]"))

    def switch(self) -> None:
        """Flip the one switch of a page."""
        self._click(self.find("//label[.//input[@type='checkbox']]"))

    def columns(self) -> dict[str, str]:
        """The table below "Columns" of an asset page: type by name."""
        self.find_text("Column name")
        rows = self._driver.find_elements("xpath", "//table[.//*[text()='Column name']]//tbody/tr")
        cells = [[cell.text for cell in row.find_elements("xpath", "./td")] for row in rows]
        return {name: dtype for name, dtype, *_ in cells}

    def table(self, xpath: str) -> list[list[str]]:
        """The texts of a table's cells, header first."""
        rows = self.find(xpath).find_elements("xpath", ".//tr")
        return [[cell.text for cell in row.find_elements("xpath", "./th|./td")] for row in rows]

    def width_of_picture(self, xpath: str) -> int:
        """The width in pixels of the picture itself: 0 until it is loaded, and for one that cannot be shown."""
        return int(self._driver.execute_script("return arguments[0].naturalWidth", self.find(xpath)))

    def show(self, xpath: str) -> None:
        """Scroll to an element."""
        self._driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", self.find(xpath))

    def screenshot(self, name: str) -> None:
        folder = os.environ.get("FLOWFILE_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._driver.save_screenshot(str(Path(folder, f"{name}.png")))

    def _visible(self, xpath: str) -> WebElement | None:
        from selenium.common.exceptions import StaleElementReferenceException

        try:
            return next((item for item in self._driver.find_elements("xpath", xpath) if item.is_displayed()), None)
        except StaleElementReferenceException:
            return None

    def _click(self, element: WebElement) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self._driver).move_to_element(element).click().perform()


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own; the test is skipped where there is none."""
    pytest.importorskip("selenium", reason="the UI test needs selenium: pip install 'flowfile-dagster[ui]'")
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("the UI test needs Chromium and its driver: apt-get install chromium chromium-driver")
    browser = Browser(chromium, chromedriver, profile)
    try:
        yield browser
    finally:
        browser.close()
