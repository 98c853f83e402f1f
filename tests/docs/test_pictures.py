"""The pictures of report.md are of a real report, and can be made again."""

from __future__ import annotations

import os
import runpy
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
LARGEST = 150_000
SCRIPT = runpy.run_path(str(DOCS / "pictures.py"))


def size(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_the_page_shows_each_picture_that_is_kept():
    page = (DOCS / "report.md").read_text(encoding="utf-8")
    kept = sorted(p.stem for p in SCRIPT["FOLDER"].iterdir())
    assert kept == sorted(SCRIPT["PARTS"])
    assert [name for name in kept if f"_static/report/{name}.png" not in page] == []


def test_kept_pictures_are_small_files_and_not_empty():
    for picture in SCRIPT["FOLDER"].iterdir():
        assert picture.stat().st_size < LARGEST, picture.name
        width, height = size(picture)
        assert width >= 300, picture.name
        assert height >= 60, picture.name


def test_pictures_can_be_made_again(tmp_path):
    pytest.importorskip("playwright")
    if shutil.which(os.environ.get("CHROMIUM", "/usr/bin/chromium")) is None:
        pytest.skip("no chromium here")
    script = [sys.executable, str(DOCS / "pictures.py"), str(tmp_path)]
    subprocess.run(script, check=True, timeout=300)  # a process of its own: one Playwright in each
    for name in SCRIPT["PARTS"]:
        made, kept = size(tmp_path / f"{name}.png"), size(SCRIPT["FOLDER"] / f"{name}.png")
        assert made[0] == pytest.approx(kept[0], rel=0.1), name
        assert made[1] == pytest.approx(kept[1], rel=0.5), name
