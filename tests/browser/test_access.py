"""No rule of axe-core is broken, in the light and in the dark, folded and unfolded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.browser import reports
from tests.reporters import samples


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core, from the package that brings it."""
    found = find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe_playwright_python is not installed")
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(page, axe):
    page.evaluate(axe)
    ran = page.evaluate("axe.run()")
    assert len(ran["passes"]) > 15
    return [
        f"{v['id']}: {node['html'][:200]} {node['any'][:1]}"
        for v in ran["violations"]
        for node in v["nodes"][:3]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["real", "hostile", "troubled"])
def test_no_violation(opened, axe, name, scheme):
    report = {"real": reports.real, "hostile": reports.hostile, "troubled": samples.hostile}[name]()
    page = opened(report, color_scheme=scheme, bypass_csp=True).page
    for link in page.locator("#ops tr.p th a").all():
        link.click()
        page.wait_for_timeout(10)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.add_style_tag(content="*{content-visibility:visible!important}")
    assert violations(page, axe) == []


def test_the_list_of_keys(opened, axe):
    page = opened(reports.real()).page
    page.keyboard.press("?")
    assert violations(page, axe) == []


def test_a_violation_would_be_found(opened, axe):
    page = opened(reports.real()).page
    page.evaluate("document.querySelector('svg title').remove()")
    page.evaluate("document.documentElement.removeAttribute('lang')")
    found = " ".join(violations(page, axe))
    assert "html-has-lang" in found
    assert "svg-img-alt" in found
