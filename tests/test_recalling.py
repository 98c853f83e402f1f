"""A recipe that is cut, changed or of another op is refused in a sentence; right ones are not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import gradcheck
from gradcheck import targets
from gradcheck.errors import UsageError
from gradcheck.recalling import COTANGENTS, KINDS, REGIMES, recalled

SHAPES = [[2, 2], [2]]
AFFINE = "x[n d], w[d], k=1|2"
affine = gradcheck.op(
    lambda x, w, k: k * (x @ w), lambda dz, x, w, k: (k * np.outer(dz, w), k * dz @ x), AFFINE
)

DAMAGED = [  # what is wrong with it, and what the message names
    ("{", "cannot be read"),
    ("[" * 100_000, "cannot be read"),
    ({"regime": "generic", "\ud800": 1}, "cannot be read"),
    ({"shapes": SHAPES}, "regime"),
    ({"regime": "generic"}, "shapes has 0 entries, and the op 2 inputs"),
    ({"regime": "generic", "shapes": [[2, 2]]}, "shapes has 1 entries"),
    ({"regime": "genric", "shapes": SHAPES}, "Did you mean 'generic'"),
    ({"regime": "example"}, "the op has none"),
    ({"regime": "generic", "shapes": [[2, -2], [2]]}, "below 0"),
    ({"regime": "generic", "shapes": [[10**9, 10**9], [2]]}, "more than 100,000,000"),
    ({"regime": "generic", "shapes": SHAPES, "grids": ["0" * 16]}, "grids has 1 entries"),
    ({"regime": "generic", "shapes": SHAPES, "grids": ["0" * 16, "0" * 6]}, "hexadecimal"),
    ({"regime": "generic", "shapes": SHAPES, "grids": ["z" * 16, "0" * 8]}, "hexadecimal"),
    ({"regime": "generic", "shapes": SHAPES, "grids": ["seed:", "seed:-1"]}, "hexadecimal"),
    ({"regime": "generic", "shapes": SHAPES, "values": [None]}, "values has 1 entries"),
    ({"regime": "generic", "shapes": SHAPES, "values": [["float64", [3], [1]], None]}, "reshape"),
    ({"regime": "generic", "shapes": SHAPES, "domains": ["real"]}, "domains has 1 entries"),
    ({"regime": "generic", "shapes": SHAPES, "domains": ["real", "odd"]}, "domain 'odd'"),
    ({"regime": "generic", "shapes": SHAPES, "dtype": "float65"}, "Did you mean 'float64'"),
    ({"regime": "generic", "shapes": SHAPES, "cotangent": "ones"}, "cotangent 'ones'"),
    ({"regime": "generic", "shapes": SHAPES, "cotangent_seed": -1}, "cotangent_seed"),
    ({"regime": "generic", "shapes": SHAPES, "attributes": {"k": 2}}, "none at place 2"),
    ({"regime": "generic", "shapes": SHAPES, "attributes": {"k": -1}}, "none at place -1"),
    ({"regime": "generic", "shapes": SHAPES, "attributes": {"q": 0}}, "no attribute 'q'"),
]


@pytest.mark.parametrize(("damaged", "said"), DAMAGED)
def test_a_damaged_recipe_is_refused_with_what_is_wrong_and_what_to_do(damaged, said):
    text = damaged if isinstance(damaged, str) else json.dumps(damaged, ensure_ascii=False)
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        recalled(text, affine, "the recipe")
    assert str(caught.value).startswith("the recipe ")
    assert str(caught.value).endswith("or make a new one with gradcheck run")


def test_every_prefix_of_a_recipe_is_refused_and_the_whole_is_not():
    whole = '{"regime":"generic","shapes":[[2,2],[2]],"grids":["0000000000000000","00000000"]}'
    assert recalled(whole, affine, "the recipe").shapes == ((2, 2), (2,))
    for end in range(len(whole)):
        with pytest.raises(UsageError):
            recalled(whole[:end], affine, "the recipe")


def test_what_reports_hold_is_taken(project):
    """Every recipe that a run writes down: here of an op that is wrong in every way of a gate."""
    project.write("gates.py")
    project.run("run", "gates.py", "--max-cases", "40", "--strict")
    (op,) = targets.load("gates.py::Wrong")
    findings = project.results()["results"][0]["findings"]
    assert findings
    for finding in findings:
        assert recalled(finding["recipe"], op, "the recipe").shapes


def test_the_names_are_those_that_templates_ask_for():
    """A regime that is new in the sources and missing here would be refused by replay."""
    package = Path(gradcheck.__file__).parent
    files = ("beyond", "corners", "cases", "cost", "templates", "random_graphs", "gathering")
    sources = "\n".join((package / f"{name}.py").read_text() for name in files)
    for name, known in (("regime", REGIMES), ("cotangent", COTANGENTS)):
        used = set(re.findall(rf'\b{name}="([a-z -]+)"', sources))
        assert len(used) > 2
        assert used <= set(known)
    assert "real" in KINDS


def test_replay_of_a_shortened_recipe_is_a_wrong_call_and_no_fault_of_ours(project):
    project.write("gates.py")
    ran = project.run("replay", "gates.py::cube", '{"regime":"generic"}')
    assert ran.code == 2
    assert ran.err == (
        "gradcheck: the recipe is damaged, or not of gates::cube: shapes has 0 entries, and the op "
        "1 input; copy it whole from a report, or make a new one with gradcheck run\n"
    )
    half = '{"regime":"generic","shapes":[[2]],"dtype":"float16"}'
    ran = project.run("replay", "gates.py::cube", half)
    assert ran.code == 2
    assert "the recipe is in float16, and gates::cube is judged in float64, float32" in ran.err


def test_replay_of_a_damaged_result_file_names_the_file(project):
    project.write("gates.py")
    project.run("run", "gates.py", "--max-cases", "12")
    found = project.results()
    finding = found["results"][0]["findings"][0]
    finding["recipe"] = finding["recipe"].replace('"shapes":[[2]]', '"shapes":[]')
    project.write(".gradcheck/results.json", json.dumps(found))
    ran = project.run("replay", finding["replay"].split()[-1])
    assert ran.code == 2
    assert "in .gradcheck/results.json is damaged, or not of gates::Wrong: shapes has 0" in ran.err
