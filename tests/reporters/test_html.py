"""The HTML report without a browser: its size, what it says, and that user text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import zlib
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from gradcheck.figures import Curve, Figures, GraphNode, Heat, Spread
from gradcheck.reporters.html import page, render
from gradcheck.reporters.html.graphs import laid_out
from gradcheck.reporters.html.packing import letter, packed, size
from gradcheck.reporters.html.shapes import number
from gradcheck.results import summarise
from tests.browser import reports
from tests.reporters import samples

PAGE = 60_000
"""Bytes of a page without data."""
PASSING = 2_000
"""Bytes of an op that passed."""


class Elements(HTMLParser):
    """Tags with their attributes, and the text of each kind of element that is asked for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def bytes_of(report):
    return len(render(report).encode())


def with_results(report, results):
    return replace(report, results=results, summary=summarise(results, 0, 1.0), planned=0)


def island(text):
    found = re.search(r'id="data">([^<]*)<', text)
    return json.loads(zlib.decompress(base64.b64decode(found[1]))) if found else {}


def test_a_page_without_data_is_small():
    assert bytes_of(samples.report()) <= PAGE


def test_an_op_that_passed_is_small():
    """Each alone too, where nothing that compresses is shared."""
    passed = [r for r in reports.real().results if r.verdict == "pass"]
    empty = bytes_of(with_results(reports.real(), []))
    together = bytes_of(with_results(reports.real(), passed))
    assert together - empty <= PASSING * len(passed)
    every = [(r.op, bytes_of(with_results(reports.real(), [r])) - empty) for r in passed]
    assert sum(n for _, n in every) <= 1.5 * PASSING * len(every), every


def test_five_hundred_ops_are_small():
    empty = bytes_of(with_results(reports.real(), []))
    many = reports.many(500)
    passed = [r for r in many.results if r.verdict == "pass"]
    assert bytes_of(with_results(many, passed)) - empty <= PASSING * len(passed)


def test_a_passing_op_is_not_drawn_on_the_server_and_a_failing_one_is():
    text = render(reports.real())
    elements = Elements(text)
    assert elements.count("svg") == 10  # three of each wrong op, and a graph
    assert set(island(text)) == {"op-softplus", "op-conv2d", "op-matmul", "op-max", "op-f"}


def test_the_worst_come_first_and_say_why():
    text = render(
        samples.report(
            samples.op("right"),
            samples.unjudged(),
            samples.wrong("badly", worst=samples.worst(relative_error="nan")),
            samples.wrong("known", waived="a known one (until 2027-02-01)"),
            samples.wrong("slightly", worst=samples.worst(relative_error=1e-3)),
        )
    )
    assert re.findall(r'<th scope=row>\s*<a href="#op-(\w+)"', text) == [
        "badly",
        "slightly",
        "unjudged",
        "known",
        "right",
    ]
    words = " ".join(Elements(text).words)
    assert "✗ 2 of 5 ops failed, 1 not judged" in words
    assert "7 of 12 comparisons were drowned in noise" in words
    assert "⚑ waived: a known one (until 2027-02-01)" in words
    assert "sign and factor: backward = -2 x finite difference" in words
    assert "gradcheck replay affine-1a2b3c" in words


@pytest.mark.parametrize("name", samples.WRONG)
def test_a_run_that_fails_never_looks_right(name):
    head = re.search(r"<h1 class=\"(.)\">(.*)</h1>", render(samples.WRONG[name]))
    assert head[1] == "f"
    assert head[2].startswith("✗")


@pytest.mark.parametrize("name", samples.RIGHT)
def test_a_run_that_is_right_looks_right(name):
    head = re.search(r"<h1 class=\"(.)\">(.*)</h1>", render(samples.RIGHT[name]))
    assert (head[1], head[2][0]) == ("p", "✓")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("errors besides", "broken.py: SyntaxError"),
        ("interrupted", "1 of 3 ops were checked"),
        ("cut short", "1 of 3 ops were checked"),
        ("expired waiver", "it is expired: take it out of the file"),
    ],
)
def test_what_else_is_wrong_is_said(name, words):
    assert words in render(samples.WRONG[name])


def test_user_text_makes_no_element_and_can_be_seen():
    made, base = Elements(render(reports.hostile())), Elements(render(reports.real()))
    assert {tag for tag, _ in made.tags} <= {tag for tag, _ in base.tags} | {"li", "ul", "em"}
    assert made.count("script") == 2
    attributes = {name for _, attrs in made.tags for name in attrs}
    assert not {a for a in attributes if a.startswith("on") or a == "style"}
    links = [attrs["href"] for tag, attrs in made.tags if tag == "a"]
    assert all(re.fullmatch(r"#[\w.-]+", link) for link in links)
    text = render(reports.hostile())
    text.encode()
    assert not re.search("[\u202e\u2066\u200f\x00\x1b\x85\u2028\ud800]", text)
    assert "turned \\u202e round" in text


def test_the_island_cannot_be_left():
    text = render(reports.hostile())
    assert re.search(r'id="data">[A-Za-z0-9+/=]*</script>', text)
    assert "<script>alert(1)</script>" in json.dumps(island(text))


def test_nothing_is_fetched():
    for tag, attrs in Elements(render(reports.real())).tags:
        assert "src" not in attrs, tag
        assert attrs.get("href", "#").startswith(("#", "data:,")), attrs


def test_anchors_are_unique_and_links_lead_somewhere():
    same = [samples.op("a b"), samples.op("a-b"), samples.wrong("a/b"), samples.op("a-b-2")]
    for report in (samples.report(*same), reports.hostile(), reports.real()):
        made = Elements(render(report))
        ids = [attrs["id"] for _, attrs in made.tags if "id" in attrs]
        assert len(ids) == len(set(ids))
        assert {a["href"][1:] for t, a in made.tags if t == "a"} <= set(ids)


def test_the_policy_names_the_style_and_the_script():
    text = render(reports.real())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    for tag in ("style", "script"):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy


def test_no_more_than_some_failures_are_in_full():
    failed = [samples.wrong(f"w{k}") for k in range(page.FULL + 3)]
    text = render(samples.report(*failed))
    assert text.count('<section class="op') == page.FULL
    brief = text[text.index('id="brief"') :]
    assert brief.count("gradcheck replay") == 3
    assert brief.count("sign and factor") == 3


def test_every_picture_has_words_and_a_table():
    text = render(reports.real()).partition("<script>")[0]
    pictures = re.findall(r"<svg .*?</svg>", text, re.S)
    assert pictures
    for picture in pictures:
        assert re.search(r"<title>[^<]+</title><desc>[^<]+</desc>", picture)
    assert text.count("Values as a table") == len(pictures)


def test_colours_are_attributes_and_never_the_only_sign():
    text = render(reports.real())
    assert "✗ wrong" in text
    graph = re.search(r'<figure class="x-graph">.*?</figure>', text, re.S)[0]
    assert graph.count('stroke-width="3" stroke-dasharray="none"/><text') == 1
    assert '<text x="10"' in graph
    assert "✗</text>" in graph
    assert "style=" not in text.partition("<body>")[2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (1.0, "1.0e+00"),
        (9.96, "1.0e+01"),
        (1.24e-7, "1.2e-07"),
        ("inf", "not finite"),
        (-3e5, "3.0e+05"),
        ("nan", "not finite"),
    ],
)
def test_sizes_have_two_digits(value, expected):
    assert number(size(value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (1.0, "s"), (0.5, "r"), (1e-30, "a"), ("nan", "!"), (1e9, "v")],
)
def test_cells_are_letters(value, expected):
    assert letter(value) == expected


def curve(**facts):
    usual = {
        "input": "x",
        "entry": (0,),
        "steps": (0.5, 0.125, 0.03125),
        "slopes": (1.1, 1.01, 1.001),
        "truncation": (0.1, 0.01, 0.001),
        "roundoff": (1e-16, 4e-16, 2e-15),
        "value": 1.0,
        "bound": 1e-9,
        "backward": 1.0,
    }
    return Figures(curve=Curve(**{**usual, **facts}))


def test_a_wrong_gradient_shows_the_difference_s_own_error_too():
    right, wrong = (packed(curve(backward=b), exact=True)["curve"] for b in (1.0 + 1e-10, 1.5))
    assert (right["w"], wrong["w"]) == (0, 1)
    assert "o" not in right
    assert [number(v) for v in wrong["o"]] == ["1.0e-01", "1.0e-02", "1.0e-03"]
    assert [number(v) for v in wrong["e"]] == ["4.0e-01", "4.9e-01", "5.0e-01"]


@pytest.mark.parametrize("backward", ["nan", "inf"])
def test_a_gradient_that_is_not_finite_is_wrong(backward):
    figures = curve(backward=backward)
    assert packed(figures, exact=True)["curve"]["w"] == 1
    assert "not finite" in render(samples.report(samples.wrong(figures=figures)))


def test_a_map_marks_what_is_wrong():
    heat = Heat(input="W", shape=(1, 3), rows=1, columns=3, errors=(0.0, 2e-9, 0.5), wrong=(2,))
    text = render(samples.report(samples.wrong(figures=Figures(heat=heat))))
    assert "<desc>1 of 3 entries are wrong.</desc>" in text
    assert "<td>2.0e-09<td>5.0e-01 ✗" in text


def test_a_distribution_has_a_bin_for_each_power():
    spread = Spread(errors={"zero": 2, "-3": 1}, limits={"-1": 3, "50": 1, "inf": 1})
    assert packed(Figures(spread=spread), exact=False)["spread"] == [
        ["zero", 2, 0],
        [-3, 1, 0],
        [-2, 0, 0],
        [-1, 0, 3],
        [0, 0, 1],
        ["inf", 0, 1],
    ]


def node(name, parents=(), verdict="right", **facts):
    usual = {"op": "add" if parents else "", "shape": (), "value": "1", "gradient": "2"}
    return GraphNode(name=name, parents=parents, verdict=verdict, **{**usual, **facts})


def test_the_way_of_a_mistake_is_marked():
    nodes = [
        node("x", verdict="spoilt"),
        node("h", (0,), "wrong"),
        node("g", (0,)),
        node("f", (1, 2), result=True),
    ]
    wires = laid_out(nodes, ["h", "f"], exact=True)["wires"]
    assert [marked for _, marked in wires] == [0, 0, 1, 0]
    assert sum(marked for _, marked in laid_out(nodes, [], exact=True)["wires"]) == 0


def test_boxes_of_a_graph_do_not_overlap():
    nodes = [node(f"n{k}", tuple(range(max(k - 3, 0), k))) for k in range(20)]
    boxes = [n["at"] for n in laid_out(nodes, [], exact=False)["nodes"]]
    for k, (x, y, wide) in enumerate(boxes):
        for left, top, other in boxes[:k]:
            assert x + wide <= left or left + other <= x or abs(top - y) >= 40


def test_jinja_is_imported_for_this_report_only():
    code = (
        "import sys, gradcheck.reporters.kinds as k; k.renderer('json');"
        "assert 'jinja2' not in sys.modules; k.renderer('html'); assert 'jinja2' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
