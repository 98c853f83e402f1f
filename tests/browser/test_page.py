"""The HTML report in a real browser: what it asks for and shows, with scripts and without."""

from __future__ import annotations

import re

import pytest

from gradcheck.reporters.html import render
from tests.browser import reports
from tests.reporters import samples

SAME = """html => {
    const e = document.createElement("div");
    e.innerHTML = html;
    return e.innerHTML;
}"""
"""The same markup is the same text, once a browser has read and written it."""
JENKINS = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"


@pytest.mark.parametrize("name", [*samples.EVERY, "real", "drawn hostile"])
def test_no_error_and_one_request(opened, name):
    made = {"real": reports.real, "drawn hostile": reports.hostile}
    seen = opened(made[name]() if name in made else samples.EVERY[name])
    for link in seen.page.locator("#ops tr.p th a").all():
        link.click()
    seen.page.wait_for_timeout(50)
    assert seen.errors == []
    assert len(seen.requests) == 1


def test_an_error_and_a_request_would_be_seen(opened):
    seen = opened("<script>nothing()</script><img src='http://127.0.0.1:8/x.png'>")
    assert any("nothing is not defined" in error for error in seen.errors)
    assert len(seen.requests) == 2


def test_hostile_text_makes_no_element(opened):
    seen = opened(reports.hostile())
    for link in seen.page.locator("#ops tr.p th a").all():
        link.click()
    seen.page.locator("tr.open .pictures").nth(7).wait_for()
    assert seen.page.locator("script").count() == 2
    assert seen.page.locator("[href^=javascript], [onerror], [onload]").count() == 0
    assert "<script>alert(1)</script><!--" in seen.page.locator("#ops").inner_text()
    assert "\u202e" not in seen.page.content()


def test_the_page_s_policy_lets_no_other_script_run(opened):
    planted = render(reports.real()).replace("</main>", "</main><script>window.bad = 1</script>")
    seen = opened(planted)
    assert seen.page.evaluate("window.bad") is None
    assert "violates" in seen.errors[0]


def test_the_overview_says_what_is_wrong(opened):
    seen = opened(reports.real())
    assert seen.page.locator("h1").inner_text() == "✗ 3 of 8 ops failed"
    assert set(seen.names()[:3]) == {"Affine", "squash", "score"}
    row = seen.page.locator(
        "#ops tr", has=seen.page.get_by_role("link", name="squash")
    ).inner_text()
    assert "✗ FAIL" in row
    assert "2 of 2 entries of x" in row
    assert "1 + the output" in row


@pytest.mark.parametrize("name", ["curve", "heat", "spread", "graph"])
def test_the_script_draws_what_the_server_draws(opened, name):
    """Pictures and tables of the ops that failed, and of those with hostile text, made by both."""
    from gradcheck.reporters.html.packing import packed
    from gradcheck.reporters.html.page import PICTURES

    every = [r.figures for report in (reports.real(), reports.hostile()) for r in report.results]
    data = [packed(f, exact=exact) for f in every for exact in (True, False)]
    data = [d[name] for d in data if name in d]
    _, draw, table = PICTURES[name]
    seen = opened(reports.real())
    ours, theirs = seen.page.evaluate(
        """([name, data, ours]) => {
            const same = SAME, report = window.gradcheckReport;
            const draw = report.PICTURES.find(p => p[0] === name)[2], table = report.tables[name];
            return [ours.map(same), data.map(d => same(draw(d) + table(d)))];
        }""".replace("SAME", SAME),
        [name, data, [draw(d) + table(d) for d in data]],
    )
    assert len(ours) > 5
    assert theirs == ours


def test_the_script_makes_the_server_s_coverage(opened):
    from gradcheck.reporters.html import tables
    from gradcheck.reporters.html.packing import packed

    data = [packed(r.figures, exact=True)["met"] for r in reports.real().results]
    page = opened(reports.real()).page
    theirs = page.evaluate(f"data => data.map(gradcheckReport.met).map({SAME})", data)
    assert theirs == page.evaluate(f"d => d.map({SAME})", [tables.met(d) for d in data])


def test_an_op_that_passed_unfolds(opened):
    seen = opened(reports.real())
    link = seen.page.locator("#ops th a", has_text="conv2d")
    assert link.get_attribute("aria-expanded") == "false"
    link.click()
    more = seen.page.locator("tr.open")
    more.locator("svg").nth(2).wait_for()
    assert link.get_attribute("aria-expanded") == "true"
    words = more.inner_text()
    assert "reference_ops/convolution.py" in words
    assert "gradcheck run reference_ops.convolution::conv2d" in words
    assert "def " in words
    more.locator("summary", has_text="Values as a table").first.click()
    assert more.locator(".x-curve table tr").count() == 18
    link.click()
    assert more.count() == 0


def test_filters_and_search(opened):
    seen = opened(reports.real())
    seen.page.get_by_label("passed").check()
    assert len(seen.names()) == 5
    assert seen.page.locator("section.op:visible").count() == 0
    seen.page.locator("#q").fill("MAT lin")
    assert seen.names() == ["matmul"]
    assert seen.page.locator("#count").inner_text() == "1 of 8 ops"
    seen.page.locator("#q").fill("nothing like it")
    assert seen.page.locator("#none").is_visible()
    seen.page.keyboard.press("Escape")
    seen.page.get_by_label("all").check()
    assert len(seen.names()) == 8


def test_sorting(opened):
    seen = opened(reports.many(40))
    rows = seen.page.locator("#ops tbody tr:not(.open)")
    seen.page.get_by_role("button", name="time").click()
    times = [float(t.split()[0]) for t in rows.locator("td:last-child").all_text_contents()]
    assert times == sorted(times, reverse=True)
    seen.page.get_by_role("button", name="op", exact=True).click()
    names = [n.lower() for n in seen.names()]
    assert names == sorted(names)
    head = seen.page.locator("#ops thead th").nth(1)
    assert head.get_attribute("aria-sort") == "ascending"
    seen.page.get_by_role("button", name="op", exact=True).click()
    assert [n.lower() for n in seen.names()] == names[::-1]
    seen.page.get_by_role("button", name="worst error").click()
    errors = [float(t) for t in rows.locator("td:nth-child(3)").all_text_contents()]
    assert errors == sorted(errors, reverse=True)


def test_keys(opened):
    seen = opened(reports.real())
    press = seen.page.keyboard.press
    listed = seen.names()
    press("j")
    press("j")
    assert seen.focused() == listed[1]
    press("k")
    assert seen.focused() == listed[0]
    press("n")
    press("n")
    assert seen.focused() == listed[2]
    press("j")
    press("Enter")
    seen.page.locator("tr.open svg").first.wait_for()
    press("/")
    seen.page.keyboard.type("jk?")
    assert seen.page.locator("#q").input_value() == "jk?"
    press("Escape")
    assert seen.page.locator("#q").input_value() == ""
    press("?")
    assert seen.page.locator("#keys").is_visible()
    press("Escape")
    assert not seen.page.locator("#keys").is_visible()


def test_everything_is_reached_by_tab(opened):
    seen = opened(reports.real())
    met = set()
    for _ in range(60):
        seen.page.keyboard.press("Tab")
        met.add(seen.focused())
    assert set(seen.names()) <= met


@pytest.mark.parametrize("name", ["conv2d", "Affine"])
def test_a_link_to_an_op_leads_to_it(opened, name):
    seen = opened(reports.real(), f"#op-{name}")
    shown = seen.page.locator("tr.open svg" if name == "conv2d" else "#op-Affine h2").first
    shown.wait_for()
    assert seen.page.evaluate("document.documentElement.scrollHeight > innerHeight")
    seen.page.wait_for_function(
        "e => e.getBoundingClientRect().top < innerHeight", arg=shown.element_handle()
    )


def without_scripts(opened, report, **options):
    return opened(report, java_script_enabled=False, **options).page


def test_without_scripts_all_is_there(opened):
    page = without_scripts(opened, reports.real())
    assert not page.locator("#tools").is_visible()
    row = page.locator("#ops tr", has_text="conv2d").inner_text()
    assert re.search(r"✓ pass\s+conv2d .*\s+\S+e-\d\d\s+\S+e-\d\d\s+25\s+[\d,]+\s+\d+\.\d\d s", row)
    assert page.locator("#op-score svg").count() == 4
    assert "gradcheck replay" in page.locator("#op-score").inner_text()
    page.locator("#ops th a", has_text="conv2d").click()
    facts = page.locator("#op-conv2d")
    assert facts.is_visible(), "a link into folded details opens them"
    assert "reference_ops/convolution.py:" in facts.inner_text()
    assert "covered: generic" in facts.inner_text()


def test_where_styles_and_scripts_are_forbidden_all_can_be_read(opened, browser, tmp_path):
    text = render(reports.real())
    context = browser.new_context()
    page = context.new_page()
    page.route(
        "**/*",
        lambda route: route.fulfill(
            body=text, content_type="text/html", headers={"Content-Security-Policy": JENKINS}
        ),
    )
    page.goto("http://reports.invalid/")
    assert page.locator("#op-score h2").is_visible()
    assert page.locator("#op-score .x-graph svg").is_visible()
    rect = page.locator("#op-score .x-graph rect").first
    assert rect.evaluate("e => getComputedStyle(e).fill") == "rgb(255, 255, 255)"
    line = page.locator("#op-score .x-curve path").first
    assert line.evaluate("e => getComputedStyle(e).fill") == "none"
    assert not page.locator("#keys").is_visible()
    context.close()


def test_in_the_dark_ink_is_light(opened):
    seen = opened(reports.real(), color_scheme="dark").page
    back = seen.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    words = seen.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
    assert max(map(int, re.findall(r"\d+", back))) < 40
    assert min(map(int, re.findall(r"\d+", words))) > 140


def test_nothing_sticks_out_on_a_telephone(opened):
    page = opened(reports.real(), viewport={"width": 360, "height": 700}).page
    page.locator("#ops th a", has_text="conv2d").click()
    page.locator("tr.open svg").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_on_paper_every_section_is_whole(opened):
    page = opened(reports.real()).page
    page.emulate_media(media="print")
    assert not page.locator("#tools").is_visible()
    assert page.locator("section.op svg").count() == page.locator("section.op svg:visible").count()


def test_two_thousand_ops(opened):
    seen = opened(reports.many(2000))
    assert len(seen.names()) == 2000
    seen.page.locator("#q").fill("conv2d_1")
    assert 0 < len(seen.names()) < 400
    seen.page.locator("#ops tr:not([hidden]) th a").last.click()
    seen.page.locator("tr.open svg").first.wait_for()
    assert seen.errors == []
