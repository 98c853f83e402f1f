"""A headless Chromium, and pages of reports opened in it; skipped where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gradcheck.reporters.html import render
from gradcheck.results import Report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def executable() -> str | None:
    """Where a browser of the system is; None leaves it to Playwright."""
    named = os.environ.get("CHROMIUM")
    return named or next((found for name in BROWSERS if (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One browser for all tests."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        try:
            started = running.chromium.launch(
                executable_path=executable(), args=["--no-sandbox", "--disable-gpu"]
            )
        except playwright.Error as error:
            pytest.skip(f"no browser starts: {str(error).splitlines()[0]}")
        yield started
        started.close()


class Opened:
    """A page, with what went wrong in it and what it asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text))
        page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))

    def names(self) -> list[str]:
        """The ops that are listed now."""
        return self.page.locator("#ops tbody tr:not(.open):not([hidden]) th a").all_text_contents()

    def focused(self) -> str:
        """The text of what has the focus."""
        return self.page.evaluate("document.activeElement.textContent.trim()")


Open = Callable[..., Opened]


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Open a report (or the text of a page) with options of a browser's context."""
    contexts = []

    def open_one(report: Report | str, anchor: str = "", **options: Any) -> Opened:
        text = report if isinstance(report, str) else render(report)
        file = tmp_path / f"{len(contexts)}.html"
        file.write_text(text, encoding="utf-8")
        contexts.append(browser.new_context(**options))
        found = Opened(contexts[-1].new_page())
        found.page.goto(file.as_uri() + anchor)
        return found

    yield open_one
    for context in contexts:
        context.close()
