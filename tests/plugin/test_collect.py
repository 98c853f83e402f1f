"""Which ops become items, and under which names."""

from __future__ import annotations

import pytest

from tests.project import GATES

FAST = '[tool.gradcheck]\nmax-cases = 12\nchecks = ["values"]\n'
RIGHT = """
import gradcheck

right = gradcheck.op(lambda x: x * x, lambda dz, x: 2 * x * dz, "x[n]")
"""


def names(pytester, *arguments):
    """What ``--co -q`` prints."""
    ran = pytester.runpytest_inprocess("--co", "-q", "-p", "no:cacheprovider", *arguments)
    return [line for line in ran.outlines if "::" in line]


def test_class_function_and_assigned_op_are_one_item_each(pytester):
    pytester.makepyfile(test_gates=GATES + "\n\ndef test_other():\n    pass\n")
    assert names(pytester) == [
        "test_gates.py::Wrong",
        "test_gates.py::cube",
        "test_gates.py::right",
        "test_gates.py::test_other",
    ]


def test_an_imported_op_is_collected_where_it_is_defined(pytester):
    pytester.makepyfile(
        test_gates=GATES,
        test_uses="from test_gates import Wrong, cube, right\n\ndef test_cube():\n    cube(2.0)\n",
    )
    assert names(pytester) == [
        "test_gates.py::Wrong",
        "test_gates.py::cube",
        "test_gates.py::right",
        "test_uses.py::test_cube",
    ]


def test_an_alias_is_no_second_op(pytester):
    pytester.makepyfile(test_gates=RIGHT + "also = right\n")
    assert names(pytester) == ["test_gates.py::right"]


def test_a_class_in_a_subclass_is_collected_once(pytester):
    """The mark is the class's own: a subclass is registered by itself or not at all."""
    pytester.makepyfile(test_gates=GATES + "\n\nclass More(Wrong):\n    pass\n")
    assert [n for n in names(pytester) if "More" in n] == []


def test_a_name_of_its_own_names_the_item(pytester):
    pytester.makepyfile(test_gates=GATES.replace('"x[n]")\nclass', '"x[n]", name="sine")\nclass'))
    assert names(pytester)[0] == "test_gates.py::sine"


def test_two_ops_of_one_name_are_an_error(pytester):
    pytester.makepyfile(test_gates=GATES.replace('"x[n]")\nclass', '"x[n]", name="right")\nclass'))
    ran = pytester.runpytest_inprocess()
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["*two ops are called 'right': test_gates.py:* and test_gates.py:*"])


def test_lazy_objects_of_other_libraries_are_left_alone():
    """Proxies that raise when they are looked at are common in web projects' test modules."""
    from gradcheck.targets import op_of

    class Proxy:
        @property
        def __class__(self):
            raise RuntimeError("outside of a request")

        def __getattr__(self, name):
            raise RuntimeError("outside of a request")

    assert op_of(Proxy()) is None


# -- configured targets --------------------------------------------------------------------------


@pytest.fixture
def configured(pytester):
    """A project with a file and a package as targets, and one test."""
    pytester.makepyprojecttoml(FAST + 'targets = ["gates.py", "shop"]\n')
    pytester.makepyfile(gates=RIGHT, test_own="def test_own():\n    pass\n")
    shop = pytester.mkpydir("shop")
    (shop / "__init__.py").write_text("from shop import parts\n")
    (shop / "parts.py").write_text(RIGHT.replace("right", "part"))
    pytester.syspathinsert()
    return pytester


def test_targets_are_items_where_pytest_is_given_no_arguments(configured):
    assert names(configured) == ["test_own.py::test_own", "gates.py::right", "shop/parts.py::part"]
    ran = configured.runpytest_inprocess()
    ran.assert_outcomes(passed=3)
    ran.stdout.fnmatch_lines(["collected 3 items", "gradcheck: 2 ops, seed 0, 12 cases each"])


def test_targets_are_left_out_where_pytest_is_pointed_at_something(configured):
    assert names(configured, "test_own.py") == ["test_own.py::test_own"]
    assert names(configured, "--no-gradcheck") == ["test_own.py::test_own"]


@pytest.mark.parametrize(
    ("argument", "items"),
    [
        ("gates.py", ["gates.py::right"]),
        ("gates.py::right", ["gates.py::right"]),
        ("shop", ["shop/parts.py::part"]),
        ("shop/parts.py::part", ["shop/parts.py::part"]),
    ],
)
def test_a_target_given_as_argument_is_found_once_by_its_printed_name(configured, argument, items):
    assert names(configured, argument) == items
    configured.runpytest_inprocess(argument).assert_outcomes(passed=1)


def test_testpaths_and_targets_together(configured):
    paths = '[tool.pytest.ini_options]\ntestpaths = ["."]\n'
    configured.makepyprojecttoml(FAST + 'targets = ["test_own.py", "gates.py"]\n' + paths)
    configured.makepyfile(test_own=RIGHT + "def test_own():\n    assert {1} == {1}\n")
    assert names(configured) == ["test_own.py::right", "test_own.py::test_own", "gates.py::right"]


def test_a_single_op_as_target(configured):
    configured.makepyprojecttoml(FAST + 'targets = ["shop.parts::part"]\n')
    assert names(configured) == ["test_own.py::test_own", "shop/parts.py::part"]


def test_a_folder_below_collects_only_itself(configured, monkeypatch):
    """As for ``testpaths``: from there pytest collects what is there."""
    below = configured.mkdir("below")
    (below / "test_below.py").write_text(RIGHT)
    monkeypatch.chdir(below)
    assert names(configured) == ["below/test_below.py::right"]
    configured.runpytest_inprocess().assert_outcomes(passed=1)


def test_another_rootdir_than_the_current_folder(configured, monkeypatch):
    monkeypatch.chdir(configured.mkdir("elsewhere"))
    root = ("--rootdir", str(configured.path))
    ran = configured.runpytest_inprocess(*root, "-c", "../pyproject.toml", "..")
    ran.assert_outcomes(passed=3)
    ran = configured.runpytest_inprocess(*root, "../gates.py", "../shop")
    ran.assert_outcomes(passed=2)


LEFT_OUT = "gradcheck: targets of [[]tool.gradcheck] not collected: pytest was *"


@pytest.mark.parametrize("argument", [".", "..", "{root}"])
def test_a_path_that_holds_the_rootdir_is_everything(configured, argument):
    ran = configured.runpytest_inprocess(
        f"--rootdir={configured.path}", "--co", argument.format(root=configured.path)
    )
    ran.stdout.no_fnmatch_line(LEFT_OUT)
    ran.stdout.fnmatch_lines(["*<OpItem right>", "*<OpItem part>"])


def test_targets_that_are_left_out_are_said_to_be(configured, monkeypatch):
    ran = configured.runpytest_inprocess("test_own.py")
    ran.assert_outcomes(passed=1)
    ran.stdout.fnmatch_lines([LEFT_OUT + "given paths"])
    for quiet in ("-q", "--no-header", "--no-gradcheck"):
        ran = configured.runpytest_inprocess("--co", quiet, "test_own.py")
        ran.stdout.no_fnmatch_line(LEFT_OUT)
    monkeypatch.chdir(configured.mkdir("below"))
    ran = configured.runpytest_inprocess("--co")
    ran.stdout.fnmatch_lines([LEFT_OUT + "started in another folder than its rootdir"])
    monkeypatch.chdir(configured.path)
    for whole in ([], ["gates.py"], ["shop"]):
        configured.runpytest_inprocess("--co", *whole).stdout.no_fnmatch_line(LEFT_OUT)
    configured.makepyprojecttoml(FAST)
    configured.runpytest_inprocess("--co", "test_own.py").stdout.no_fnmatch_line(LEFT_OUT)


def test_a_comment_is_no_table(pytester, monkeypatch):
    """A project that only mentions us obeys none of our variables."""
    monkeypatch.setenv("GRADCHECK_MAX_CASES", "none")
    pytester.makepyfile(test_own="def test_own():\n    pass\n")
    pytester.makepyprojecttoml("# [tool.gradcheck]\n[tool.other]\nx = 'tool.gradcheck'\n")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    pytester.makepyprojecttoml("[tool]\ngradcheck = {seed = 1}\n")
    assert pytester.runpytest_inprocess().ret == pytest.ExitCode.USAGE_ERROR


# -- what goes wrong while collecting ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "import gradcheck\n\n@gradcheck.register('x[n')\nclass Gate:\n"
            "    def forward(self, x): return x\n    def backward(self, dz): return dz\n",
            "test_gates.py:3: *",
        ),
        ("import gradcheck\nop = gradcheck.op(3, 'x[n]')\n", "test_gates.py:2: *"),
        (
            "import gradcheck\n\n@gradcheck.register('x[n]')\ndef lonely(x): return x\n",
            "*lonely is registered but has no backward pass: add*",
        ),
    ],
)
def test_a_wrong_registration_is_one_sentence_with_the_users_line(pytester, text, says):
    pytester.makepyfile(test_gates=text, test_other=RIGHT)
    ran = pytester.runpytest_inprocess("--continue-on-collection-errors")
    ran.assert_outcomes(errors=1, passed=1)
    ran.stdout.fnmatch_lines(["*ERROR collecting test_gates.py*", says])
    assert "registry.py" not in ran.stdout.str()
    assert "Traceback" not in ran.stdout.str()


def test_a_target_that_cannot_be_imported_is_one_collection_error(configured):
    configured.makepyfile(gates="import nowhere_at_all\n")
    ran = configured.runpytest_inprocess("--continue-on-collection-errors")
    ran.assert_outcomes(errors=1, passed=2)
    ran.stdout.fnmatch_lines(
        [
            "*ERROR collecting gates.py*",
            "[[]tool.gradcheck] targets: gates.py cannot be imported: ModuleNotFoundError: "
            "No module named 'nowhere_at_all' (at gates.py:1)",
        ]
    )


def test_a_target_that_does_not_exist_is_one_collection_error(configured):
    configured.makepyprojecttoml(FAST + 'targets = ["gate.py"]\n')
    ran = configured.runpytest_inprocess()
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["*there is no file 'gate.py'. Did you mean 'gates.py'*"])


@pytest.mark.parametrize("arguments", [(), ("-n", "2"), ("test_own.py",)])
def test_a_wrong_key_is_a_usage_error(pytester, arguments):
    pytester.makepyprojecttoml("[tool.gradcheck]\nmax-case = 3\n")
    pytester.makepyfile(test_own=RIGHT)
    ran = pytester.runpytest_inprocess(*arguments)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["ERROR: *unknown key 'max-case'. Did you mean 'max-cases'*"])
    assert "Traceback" not in ran.stdout.str() + ran.stderr.str()
