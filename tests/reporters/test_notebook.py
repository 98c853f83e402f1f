"""What a notebook shows of a result: well formed, without scripts, whatever the names are."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from unicodedata import category

import msgspec
import numpy as np
import pytest

import gradcheck
from gradcheck.figures import Figures
from gradcheck.results import OpResult
from tests.reporters import samples
from tests.reporters.test_sparkline import curve

VOID = {"br", "hr", "img", "path", "circle", "rect", "line"}
ALLOWED = {
    *("div", "span", "strong", "table", "thead", "tbody", "tr", "th", "td", "pre"),
    *("svg", "title", "desc", "g", "path", "circle", "rect", "text", "line"),
}


class Fragment(HTMLParser):
    """The elements, attributes and text of a fragment; an end without its beginning is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.styles: list[str] = []
        self.said: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.styles += [value for name, value in attrs if name == "style"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


def wrong() -> OpResult:
    numbers = samples.worst(entry=(0,), backward=3.0, finite_difference=1.0)
    return samples.wrong(
        findings=[samples.finding(numbers=numbers, entry=(0,))], figures=Figures(curve=curve())
    )


def test_a_failure_has_its_numbers_mistake_case_and_curve():
    html = wrong()._repr_html_()
    shown = Fragment(html)
    for part in (
        *("gates::wrong", "FAIL", "values: wrong gradient", "gradient of x, entry (0,)"),
        *("1 ± 1e-12", "1.5, would have seen 1e-11", "backward = -2 x finite difference"),
        *("x = np.array([[1.0, 2.0]])", "gates.py:14", "Error against step size"),
    ):
        assert part in shown.text, part
    assert html.count("<svg") == 1
    without = msgspec.structs.replace(wrong(), figures=Figures())
    assert "<svg" not in without._repr_html_()


def test_a_pass_is_short_and_says_what_would_have_been_seen():
    shown = Fragment(samples.op()._repr_html_())
    assert re.search(
        r"gates::affine pass 12 cases, 40 comparisons, .* 1e-12 \(would have", shown.text
    )
    assert "table" not in shown.tags


def test_what_was_not_judged_says_why():
    shown = Fragment(samples.unjudged()._repr_html_())
    assert "not judged" in shown.text
    assert "7 of 12 comparisons were drowned in noise" in shown.text


def test_a_report_has_a_row_for_each_op_and_what_failed_in_full():
    report = samples.report(samples.op(), wrong(), samples.unjudged(), errors=("no such file",))
    shown = Fragment(report._repr_html_())
    for part in ("3 ops, 1 passed, 1 failed, 1 not judged", "gates::affine", "no such file"):
        assert part in shown.text
    assert shown.text.count("gates::affine") == 1
    assert shown.text.count("gates::wrong") == 2
    many = samples.report(*(wrong() for _ in range(1000)))
    assert len(many._repr_html_()) < 300_000
    assert "800 more ops" in Fragment(many._repr_html_()).text


def test_nothing_of_a_users_becomes_markup_or_turns_the_text():
    html = samples.hostile()._repr_html_()
    shown = Fragment(html)
    assert shown.tags <= ALLOWED
    assert not {name for name in shown.attributes if name.startswith("on")}
    assert not {"href", "src"} & shown.attributes
    assert {c for c in html if category(c)[0] == "C"} <= {"\n", "\t"}
    assert "<script>alert(1)</script>" in shown.text
    html.encode()


def test_the_colour_of_text_is_the_pages_own():
    """White is for words on a ground of their own, and the picture has its own paper."""
    for style in Fragment(wrong()._repr_html_()).styles:
        assert "background:" in style or not re.search(r"(^|;)color:", style)


def test_numbers_that_are_not_finite():
    Fragment(samples.not_finite()._repr_html_())


def test_a_real_result_shows_itself():
    passed = gradcheck.check(np.exp, lambda dz, x: dz * np.exp(x), np.array([0.25, 0.5]))
    assert " pass " in Fragment(passed._repr_html_()).text
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(np.exp, lambda dz, x: -dz * np.exp(x), np.array([0.25, 0.5]))
    shown = Fragment(caught.value.result._repr_html_())
    assert "svg" in shown.tags
    assert "sign" in shown.text
