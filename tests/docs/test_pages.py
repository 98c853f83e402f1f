"""The site builds without a warning, and the pages that are made from the code are up to date."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import gradcheck
from gradcheck.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


def build(source: Path, made: Path) -> subprocess.CompletedProcess[str]:
    options = ["-q", "-E", "-W", "--keep-going", "-n", "-d", str(made / "doctrees")]
    command = [sys.executable, "-m", "sphinx", *options, str(source), str(made / "html")]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for needed in ("sphinx", "myst_parser", "furo", "latex2mathml"):
        pytest.importorskip(needed)
    made = tmp_path_factory.mktemp("site")
    ran = build(DOCS, made)
    assert (ran.returncode, ran.stderr) == (0, "")
    return made / "html"


def test_the_site_builds_without_a_warning(site):
    pages = {p.relative_to(DOCS).with_suffix(".html") for p in DOCS.rglob("*.md")}
    assert {p.relative_to(site) for p in site.rglob("*.html")} >= pages


def test_the_site_needs_no_network(site):
    loads = re.compile(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["'](https?:)?//""")
    assert [p.name for p in site.rglob("*.html") if loads.search(p.read_text())] == []


def test_formulas_are_drawn_by_the_browser_itself(site):
    text = (site / "verdict.html").read_text()
    assert text.count("<math") >= 20
    assert "\\frac" not in text.replace("annotation", "")
    assert not re.search(r"<script[^>]*(mathjax|katex)", text, re.IGNORECASE)


def test_every_setting_is_on_its_page(site):
    text = (site / "settings.html").read_text()
    keys = [f.encode_name for f in msgspec.structs.fields(Settings)]
    assert [k for k in keys if f">{k}</span>" not in text] == []


def test_every_public_name_is_in_the_reference(site):
    text = (site / "reference.html").read_text() + (site / "results.html").read_text()
    names = {n: "results.Report" if n == "Report" else n for n in gradcheck.__all__}
    assert [n for n, own in names.items() if f'id="gradcheck.{own}"' not in text] == []


def test_a_broken_link_is_a_warning(tmp_path):
    pytest.importorskip("furo")
    (tmp_path / "conf.py").write_text((DOCS / "conf.py").read_text())
    (tmp_path / "extension.py").write_text((DOCS / "extension.py").read_text())
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "pages.css").touch()
    (tmp_path / "index.md").write_text(
        "# Index\n\n[nowhere](#missing) and {py:func}`gradcheck.no`\n"
    )
    ran = build(tmp_path, tmp_path / "made")
    assert ran.returncode != 0
    assert "missing" in ran.stderr
    assert "gradcheck.no" in ran.stderr


def test_the_page_of_codes_is_up_to_date():
    made = runpy.run_path(str(DOCS / "codes_page.py"))
    assert (DOCS / "codes.md").read_text(encoding="utf-8") == made["page"]()
