"""How long an HTML report takes to load, beside a blank page in the same browser.

    python -m benchmarks.html_load [--ops 500 2000] [--rounds 7]

Needs Playwright and a Chromium. Pages take turns, so that whatever else the machine does hits all
alike. "Opened" is what a user waits for who opens the file: the browser starts, loads it and
paints. "In a tab" is the same in a browser that already runs, where a blank page is nearly nothing.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Playwright, sync_playwright

from gradcheck.reporters.html import render
from tests.browser.conftest import executable
from tests.browser.reports import many

BLANK = '<!doctype html><html lang="en"><title>blank</title><body><p>blank'
PAINTED = "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"


def load(browser: Browser, uri: str) -> float:
    """Seconds until a page is loaded and painted."""
    page = browser.new_page()
    start = time.perf_counter()
    page.goto(uri)
    page.evaluate(PAINTED)
    taken = time.perf_counter() - start
    page.close()
    return taken


def start(playwright: Playwright) -> Browser:
    """A browser without a window."""
    return playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox"])


def opened(playwright: Playwright, uri: str) -> float:
    """Seconds from nothing until a page is painted."""
    begun = time.perf_counter()
    browser = start(playwright)
    load(browser, uri)
    taken = time.perf_counter() - begun
    browser.close()
    return taken


def compared(measure: Callable[[str], float], uris: dict[str, str], rounds: int) -> dict[str, Any]:
    """Medians and least times, the pages in turn."""
    times: dict[str, list[float]] = {name: [] for name in uris}
    for _ in range(rounds):
        for name, uri in uris.items():
            times[name].append(measure(uri))
    return {name: (statistics.median(found), min(found)) for name, found in times.items()}


def main() -> None:
    """Print the times, and their ratios to the blank page's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--ops", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = {"blank": BLANK, **{f"{n} ops": render(many(n)) for n in given.ops}}
        uris = {}
        for name, text in pages.items():
            file = Path(folder, f"{name}.html")
            file.write_text(text, encoding="utf-8")
            uris[name] = file.as_uri()
        browser = start(playwright)
        load(browser, uris["blank"])
        ways = {
            "opened": lambda uri: opened(playwright, uri),
            "in a tab": lambda uri: load(browser, uri),
        }
        for way, measure in ways.items():
            found = compared(measure, uris, given.rounds)
            for name, (median, least) in found.items():
                base = found["blank"]
                print(
                    f"{way:9s} {name:10s} {len(pages[name].encode()) / 1e6:5.2f} MB  "
                    f"median {median:.3f} s ({median / base[0]:.2f} of blank), "
                    f"least {least:.3f} s ({least / base[1]:.2f})"
                )
        browser.close()


if __name__ == "__main__":
    main()
