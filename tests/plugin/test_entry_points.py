"""``entry:name``: ops that an installed package offers."""

from __future__ import annotations

import pytest

from tests.project import GATES

OFFERS = """
[gradcheck.ops]
{entries}
"""


def install(folder, name="mylib", entries="mylib = mylib.gates"):
    """A package with gates, as pip leaves it."""
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "gates.py").write_text(GATES)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(OFFERS.format(entries=entries))


@pytest.fixture
def mylib(pytester, monkeypatch):
    """A project beside an installed package."""
    site = pytester.path.parent / (pytester.path.name + "-site")
    install(site)
    monkeypatch.syspath_prepend(site)
    pytester.makepyprojecttoml(
        '[tool.gradcheck]\nmax-cases = 11\nchecks = ["values"]\ntargets = ["entry:mylib"]\n'
    )
    return pytester


def test_a_target_of_the_settings(mylib):
    ran = mylib.runpytest_inprocess("-p", "no:cacheprovider")
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(
        ["mylib.gates::Wrong *FAIL*", "FAILED entry:mylib::mylib.gates::Wrong - *"]
    )


def test_an_installed_package_adds_nothing_by_itself(mylib):
    mylib.makepyprojecttoml("[tool.gradcheck]\nseed = 1\n")
    mylib.makepyfile("def test_own():\n    pass\n")
    mylib.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_name_that_nobody_offers(mylib):
    mylib.makepyprojecttoml('[tool.gradcheck]\ntargets = ["entry:mylob"]\n')
    ran = mylib.runpytest_inprocess()
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(
        [
            "[[]tool.gradcheck] targets: no installed package offers 'entry:mylob' (an entry point "
            "of the group gradcheck.ops). Did you mean 'entry:mylib'?"
        ]
    )


@pytest.fixture
def site(project, monkeypatch):
    monkeypatch.syspath_prepend(project.folder / "site")
    return project.folder / "site"


@pytest.mark.parametrize(
    ("entries", "target", "ops"),
    [
        ("mylib = mylib.gates", "entry:mylib", ["Wrong", "cube", "right"]),
        ("mylib = mylib.gates", "entry:mylib::cube", ["cube"]),
        ("cubes = mylib.gates:cube", "entry:cubes", ["cube"]),
        ("cubes = mylib.gates : cube [extra]", "entry:cubes", ["cube"]),
    ],
)
def test_on_the_command_line(project, site, entries, target, ops):
    install(site, entries=entries)
    ran = project.run("run", target, "--max-cases", "11", "--checks", "values", "--json", "a.json")
    assert ran.code == (1 if "Wrong" in ops else 0), ran.text
    results = project.results("a.json")["results"]
    assert [r["op"] for r in results] == [f"mylib.gates::{name}" for name in ops]
    assert [r["target"] for r in results] == [f"mylib.gates::{name}" for name in ops]


def test_two_packages_under_one_name(project, site):
    install(site)
    install(site, "other", "mylib = other.gates")
    ran = project.run("list", "entry:mylib")
    assert ran.code == 0
    assert "mylib.gates::cube" in ran.out
    assert "other.gates::cube" in ran.out


def test_a_module_that_is_not_there(project, site):
    install(site, entries="mylib = mylib.gtaes")
    ran = project.run("run", "entry:mylib")
    assert ran.code == 2
    assert "mylib.gtaes" in ran.err
    assert "Traceback" not in ran.text


def test_a_name_that_nobody_offers_on_the_command_line(project):
    ran = project.run("run", "entry:mylob")
    assert ran.code == 2
    assert "no installed package offers 'entry:mylob'" in ran.err
