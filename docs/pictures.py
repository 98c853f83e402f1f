"""Makes the pictures of report.md from a real report: ``python docs/pictures.py [FOLDER]``.

The report is of the gates that the page itself shows. Needs playwright and a Chromium, which
``CHROMIUM`` names where it is not /usr/bin/chromium.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
FOLDER = DOCS / "_static" / "report"
WIDTH = 1000
SHARP = 1.5
"""Pixels of a picture for one of the page; those of large parts have fewer, to stay small."""
PARTS = {
    "overview": ("#overview", 1.0),
    "op": ("#op-Swish", 1.0),
    "finding": ("#op-Swish .finding", SHARP),
    "curve": ("#op-Swish .x-curve", SHARP),
    "entries": ("#op-Scale .x-heat", SHARP),
    "spread": ("#op-Swish .x-spread", SHARP),
    "graph": ("#op-score .x-graph", 1.0),
}
"""Each picture with the part of the page that it shows."""


def gates() -> str:
    """The file of report.md."""
    page = (DOCS / "report.md").read_text(encoding="utf-8")
    found = re.search(r":caption: gates\.py\n\n(.*?)```", page, re.DOTALL)
    assert found is not None, "report.md shows no gates.py"
    return found[1]


def report(folder: Path) -> Path:
    """The HTML report of these gates."""
    (folder / "gates.py").write_text(gates(), encoding="utf-8")
    command = ["-m", "gradcheck", "run", "gates.py", "-q", "--profile", "fast"]
    subprocess.run(
        [sys.executable, *command, "--html", "report.html"],
        cwd=folder,
        check=False,  # it fails, as it is meant to
        stdout=subprocess.DEVNULL,
    )
    return folder / "report.html"


def photograph(page: Path, folder: Path) -> None:
    """A picture of each part."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as tools:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (place, scale) in PARTS.items():
            size = {"width": WIDTH, "height": 900}
            shown = browser.new_page(viewport=size, device_scale_factor=scale, color_scheme="light")
            shown.goto(page.as_uri())
            shown.locator(place).first.screenshot(path=folder / f"{name}.png")
        browser.close()


def main(folder: Path = FOLDER) -> None:
    """Make all pictures."""
    with tempfile.TemporaryDirectory() as work:
        photograph(report(Path(work)), folder)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
