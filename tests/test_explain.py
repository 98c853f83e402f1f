"""The picture of a graph: its numbers in data, text, drawing and SVG; its layout; its command."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import gradcheck
from gradcheck import drawing
from gradcheck.explain import plain_case, text
from gradcheck.explained import Explained, explain
from gradcheck.layout import Box, Layout, Wire, arrange, crossings
from gradcheck.settings import Settings
from gradcheck.svg import BOXES, WIRES, svg
from reference_ops.arithmetic import maximum, multiply
from reference_ops.graphs import window_classifier, window_score, worked_example

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "<script>alert(1)</script>",
    "a\" onload='x",
    "two\nlines\tand \x1b[31mred\x00",
    "\u202egnol\u2028\ud800",
    "]]>&amp;<!--",
    "long " * 2000,
    "a" + "\u0301" * 10_000,
)


def lecture() -> Explained:
    return explain(worked_example.detail, (1.0, 2.0, 0.0))


def at_plain_case(op: gradcheck.Op) -> Explained:
    case = plain_case(op, Settings())
    assert case is not None
    return explain(op.detail, case.primals, case.attributes)


def chain(length: int) -> Explained:
    graph = gradcheck.Graph("long")
    node = graph.input("x")
    for _ in range(length):
        node = -node
    graph.output(node)
    return explain(graph, [1.0])


def sums(inputs: int) -> Any:
    """An op that adds so many numbers."""
    return gradcheck.op(
        lambda *a: sum(a),
        lambda dz, *a: (dz,) * len(a),
        ", ".join(f"a{k}[]" for k in range(inputs)),
        name=f"sum{inputs}",
    )


def some_graph(seed: int, size: int) -> Explained:
    """A random graph of sums."""
    rng = random.Random(seed)
    graph = gradcheck.Graph("g")
    nodes = [graph.input(f"x{k}") for k in range(rng.randint(1, 4))]
    ops = {count: sums(count) for count in (1, 2, 3)}
    while len(nodes) < size:
        count = rng.randint(1, 3)
        near = range(max(0, len(nodes) - 5), len(nodes))
        nodes.append(graph.apply(ops[count], *(nodes[rng.choice(near)] for _ in range(count))))
    graph.output(nodes[-1])
    return explain(graph, [1.0] * len(graph.sources))


def texts(picture: str, kind: str) -> list[str]:
    """What elements of a class say."""
    return [e.text or "" for e in ET.fromstring(picture).iter() if e.get("class") == kind]


# -- the lecture's numbers -----------------------------------------------------------------------


def test_the_lectures_numbers_in_data():
    seen = lecture()
    values = {v.name: float(v.value) for v in seen.values}
    assert values == {"x": 1, "y": 2, "z": 0, "a": 3, "b": 2, "f": 6}
    nodes = {n.name: n for n in seen.nodes}
    assert {k: float(n.upstream[0]) for k, n in nodes.items()} == {"f": 1, "a": 2, "b": 3}
    passed = {
        (n.name, seen.values[p.parent].name): (float(p.local), float(p.downstream))
        for n in seen.nodes
        for p in n.parents
    }
    assert passed == {
        ("a", "x"): (1, 2),
        ("a", "y"): (1, 2),
        ("b", "y"): (1, 3),
        ("b", "z"): (0, 0),
        ("f", "a"): (2, 2),
        ("f", "b"): (3, 3),
    }
    sources = {seen.values[s].name: seen.values[s] for s in seen.sources}
    assert {k: float(v.gradient) for k, v in sources.items()} == {"x": 2, "y": 5, "z": 0}
    assert [(p.by, float(p.gradient)) for p in sources["y"].parts] == [("a", 2), ("b", 3)]
    assert [(p.by, float(p.gradient)) for p in seen.values[seen.results[0]].parts] == [("", 1)]


def test_the_lectures_numbers_in_text():
    said = text(lecture(), width=80)
    for line in (
        "a = add(x, y)                = 3",
        "b = maximum(y, z)            = 2",
        "f = multiply(a, b)           = 6",
        "f: upstream 1",
        "local df/da = 2, downstream to a: 2",
        "local df/db = 3, downstream to b: 3",
        "b: upstream 3",
        "local db/dy = 1, downstream to y: 3",
        "local db/dz = 0, downstream to z: 0",
        "a: upstream 2",
        "local da/dx = 1, downstream to x: 2",
        "df/dx    = 2",
        "df/dy    = 2 + 3 = 5",
        "df/dz    = 0",
    ):
        assert f"  {line}\n" in said + "\n"


def test_the_lectures_picture_in_the_terminal():
    drawn = """\
┌────────────────┐
│ x              │
│ 1              ├─┐
│ grad 2         │ │       ┌─────────────┐
└────────────────┘ └──────▶│ a = add     │
                           │ 3           ├─┐
┌────────────────┐   ┌────▶│ grad 2      │ │     ┌──────────────┐
│ y              │   │     └─────────────┘ └────▶│ f = multiply │
│ 2              ├───┤                           │ 6            │
│ grad 2 + 3 = 5 │   │     ┌─────────────┐   ┌──▶│ grad 1       │
└────────────────┘   └────▶│ b = maximum │   │   └─── result ───┘
                           │ 2           ├───┘
┌────────────────┐     ┌──▶│ grad 3      │
│ z              │     │   └─────────────┘
│ 0              ├─────┘
│ grad 0         │
└────────────────┘"""
    assert drawing.draw(lecture(), 80) == drawn
    assert f"\n\n{drawn}\n\nforward" in text(lecture(), width=80)


def test_the_lectures_numbers_in_the_svg():
    picture = svg(lecture())
    assert texts(picture, "name") == [
        *("x", "y", "z", "a = add", "b = maximum", "f = multiply", "result f")
    ]
    locals_ = ["da/dx = 1", "da/dy = 1", "db/dy = 1", "db/dz = 0", "df/da = 2", "df/db = 3"]
    assert texts(picture, "local") == locals_
    root = ET.fromstring(picture)
    on_wires = [e.text for e in root.findall(f"{SVG}text") if e.get("class") == "value"]
    below = [e.text for e in root.findall(f"{SVG}text") if e.get("class") == "grad"]
    assert sorted(zip(on_wires, below, strict=True)) == sorted(
        [
            *(("1", "grad 2"), ("2", "grad 2"), ("2", "grad 3"), ("0", "grad 0")),
            *(("3", "grad 2"), ("2", "grad 3"), ("6", "grad 1")),
        ]
    )
    boxes = root.findall(f"{SVG}g")
    says = [[t.text for t in b.iter(f"{SVG}text")] for b in boxes]
    assert ["y", "2", "grad 2 + 3 = 5"] in says
    assert ["b = maximum", "2", "grad 3", "db/dy = 1", "db/dz = 0"] in says
    assert root.find(f"{SVG}title").text == "f: values and gradients"
    assert root.find(f"{SVG}desc").text.startswith(
        "f = 6. Gradients of x: grad 2; of y: grad 2 + 3 = 5; of z: grad 0."
    )
    assert root.find(f"{SVG}rect").get("fill") == "#ffffff"
    assert "style" not in picture


def test_a_value_stands_above_its_wire_and_the_gradient_below():
    root = ET.fromstring(svg(lecture()))
    flat = root.findall(f"{SVG}text")
    pairs = [(a, b) for a, b in pairwise(flat) if a.get("class") == "value"]
    tips = [float(p.get("points").split(",")[1].split()[0]) for p in root.iter(f"{SVG}polygon")]
    assert len(pairs) == len(tips) == 7
    for (value, back), tip in zip(pairs, tips, strict=True):
        assert float(value.get("y")) < tip < float(back.get("y")) - 8
        assert value.get("x") == back.get("x")


def test_a_wrong_backward_shows_its_own_numbers():
    """What the nodes do is shown, not what would be right."""
    twice = gradcheck.op(lambda a: a, lambda dz, a: 2 * dz, "a[]", name="twice")
    graph = gradcheck.Graph("g")
    graph.output(graph.apply(twice, graph.input("x"), name="y"))
    assert "local dy/dx = 2, downstream to x: 2" in text(explain(graph, [3.0]), width=80)


# -- arrays, several results, what is not used ----------------------------------------------------


def test_small_jacobians_are_worked_out_and_large_ones_named():
    seen = at_plain_case(window_score.__gradcheck_op__)
    by = {n.name: n for n in seen.nodes}
    x, W = (next(v.value for v in seen.values if v.name == n) for n in "xW")
    product = {seen.values[p.parent].name: p for p in by["matmul"].parents}
    np.testing.assert_array_equal(product["x"].local, W)
    assert product["W"].local is None
    assert product["W"].size == (W.shape[0], W.size)
    z = next(v.value for v in seen.values if v.name == "z")
    np.testing.assert_allclose(by["h"].parents[0].local, np.diag(1 - np.tanh(z) ** 2))
    said = text(seen, width=120)
    large = f"Jacobian {z.size} x {z.size * x.size} (not shown)"
    assert f"local dmatmul/dW = {large}, downstream to W" in said
    assert said.count("(not shown)") == 1
    assert "local dh/dz = diagonal [" in said
    assert "local dmatmul/dx = [[" in said
    assert max(map(len, drawing.draw(seen, 120).splitlines())) <= 120
    assert drawing.draw(seen, 60) == ""  # left out, not wrapped
    assert "┌" not in text(seen, width=60)


def test_integer_sources_and_attributes():
    seen = at_plain_case(window_classifier.__gradcheck_op__)
    said = text(seen, width=120)
    assert "lam = 0.01)" in said.splitlines()[0]
    assert "words holds integers: nothing is passed" in said
    assert "dwindow_classifier/dlabels = none (integers)" in said
    picture = svg(seen)
    assert texts(picture, "grad").count("integers, no gradient") == 2
    assert texts(picture, "grad").count("integers") == 2
    assert any("sum of 2" in line for line in texts(picture, "grad"))


def test_several_results_and_outputs_of_one_node():
    split = gradcheck.op(
        lambda a: (a[:1], a[1:]), lambda dz, a: np.concatenate(dz), "a[2]", name="split"
    )
    graph = gradcheck.Graph("g")
    first, second = graph.apply(split, graph.input("x"), name="s", outputs=2)
    graph.output(first * second, second)
    seen = explain(graph, [np.array([3.0, 5.0])])
    node = seen.nodes[0]
    assert [u.tolist() for u in node.upstream] == [[5.0], [1.0 + 3.0]]
    np.testing.assert_array_equal(node.parents[0].local, np.eye(2))
    assert [p.by for p in seen.values[node.outputs[1]].parts] == ["", "multiply3"]
    picture = svg(seen)
    assert len([t for t in texts(picture, "name") if t.startswith("result ")]) == 2
    assert "s: upstream [5], [1] + [3] = [4]" in text(seen, width=100)
    assert drawing.draw(seen, 100).count(" result ") == 2


def test_what_no_gradient_reaches_is_said_to_be_unused():
    graph = gradcheck.Graph("g")
    x, y = graph.input("x"), graph.input("y")
    multiply(x, y) if False else graph.apply(multiply, x, y, name="idle")
    graph.output(graph.apply(multiply, x, x, name="square"))
    seen = explain(graph, [3.0, 4.0])
    said = text(seen, width=100)
    assert "dg/dx    = 3 + 3 = 6" in said
    assert "dg/dy    = 0 (not used)" in said
    assert "idle: not used, no gradient reaches it" in said
    picture = svg(seen)
    assert texts(picture, "grad").count("not used") == 2  # y and idle
    assert texts(picture, "grad").count("no gradient") == 2  # both wires into idle
    assert "not used" in drawing.draw(seen, 100)


def test_constants_nested_graphs_and_a_source_that_is_the_result():
    @gradcheck.graph("x[]")
    def cell(x: Any) -> Any:
        h = maximum(x, 0.5)
        return h * h

    @gradcheck.graph("x[]")
    def net(x: Any) -> Any:
        return cell(cell(x)), x

    seen = explain(net.__gradcheck_op__.detail, [2.0])
    assert seen.nodes[0].name == "cell.h"
    assert len(seen.constants) == 2
    picture = svg(seen)
    assert texts(picture, "kind") == ["constant", "constant"]
    assert "result x" in texts(picture, "name")
    assert "constant" in drawing.draw(seen, 200)
    assert "local dcell.h/dx = 1" in text(seen, width=200)


def test_a_backward_that_can_be_asked_only_once_has_no_jacobian():
    asked: list[int] = []

    def once(dz: Any, a: Any) -> Any:
        if asked:
            raise RuntimeError("the buffer is gone")
        asked.append(1)
        return dz

    op = gradcheck.op(lambda a: a + 0, once, "a[n]", name="once")
    graph = gradcheck.Graph("g")
    graph.output(graph.apply(op, graph.input("x"), name="y"))
    said = text(explain(graph, [np.ones(2)]), width=80)
    assert "local dy/dx = Jacobian 2 x 2 (not shown), downstream to x: [1, 1]" in said


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_names_cannot_leave_their_place(name):
    """Whatever the doors let in: here all names of a description are hostile."""
    seen = chain(1)
    seen = replace(
        seen,
        name=name,
        values=tuple(replace(v, name=name) for v in seen.values),
        nodes=tuple(replace(n, name=f"{name}2", op=name) for n in seen.nodes),
    )
    picture = svg(seen)
    root = ET.fromstring(picture)
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
        *("svg", "title", "desc", "rect", "path", "polygon", "text", "g")
    }
    assert not [a for e in root.iter() for a in e.attrib if a.startswith("on")]
    picture.encode()
    assert float(root.get("width")) < 2000
    said = text(seen, width=200)
    for form in (picture, said):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2028\u2029\ud800]", form)
    drawn = drawing.draw(seen, 200).splitlines()
    assert len(drawn) == 5
    assert len(said.splitlines()) == 5 + 12
    assert max(len(picture), len(said)) < 10_000


def test_what_steers_a_terminal_is_shown_escaped():
    assert drawing.clean("\u202eab\x1b[31m\x00\ud800\n") == "\\u202eab\\x1b[31m\\x00\\ud800 "
    assert drawing.clean("naïve 漢字 <b>") == "naïve 漢字 <b>"


def test_wide_characters_keep_the_frame():
    graph = gradcheck.Graph("g")
    graph.output(graph.apply(multiply, graph.input("漢字"), graph.input("é"), name="積"))
    from rich.cells import cell_len

    drawn = drawing.draw(explain(graph, [1.0, 2.0]), 100).splitlines()
    frame = [cell_len(line) for line in drawn if line.startswith(("┌", "└"))]
    assert len(set(frame)) <= 2
    assert len({cell_len(line) for line in drawn[:2]}) == 1


def test_ascii_where_the_console_has_no_box_characters():
    drawn = drawing.draw(lecture(), 80, plain=True)
    assert drawn.isascii()
    assert "+---->| f = multiply |" in drawn


# -- size ----------------------------------------------------------------------------------------


def test_a_chain_of_ten_thousand_nodes_shows_its_ends():
    seen = chain(10_000)
    said = text(seen, width=120)
    assert len(said.splitlines()) < 150
    assert said.count("... 9,960 more are left out ...") == 2
    assert "node = negative(x) " in said
    assert "node_10000 = negative(node_9999) = 1\n" in said
    assert "dlong/dx    = 1" in said
    assert svg(seen) == ""


def test_sixty_nodes_are_all_printed():
    assert "left out" not in text(chain(60), width=80)
    assert "... 21 more are left out ..." in text(chain(61), width=80)


def test_a_value_that_is_used_often_has_a_short_sum():
    graph = gradcheck.Graph("g")
    x = graph.input("x")
    graph.output(graph.apply(sums(20), *[x] * 20))
    seen = explain(graph, [1.0])
    assert "dg/dx    = 1 + 1 + 1 + 1 + 1 + ... (20 in all) = 20" in text(seen, width=80)
    assert "grad 20, sum of 20" in drawing.draw(seen, 80)


def fan(sources: int) -> Explained:
    """So many sources, and one node that adds them."""
    graph = gradcheck.Graph("fan")
    graph.output(graph.apply(sums(sources), *(graph.input(f"x{k}") for k in range(sources))))
    return explain(graph, [1.0] * sources)


def dense(nodes: int) -> Explained:
    """Each node adds all those before it."""
    graph = gradcheck.Graph("dense")
    made = [graph.input("x")]
    for count in range(1, nodes + 1):
        made.append(graph.apply(sums(count), *made))
    graph.output(made[-1])
    return explain(graph, [2.0**-60])


def test_the_largest_picture_is_drawn_and_one_more_is_not():
    """The source is a box, too."""
    assert svg(chain(BOXES - 1))
    assert svg(chain(BOXES)) == ""


def test_many_sources_and_many_wires_are_too_much_too():
    assert svg(fan(BOXES - 1))
    assert svg(fan(BOXES)) == ""
    assert drawing.draw(fan(23), 100)
    assert drawing.draw(fan(24), 100) == ""
    graph = gradcheck.Graph("echo")
    graph.output(*[graph.input("x")] * (BOXES + 1))
    assert svg(explain(graph, [1.0])) == ""
    nodes = int((2 * WIRES) ** 0.5)  # which have some nodes^2 / 2 wires
    assert svg(dense(nodes - 1))
    assert svg(dense(nodes + 1)) == ""


def test_many_parents_have_short_lines():
    said = text(fan(100), width=80).splitlines()
    assert max(map(len, said)) < 500
    assert len(said) < 120
    assert sum("more are left out" in line for line in said) == 2  # parents, sources
    (forward,) = (line for line in said if " = sum100(" in line)
    assert "x18, ... 81 more) = 100" in forward
    description = ET.fromstring(svg(fan(100))).find(f"{SVG}desc").text
    assert "of x19: grad 1; 80 more. " in description
    assert len(description) < 1000


@pytest.mark.parametrize("seed", range(10))
def test_boxes_of_a_picture_do_not_overlap_and_hold_their_text(seed):
    root = ET.fromstring(svg(some_graph(seed, 40)))
    spans = []
    for group in root.findall(f"{SVG}g"):
        for rect in group.findall(f"{SVG}rect"):
            x, y, w, h = (float(rect.get(k)) for k in ("x", "y", "width", "height"))
            spans.append((x, y, x + w, y + h))
            for said in group.findall(f"{SVG}text"):
                assert x < float(said.get("x"))
                assert float(said.get("x")) + 7.9 * len(said.text) < x + w
                assert y + 10 < float(said.get("y")) < y + h
    assert len(spans) >= 40
    for k, (left, top, right, bottom) in enumerate(spans):
        assert 0 < left < right < float(root.get("width"))
        assert 0 < top < bottom < float(root.get("height"))
        for x, y, x2, y2 in spans[:k]:
            assert right < x or x2 < left or bottom < y or y2 < top


# -- layout --------------------------------------------------------------------------------------


def laid_out(seed: int) -> tuple[Layout, list[Box], list[Wire]]:
    rng = random.Random(seed)
    boxes, wires = [], []
    for b in range(rng.randint(1, 30)):
        entering = min(b, rng.randint(0, 3))
        height = float(rng.randint(4, 9))
        boxes.append(Box(10, height, (1.0, 2.0, 3.0)[:entering], (2.0,), loose=entering == 0))
        wires += [Wire(rng.randrange(b), 0, b, k) for k in range(entering)]
    return arrange(boxes, wires, gap=1.5, dummy=Box(0, 1, (0.0,), (0.0,))), boxes, wires


@pytest.mark.parametrize("seed", range(40))
def test_wires_lead_rightwards_and_boxes_do_not_overlap(seed):
    layout, boxes, wires = laid_out(seed)
    layer = {b: k for k, boxes in enumerate(layout.layers) for b in boxes}
    assert sorted(layer) == list(range(len(layout.boxes)))
    for hop in layout.hops:
        assert layer[hop.head] == layer[hop.tail] + 1
    for wire, route in zip(wires, layout.routes, strict=True):
        hops = [layout.hops[h] for h in route]
        assert (hops[0].tail, hops[0].out) == (wire.tail, wire.out)
        assert (hops[-1].head, hops[-1].into) == (wire.head, wire.into)
        assert all(a.head == b.tail for a, b in pairwise(hops))
        assert all(h.head >= len(boxes) for h in hops[:-1])
    for column in layout.layers:
        for above, below in pairwise(column):
            end = layout.top[above] + layout.boxes[above].height
            assert layout.top[below] >= end + 1.5 - 1e-9
    assert min(layout.top) == 0


def test_wires_that_need_not_cross_do_not():
    """Two chains whose boxes are given crosswise."""
    boxes = [Box(1, 1, (), (0.5,)) for _ in range(3)] + [Box(1, 1, (0.5,), (0.5,)) for _ in "abc"]
    wires = [Wire(0, 0, 5, 0), Wire(1, 0, 4, 0), Wire(2, 0, 3, 0)]
    layout = arrange(boxes, wires, gap=1, dummy=Box(0, 0, (0.0,), (0.0,)))
    assert crossings(layout) == 0
    assert all(layout.begins(h) == pytest.approx(layout.ends(h)) for h in layout.hops)
    layout.layers[0].reverse()
    layout.top[0], layout.top[2] = layout.top[2], layout.top[0]
    assert crossings(layout) == 3  # the count can tell


def test_drawn_wires_connect_what_the_graph_connects():
    """Followed from each arrow back through the characters, a wire ends at its parent's box."""
    missing = 0
    for seed in range(80):
        seen = some_graph(seed, 9)
        drawn = drawing.draw(seen, 10_000)
        missing += not drawn  # two wires would have had to run over each other
        wanted = sorted((n.name, seen.values[p.parent].name) for n in seen.nodes for p in n.parents)
        assert not drawn or sorted(read_back(drawn)) == wanted, drawn
    assert missing <= 4


def read_back(drawn: str) -> list[tuple[str, str]]:
    """By arrow, the name in the box that it enters and the name in the box that it comes from."""
    cells = {(r, c): x for r, row in enumerate(drawn.splitlines()) for c, x in enumerate(row)}
    lefts, rights = frames(drawn)
    found = []
    for (r, c), character in cells.items():
        if character == "▶":
            (parent,) = {rights[end] for end in reached(cells, rights, (r, c))}
            found.append((lefts[r, c + 1], parent))
    return found


def frames(drawn: str) -> tuple[dict[Any, str], dict[Any, str]]:
    """The names of boxes by the cells of their left and right sides."""
    rows, lefts, rights = drawn.splitlines(), {}, {}
    for r, row in enumerate(rows[:-1]):
        for top in re.finditer("┌─+┐", row):
            begin, end = top.start(), top.end() - 1
            said = rows[r + 1][begin + 1 : end].split()
            if said and said[0].isalnum():
                down = r + 1
                while rows[down][begin] != "└":
                    lefts[down, begin] = rights[down, end] = said[0]
                    down += 1
    return lefts, rights


def reached(cells: dict[Any, str], rights: dict[Any, str], arrow: Any) -> set[Any]:
    """The right sides of boxes that a wire comes from, through all of its branches."""
    ways = {"l": (0, -1), "r": (0, 1), "u": (-1, 0), "d": (1, 0)}
    back = {"l": "r", "r": "l", "u": "d", "d": "u"}
    sides = {"─": "lr", "│": "ud", "┌": "dr", "┐": "ld", "└": "ur", "┘": "lu", "├": "udr"}
    sides |= {"┤": "udl", "┬": "lrd", "┴": "lru", "┼": "lrud"}
    waiting, ends, seen = [(arrow, "l")], set(), set()
    while waiting:
        (r, c), way = waiting.pop()
        at = r + ways[way][0], c + ways[way][1]
        if (at, way) in seen:
            continue
        seen.add((at, way))
        if way == "l" and at in rights:
            ends.add(at)
        elif cells[at] == "│" and way in "lr":
            waiting.append((at, way))  # it passes under another wire
        elif cells[at] != "▶":
            assert back[way] in sides[cells[at]], f"a wire is broken at {at}"
            waiting += [(at, side) for side in sides[cells[at]] if side != back[way]]
    return ends


# -- the command ---------------------------------------------------------------------------------


def test_svg_writes_the_picture(project):
    ran = project.run("explain", "f", "--svg", "out/f.svg")
    assert ran.code == 0, ran.text
    assert "picture: out/f.svg" in ran.out
    assert ET.parse(project.folder / "out" / "f.svg").getroot().tag == f"{SVG}svg"


def test_svg_into_a_folder_or_below_a_file_is_2_before_any_work(project):
    project.write("gates.py")
    for path, said in ((".", "is a folder"), ("", "is a folder"), ("gates.py/x.svg", "is a file")):
        ran = project.run("explain", "f", "--svg", path)
        assert (ran.code, ran.out) == (2, ""), ran.text
        assert said in ran.err


def test_svg_into_a_read_only_folder_is_2(project, monkeypatch):
    """As the superuser sees it too, who may write everywhere."""

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    ran = project.run("explain", "f", "--svg", "shut/x.svg")
    assert (ran.code, ran.out) == (2, "")
    assert "cannot write shut/x.svg: Permission denied" in ran.err


def test_a_graph_too_large_for_a_picture_says_so(project):
    project.write(
        "long.py",
        "import gradcheck\n"
        "@gradcheck.graph('x[]')\n"
        "def long(x):\n"
        "    for _ in range(300):\n"
        "        x = -x\n"
        "    return x\n",
    )
    ran = project.run("explain", "long.py", "--svg", "x.svg")
    assert ran.code == 2
    assert "x.svg is not written: the graph (nodes: 300, sources: 1) is too large" in ran.err
    assert "260 more are left out" in ran.out
    assert not (project.folder / "x.svg").exists()


def test_traced_functions_are_explained_at_their_plain_case_or_example(project):
    ran = project.run("explain", "window_classifier")
    assert ran.code == 0, ran.text
    assert ran.out.startswith("window_classifier(table = [[")
    project.write(
        "mine.py",
        "import gradcheck, numpy as np\n"
        "def mean(x):\n"
        "    return np.tanh(x) * x\n"
        "loss = gradcheck.op(gradcheck.graph(mean), 3.0, name='loss')\n",
    )
    ran = project.run("explain", "mine.py")
    assert ran.code == 0, ran.text
    assert ran.out.startswith("loss(x = 3)")


def test_numbers_for_integers_stay_integers(project):
    project.write(
        "pick.py",
        "import gradcheck\n"
        "take = gradcheck.op(lambda t, k: t * k, lambda dz, t, k: dz * k, 't[], k:int[]<9')\n"
        "@gradcheck.graph('t[], k:int[]<9')\n"
        "def pick(t, k):\n"
        "    return take(t, k)\n",
    )
    ran = project.run("explain", "pick.py::pick", "2", "3")
    assert ran.code == 0, ran.text
    assert "dpick/dt    = 3" in ran.out
    assert "dpick/dk    = none (integers)" in ran.out


def test_numbers_go_with_the_defaults_of_attributes(project):
    project.write(
        "times.py",
        "import gradcheck\n"
        "scale = gradcheck.op(lambda x, k: k * x, lambda dz, x, k: k * dz, 'x[], k=2|3')\n"
        "@gradcheck.graph('x[], k=2|3')\n"
        "def times(x, k):\n"
        "    return scale(x, k=k)\n",
    )
    ran = project.run("explain", "times.py::times", "5")
    assert ran.code == 0, ran.text
    assert ran.out.startswith("times(x = 5, k = 2)")
    assert "dtimes/dx    = 2" in ran.out


def test_a_graph_function_without_described_inputs_says_what_it_lacks(project):
    project.write(
        "bare.py",
        "import gradcheck, numpy as np\n"
        "@gradcheck.graph('x[]')\n"
        "def near(x):\n"
        "    return x * x\n"
        "free = gradcheck.graph(lambda x: np.tanh(x))\n"
        "free.__name__ = 'free'\n",
    )
    ran = project.run("explain", "bare.py::free", "1")
    assert ran.code == 2
    assert "free is a graph without described inputs: give a signature" in ran.err
    ran = project.run("explain", "bare.py::fear", "1")
    assert "bare.py has no graph fear. Did you mean 'near'?" in ran.err


def test_ops_that_are_no_graphs_are_said_to_be_none(project):
    project.write("gates.py")
    ran = project.run("explain", "gates.py::cube")
    assert ran.code == 2
    assert "cube is an op and no graph: explain shows graphs, node by node" in ran.err


def test_a_backward_that_raises_is_named_with_its_node(project):
    project.write(
        "bad.py",
        "import gradcheck\n"
        "bad = gradcheck.op(lambda a: a, lambda dz, a: 1 / 0, 'a[]', name='bad')\n"
        "@gradcheck.graph('x[]')\n"
        "def net(x):\n"
        "    h = bad(x)\n"
        "    return h\n",
    )
    ran = project.run("explain", "bad.py::net", "2")
    assert ran.code == 2
    assert "net cannot be evaluated at numbers (x): ZeroDivisionError" in ran.err
    assert "(at node h = bad(x ()))" in ran.err


@pytest.mark.parametrize(("encoding", "corner"), [("ascii", "+--"), ("utf-8", "┌──")])
def test_the_console_decides_about_box_characters(project, encoding, corner):
    ran = project.shell("explain", "f", PYTHONIOENCODING=encoding)
    assert ran.code == 0, ran.text
    assert ran.out.splitlines()[2].startswith(corner)
