"""``@gradcheck.parametrize(ops)``: a test for each op."""

from __future__ import annotations

import pytest

from tests.project import GATES

TEST = """
import gradcheck
{head}

@gradcheck.parametrize({ops})
def test_each(op):
    gradcheck.check(op)
"""


@pytest.fixture
def shop(few):
    """A package with two modules, in which one name is there twice."""
    few.syspathinsert()
    folder = few.mkpydir("shop")
    (folder / "__init__.py").write_text("from shop import gates, more\n")
    (folder / "gates.py").write_text(GATES)
    (folder / "more.py").write_text(GATES.replace("-2.0", "1.0"))
    return few


def names(pytester, *arguments):
    ran = pytester.runpytest_inprocess("--co", "-q", "-p", "no:cacheprovider", *arguments)
    return [line.partition("::")[2] for line in ran.outlines if "::" in line]


@pytest.mark.parametrize(
    ("head", "ops"),
    [
        ("", "'shop.gates'"),
        ("", "'shop/gates.py'"),
        ("import shop.gates", "shop.gates"),
        ("from shop.gates import Wrong, cube, right", "[Wrong, cube, right]"),
        ("from shop.gates import Wrong, cube, right", "[Wrong, 'shop.gates::cube', right, cube]"),
    ],
)
def test_whatever_names_ops(shop, head, ops):
    shop.makepyfile(test_shop=TEST.format(head=head, ops=ops))
    expected = ["test_each[Wrong]", "test_each[cube]", "test_each[right]"]
    assert names(shop) == expected
    assert names(shop, "-m", "gradcheck", "-k", "cube") == ["test_each[cube]"]


def test_each_is_checked(shop, report):
    shop.makepyfile(test_shop=TEST.format(head="", ops="'shop.gates'"))
    ran, found = report()
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(
        [
            "op = <gradcheck op: shop.gates::Wrong>",
            "E *again *gradcheck replay shop.gates::Wrong '{*",
            "FAILED *::test_each[[]Wrong[]] - Wrong: wrong gradient: *",
        ]
    )
    assert [r["op"] for r in found["results"]][1] == "test_shop.py::test_each[cube]::cube"


def test_an_op_can_be_called(shop):
    shop.makepyfile(
        "import gradcheck\n\n@gradcheck.parametrize('shop.gates::cube')\n"
        "def test_call(op):\n    assert op(2.0) == 8.0\n"
    )
    shop.runpytest_inprocess().assert_outcomes(passed=1)


def test_one_name_twice_is_told_apart_by_module(shop):
    shop.makepyfile(test_shop=TEST.format(head="", ops="'shop'"))
    assert names(shop, "-k", "cube") == [
        "test_each[shop.gates::cube]",
        "test_each[shop.more::cube]",
    ]


def test_a_class_and_other_parameters(shop):
    shop.makepyfile(
        test_shop="import gradcheck, pytest\n\n@gradcheck.parametrize('shop.more::cube')\n"
        "class TestThem:\n    @pytest.mark.parametrize('k', [1, 2])\n"
        "    def test_it(self, op, k):\n        pass\n"
    )
    assert names(shop) == ["TestThem::test_it[1-cube]", "TestThem::test_it[2-cube]"]


def test_a_set_has_one_order(shop):
    ops = "{'shop.more::right', 'shop.gates::cube', 'shop.more::Wrong', 'shop.more::cube'}"
    shop.makepyfile(test_shop=TEST.format(head="", ops=ops))
    assert names(shop) == [
        "test_each[shop.gates::cube]",
        "test_each[shop.more::Wrong]",
        "test_each[shop.more::cube]",
        "test_each[shop.more::right]",
    ]


def test_ops_of_one_name_in_one_place_are_all_tested(few):
    """What a loop makes, for instance: none of them is left out."""
    few.makepyfile(
        "import gradcheck\n\n"
        "OPS = [gradcheck.op(lambda x: x, lambda dz, x: dz, 'x[n]') for _ in range(3)]\n\n"
        "@gradcheck.parametrize(OPS)\ndef test_each(op):\n    pass\n"
    )
    few.runpytest_inprocess().assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("ops", "says"),
    [
        ("'shop.nowhere'", "there is no module 'shop.nowhere' here"),
        ("'shop.gates::cub'", "shop.gates has no op 'cub'. Did you mean 'cube'?"),
        ("[]", "gradcheck.parametrize([[][]]): there is no op in it"),
        ("len", "gradcheck.parametrize: <built-in function len> is no op: *"),
        ("'entry:shop'", "no installed package offers 'entry:shop' *"),
    ],
)
def test_what_holds_no_op_is_one_sentence(shop, ops, says):
    shop.makepyfile(test_shop=TEST.format(head="", ops=ops))
    ran = shop.runpytest_inprocess()
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines([f"*{says}*"])
    assert "targets.py" not in ran.stdout.str()
