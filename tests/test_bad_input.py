"""What users' files do wrong: each is a finding or a sentence, and everything else still runs."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from gradcheck import files
from gradcheck.errors import UsageError
from tests.project import COMMAND

FEW = ("--max-cases", "12")

# -- ops that misbehave --------------------------------------------------------------------------

OPS = """
import numpy as np

import gradcheck


def square(x):
    return x * x


def dsquare(dz, x):
    return 2 * x * dz


def product(x, y):
    return x * y


first = gradcheck.op(square, dsquare, "x[n]")
{op}
last = gradcheck.op(square, dsquare, "x[n]")
"""
FORWARD = "\ndef forward(x):\n    {body}\n\nop = gradcheck.op(forward, dsquare, 'x[n]')\n"
BACKWARD = (
    "\ndef backward(dz, x, y):\n    {body}\n\nop = gradcheck.op(product, backward, 'x[n], y[n]')\n"
)


@pytest.mark.parametrize(
    ("op", "code", "says", "line"),
    [
        (FORWARD.format(body="raise RuntimeError('boom')"), "forward-raised",
         "forward raises RuntimeError: boom; these inputs are declared: narrow the domain", 22),
        (FORWARD.format(body="return forward(x)"), "forward-raised", "RecursionError", 22),
        (FORWARD.format(body="raise SystemExit(0)"), "forward-raised", "SystemExit: 0", 22),
        (FORWARD.format(body="return np.log(x - 1e9)"), "forward-not-finite",
         "forward returns NaN or infinity on declared inputs: narrow the domain", 11),
        (FORWARD.format(body="return x > 0"), "no-real-output",
         "forward returns no real output", 11),
        (BACKWARD.format(body="raise IndexError('mine')"), "backward-raised",
         "backward raises IndexError: mine", 21),
        (BACKWARD.format(body="return None.sum()"), "backward-raised", "AttributeError", 21),
        (BACKWARD.format(body="return (dz * y,)"), "gradient-count",
         "backward returned 1 gradient, but forward takes 2 inputs (x, y)", 21),
        (BACKWARD.format(body="return dz * y, dz * x, dz"), "gradient-count",
         "backward returned 3 gradients, but forward takes 2 inputs (x, y)", 21),
        (BACKWARD.format(body="return dz * y, (dz * x).sum()"), "wrong-shape",
         "gradient of y has shape (), y has (2,)", 21),
        (BACKWARD.format(body="return dz * y, (dz * x)[None]"), "wrong-shape",
         "gradient of y has shape (1, 2), y has (2,)", 21),
        (BACKWARD.format(body="return dz * y, None"), "no-gradient",
         "backward returned None for y, which is a real input: return its gradient", 21),
        (BACKWARD.format(body="return dz * y, 'text'"), "not-a-gradient",
         "gradient of y is a str of dtype <U4: return real numbers", 21),
        (BACKWARD.format(body="return dz * y, dz * x * 1j"), "not-a-gradient", "complex", 21),
        (BACKWARD.format(body="return dz * y, np.zeros(len(x), 'f8, f8')"), "not-a-gradient",
         "gradient of y is a ndarray of dtype [('f0', '<f8'), ('f1', '<f8')]", 21),
        (FORWARD.format(body="return ()"), "no-real-output",
         "forward returns no real output, but an empty tuple", 11),
    ],
    ids=lambda p: "",
)  # fmt: skip
def test_a_bad_op_is_a_finding_and_its_neighbours_still_run(project, op, code, says, line):
    project.write("gates.py", OPS.format(op=op))
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 1, ran.text
    results = {r["op"]: r for r in project.results()["results"]}
    assert list(results) == ["gates::first", "gates::op", "gates::last"]
    assert results["gates::first"]["verdict"] == results["gates::last"]["verdict"] == "pass"
    bad = results["gates::op"]
    assert bad["verdict"] == "fail"
    assert code in [f["code"] for f in bad["findings"]]
    assert says in " ".join(ran.out.split())
    assert f"gates.py:{line}" in ran.out or f'gates.py", line {line}, in' in ran.out
    assert f"again               {bad['findings'][0]['replay']}" in ran.out
    assert "gradcheck/" not in ran.text.replace(".gradcheck/", "")
    assert "Traceback" not in ran.text
    assert ran.err == ""


def test_a_forward_that_changes_its_shape_is_not_judged(project):
    body = "forward.n = getattr(forward, 'n', 0) + 1; return np.zeros(1 + forward.n % 2) + x.sum()"
    project.write("gates.py", OPS.format(op=FORWARD.format(body=body)))
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 1
    assert "op: no verdict " in ran.out
    assert "the same call twice gives different outputs" in " ".join(ran.out.split())
    assert "3 ops, 2 passed, 1 not judged" in ran.out


PROCESS = "\ndef forward(x):\n    import os, sys\n    {body}\n    return x * x\n\n" + (
    "op = gradcheck.op(forward, dsquare, 'x[n]')\n"
)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_an_op_changes_for_the_whole_process_is_given_back(project, jobs):
    """Reports go where they were asked for, wherever an op, or an import, has gone since."""
    away = project.folder / "away"
    away.mkdir()
    body = f"os.chdir({str(away)!r}); sys.setrecursionlimit(80)"
    project.write("gates.py", OPS.format(op=PROCESS.format(body=body)))
    project.write("goes.py", f"import os\nos.chdir({str(away)!r})\n" + OPS.format(op=""))
    project.write("stays.py", OPS.format(op=""))
    reports = ("--html", "page.html", "--report", "json=made.json", "-j", jobs)
    ran = project.shell("run", "gates.py", "goes.py", "stays.py", *reports, *FEW)
    assert ran.code == 0, ran.text
    assert "7 ops, 7 passed" in ran.out
    assert (project.folder / "page.html").exists()
    assert (project.folder / "made.json").exists()
    assert list(away.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "selftest"])
def test_os_exit_in_an_op_or_in_an_import_is_told(project, command):
    project.write("gates.py", OPS.format(op=PROCESS.format(body="os._exit(0)")))
    ran = project.shell(command, "gates.py", *FEW)
    assert ran.code == 1, ran.text
    assert "SystemExit: os._exit(0) was called" in " ".join(ran.out.split())
    project.write("leaves.py", "import os\nos._exit(0)\n")
    ran = project.shell(command, "leaves.py")
    assert ran.code == 1
    assert "leaves.py cannot be imported: SystemExit: os._exit(0) was called" in ran.text


def test_a_process_that_an_op_forks_ends_itself(project):
    body = "0 if (child := os.fork()) else os._exit(7)\n    os.waitpid(child, 0)"
    project.write("gates.py", OPS.format(op=PROCESS.format(body=body)))
    ran = project.shell("run", "gates.py", "--max-cases", "2")
    assert ran.code == 0, ran.text


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_op_that_fits_into_no_memory_is_a_sentence(project, jobs):
    op = "\nop = gradcheck.op(square, dsquare, 'x[1000000 1000000]')\n"
    project.write("gates.py", OPS.format(op=op))
    ran = project.shell("run", "gates.py", "-j", jobs, *FEW)
    assert ran.code == 1
    assert "could not be checked: gates::op: there is not enough memory for a case" in ran.out
    assert "smaller sizes in its signature" in ran.out
    assert "2 ops, 2 passed, 1 could not be checked" in ran.out


FAULTY = """
from gradcheck.trial import Bench

whole = Bench.run


def broken(self, recipe, checks=None):
    if self.op.name == "op":
        raise IndexError("ours")
    return whole(self, recipe, checks)


Bench.run = broken
op = gradcheck.op(square, dsquare, "x[n]", name="op")
"""


@pytest.mark.parametrize("more", [(), ("-j", "2"), ("--isolate",)])
def test_a_fault_of_ours_at_one_op_keeps_none_from_being_checked(project, more):
    project.write("gates.py", OPS.format(op=FAULTY))
    ran = project.shell("run", "gates.py", "--html", "page.html", *more, *FEW)
    assert ran.code == 3, ran.text
    assert "2 ops, 2 passed, 1 could not be checked" in ran.out
    assert ran.err == (
        "gradcheck: internal error, please report it: IndexError: ours; the trace is in "
        ".gradcheck/crash.txt\n"
    )
    assert "in broken" in (project.folder / ".gradcheck" / "crash.txt").read_text()
    assert "please report it: IndexError: ours" in (project.folder / "page.html").read_text()
    (error,) = project.results()["errors"]
    assert error == "gates::op: internal error, please report it: IndexError: ours"
    assert project.shell("selftest", "gates.py::op").code == 3


def test_a_fault_of_ours_in_a_test_is_no_usage_error(project):
    project.write("gates.py", OPS.format(op=FAULTY))
    code = (
        "import gates, gradcheck\n"
        "try: gradcheck.check(gates.op)\n"
        "except gradcheck.UsageError: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("IndexError: ours")
    assert "in broken" in done.stderr


STRUCTURED = "np.zeros(2, 'f8, f8')"


@pytest.mark.parametrize("returned", ["None", "'text'", "{'out': x}", "object()", STRUCTURED])
def test_a_forward_without_arrays_is_a_sentence(project, returned):
    project.write("gates.py", OPS.format(op=FORWARD.format(body=f"return {returned}")))
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 1
    assert "could not be checked: gates::op: forward must return an array" in ran.out
    assert "2 ops, 2 passed, 1 could not be checked" in ran.out
    assert "Traceback" not in ran.text


def test_a_gradient_that_comes_as_a_list_of_numbers_is_a_wrong_count(project):
    """At size 0 the list is empty, like the answer of an op that has nothing to return."""
    backward = "\n\ndef backward(dz, x):\n    return list(2 * x * dz)\n\n"
    op = backward + "op = gradcheck.op(square, backward, 'x[n]')\n"
    project.write("gates.py", OPS.format(op=op))
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 1
    assert "backward returned 2 gradients, but forward takes 1 input (x)" in " ".join(
        ran.out.split()
    )
    assert "internal error" not in ran.text


def test_integers_beyond_all_floats_in_the_source_are_no_constants(project):
    body = "return x * x if 10**400 > BIG else x"
    op = "\nBIG = 10**400 - 1\n" + FORWARD.format(body=body)
    project.write("gates.py", OPS.format(op=op))
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 0, ran.text


def test_a_forward_in_long_double_is_a_function_of_its_inputs(project):
    """The padding of a long double differs from call to call."""
    body = "return (x * x).astype(np.longdouble)"
    project.write("gates.py", OPS.format(op=FORWARD.format(body=body)))
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 0, ran.text


def test_an_op_of_integers_alone_is_not_judged_with_the_reason(project):
    op = "\nop = gradcheck.op(lambda t: t * 1.0, lambda dz, t: None, 't:int[n]')\n"
    project.write("gates.py", OPS.format(op=op))
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 1
    assert "no input is real: there is no gradient to check" in ran.out


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("dtypes=np.float16", "dtypes=<class 'numpy.float16'>: a name, or several, as text"),
        ("dtypes=''", "dtypes='' names nothing: leave it out"),
        ("overwrites=3", "overwrites=3: a name, or several, as text"),
        ("domain={'x': 3}", "domain={'x': 3}: a Hypothesis strategy, or a word such as"),
        ("conventions={'x': {0: float('nan')}}", "say by input and place what share"),
        ("conventions={'x': {float('nan'): 0}}", "say by input and place what share"),
    ],
)
def test_an_option_of_another_form_is_a_sentence(project, option, says):
    op = f"\nop = gradcheck.op(square, dsquare, 'x[n]', {option})\n"
    project.write("gates.py", OPS.format(op=op))
    ran = project.run("run", "gates.py", *FEW)
    assert ran.code == 1
    assert "could not be checked: gates.py:" in ran.out
    assert says in " ".join(ran.out.split())


NEVER = "while True: pass"


def test_a_backward_that_never_ends_is_a_finding(project):
    project.write("gates.py", OPS.format(op=BACKWARD.format(body=NEVER)))
    ran = project.run("run", "gates.py", *FEW, "--time-limit", "0.5")
    assert ran.code == 1
    results = {r["op"]: r for r in project.results()["results"]}
    (finding,) = results["gates::op"]["findings"]
    assert finding["code"] == "never-ends"
    assert finding["message"] == "backward did not return within 0.5 s (--time-limit)"
    assert results["gates::last"]["verdict"] == "pass"
    assert "gates.py:21" in ran.out


@pytest.mark.parametrize("inputs", ["'x[n]'", "np.ones(2)"], ids=["signature", "example"])
def test_a_forward_that_never_ends_is_a_finding(project, inputs):
    """In a process of its own, which ends itself: it must not hold the tests up."""
    body = (
        "import os, time\n    end = time.monotonic() + 5\n    while True:\n"
        "        if time.monotonic() > end: os._exit(77)"
    )
    op = FORWARD.format(body=body).replace("'x[n]'", inputs)
    project.write("gates.py", OPS.format(op=op))
    ran = project.shell("run", "gates.py", *FEW, "--time-limit", "0.5")
    assert ran.code == 1
    results = {r["op"]: r for r in project.results()["results"]}
    assert [f["code"] for f in results["gates::op"]["findings"]] == ["never-ends"]
    assert results["gates::last"]["verdict"] == "pass"


# -- files that cannot be imported ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def f(:\n    pass\n",
         "bad.py cannot be imported: SyntaxError: invalid syntax (bad.py, line 1)"),
        ("x = 1\nimport nowhere_at_all\n",
         "bad.py cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all' "
         "(at bad.py:2)"),
        ("from numpy import nothing_there\n", "ImportError: cannot import name 'nothing_there'"),
        ("def f():\n    return 1 / 0\n\nf()\n",
         "bad.py cannot be imported: ZeroDivisionError: division by zero (at bad.py:2)"),
        ("raise SystemExit(0)\n", "bad.py cannot be imported: SystemExit: 0 (at bad.py:1)"),
        ("raise RuntimeError('there is no spoon: it has no op')\n",
         "RuntimeError: there is no spoon"),
        ("import gradcheck\nop = gradcheck.op(3)\n", "bad.py:2: "),
        ("import gradcheck\n\n@gradcheck.register('x[n]', scoop='forward')\nclass G: pass\n",
         "bad.py:3: unknown option 'scoop'. Did you mean 'scope'?"),
        ("import gradcheck\n\n@gradcheck.register('x[n]')\ndef f(x): return x\n",
         "f is registered but has no backward pass: add"),
        ("\x00", "bad.py cannot be imported"),
    ],
    ids=lambda p: "",
)  # fmt: skip
def test_a_file_that_cannot_be_imported_is_one_sentence_and_1(project, text, says):
    project.write("bad.py", text)
    project.write("good.py", OPS.format(op=""))
    ran = project.run("run", "bad.py", "good.py", *FEW)
    assert ran.code == 1
    assert f"could not be checked: {says}" in ran.out or says in ran.out
    assert "2 ops, 2 passed, 1 could not be checked" in ran.out
    assert "next: see above" in ran.out
    report = project.results()
    assert report["summary"]["errors"] == 1
    assert says in report["errors"][0]
    assert "Traceback" not in ran.text
    assert ran.err == ""


def test_a_module_that_cannot_be_imported_is_the_same(project):
    project.write("bad_module.py", "import nowhere_at_all\n")
    ran = project.run("run", "bad_module", *FEW)
    assert ran.code == 1
    assert "bad_module cannot be imported: ModuleNotFoundError" in ran.out
    assert "(at bad_module.py:1)" in ran.out


def test_two_files_of_one_name_are_both_checked(project):
    """Their module names clash; the second must not hide behind the first."""
    wrong = OPS.format(op="").replace("2 * x * dz", "3 * x * dz")
    project.write("a/gates.py", OPS.format(op=""))
    project.write("b/gates.py", wrong)
    ran = project.run("run", "a/gates.py", "b/gates.py", *FEW)
    assert ran.code == 1
    assert "4 ops, 2 passed, 2 failed" in ran.out
    assert "b.gates::first" in ran.out


def test_a_file_named_as_a_library_does_not_replace_it(project):
    import statistics

    project.write("statistics.py", OPS.format(op=""))
    ran = project.run("run", "statistics.py", *FEW)
    assert ran.code == 0, ran.text
    import sys

    assert sys.modules["statistics"] is statistics


def test_a_module_of_a_package_is_imported_with_its_package(project):
    project.write("shop/__init__.py", "scale = 1\n")
    imports = "from shop import scale\nfrom . import scale\n"
    project.write("shop/parts.py", imports + OPS.format(op=""))
    for target in ("shop/parts.py", "shop.parts", "shop/parts.py::last"):
        assert project.run("run", target, *FEW).code == 0


def test_a_package_is_its_own_ops_and_those_of_the_modules_it_imports(project):
    """Also where some are re-exported: the others must not be left out without a word."""
    project.write("mart/__init__.py", "from mart import other\nfrom mart.parts import first\n")
    project.write("mart/parts.py", OPS.format(op=""))
    project.write("mart/other.py", OPS.format(op=""))
    for target in ("mart", "mart/"):
        ran = project.run("run", target, *FEW)
        assert ran.code == 0
        assert "4 ops, 4 passed" in ran.out
    project.write("kiosk/__init__.py", "")
    project.write("kiosk/parts.py", OPS.format(op=""))
    ran = project.run("run", "kiosk")
    assert ran.code == 5
    assert "let a package's __init__ import its modules" in ran.err


# -- reports that cannot be written --------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("file/report.json", "a folder of its path is a file"),
        ("folder", "folder is a folder"),
        ("/proc/report.json", "cannot write /proc/report.json"),
    ],
)
def test_a_report_that_cannot_be_written_is_2_before_the_work(project, path, says):
    project.write("gates.py", OPS.format(op=""))
    project.write("file", "old")
    (project.folder / "folder").mkdir()
    ran = project.run("run", "gates.py", "--json", path)
    assert ran.code == 2
    assert ran.out == ""
    assert says in ran.err
    assert "the old file, if any, is intact" in ran.err
    assert (project.folder / "file").read_text() == "old"
    assert list((project.folder / "folder").iterdir()) == []


def test_an_output_folder_that_is_a_file_is_2(project):
    project.write("gates.py", OPS.format(op=""))
    table = '[tool.gradcheck]\ntargets = ["gates.py"]\noutput = "gates.py"\n'
    project.write("pyproject.toml", table)
    ran = project.run("run")
    assert ran.code == 2
    assert "cannot write" in ran.err
    assert (project.folder / "gates.py").read_text() == OPS.format(op="")


def test_a_disk_that_fills_up_leaves_the_old_report_whole(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    files.write(path, "old")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(UsageError, match="No space left on device; the old file"):
        files.write(path, "new and longer")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_a_link_is_followed_and_the_mode_is_the_users(tmp_path):
    import os

    old = os.umask(0o027)
    try:
        files.write(tmp_path / "real.json", "1")
        (tmp_path / "link.json").symlink_to("real.json")
        files.write(tmp_path / "link.json", "2")
    finally:
        os.umask(old)
    assert (tmp_path / "real.json").read_text() == "2"
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").stat().st_mode & 0o777 == 0o640


# --- what the system and the user's exceptions do ------------------------------------------------
SILENT = """
import gradcheck


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def forward(x):
    raise Silent


silent = gradcheck.op(forward, lambda dz, x: dz, "x[n]")
right = gradcheck.op(lambda x: x * x, lambda dz, x: 2 * x * dz, "x[n]")
"""


def test_an_exception_without_a_text_leaves_the_other_ops(project):
    project.write("ops.py", SILENT)
    ran = project.run("run", "ops.py", "--max-cases", "6")
    assert ran.code == 1
    assert "its text cannot be made: RuntimeError" in " ".join(ran.out.split())
    assert project.results()["summary"]["passed"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seed", str(2**32)), "below 2**32"),
        (("--max-cases", "9" * 20), "from 1 to 10,000,000"),
        (("1" * 300 + ".py",), "File name too long"),
    ],
)
def test_numbers_and_names_that_are_too_large_are_2(project, arguments, said):
    project.write("ops.py", SILENT)
    ran = project.run("run", "ops.py::right", *arguments)
    assert ran.code == 2
    assert said in ran.err


def test_without_an_output_the_exit_code_still_counts(project):
    project.write("ops.py", SILENT)
    command = f"{shlex.join(COMMAND)} run ops.py::right --max-cases 6"
    closed = subprocess.run(f"{command} >&-", shell=True, check=False, timeout=120)
    full = subprocess.run(
        f"{command} > /dev/full", shell=True, check=False, timeout=120, capture_output=True
    )
    assert (closed.returncode, full.returncode) == (0, 2)
    assert full.stderr == b"gradcheck: No space left on device\n"


def test_a_report_for_standard_output_by_its_path_is_added_to_the_file_that_it_leads_to(project):
    project.write("ops.py", SILENT)
    project.run("run", "ops.py::right", "--max-cases", "6")
    (project.folder / "log.txt").write_text("precious\n")
    command = f"{shlex.join(COMMAND)} report .gradcheck/results.json --report markdown=/dev/stdout"
    subprocess.run(f"{command} >> log.txt", shell=True, check=True, timeout=120)
    first, second, *_ = (project.folder / "log.txt").read_text().splitlines()
    assert (first, second) == ("precious", "## gradcheck: passed")


def test_a_report_keeps_the_permissions_of_the_file_that_it_replaces(project):
    project.write("ops.py", SILENT)
    (project.folder / "r.json").write_text("old")
    (project.folder / "r.json").chmod(0o600)
    assert project.run("run", "ops.py::right", "--max-cases", "6", "--json", "r.json").code == 0
    assert (project.folder / "r.json").stat().st_mode & 0o777 == 0o600


# -- arguments that name nothing -----------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", ""), "the target '' names no file and no module"),
        (("run", "::right"), "the target '::right' names no file and no module"),
        (("init", ""), "the target '' names no file and no module"),
        (("run", "folder.py"), "'folder.py' is a folder, not a file of Python code"),
        (("run", "link.py"), "'link.py' is a link to nothing, not a file of Python code"),
        (("run", "./folder"), "name its files, as ./folder/*.py"),
        (("run", "gates.py", "--waivers", ""), "--waivers names this folder"),
        (("run", "gates.py", "--waivers", "binary"), "binary: cannot be read: it is no text"),
        (("run", "gates.py", "--memory-limit", "99999999999T"), "must be a size such as"),
        (("run", "gates.py", "--step", "0.5"), "step = 0.5: must be above 1e-9, below 0.5"),
        (("run", "gates.py", "--signif", "1"), "must be from 0 (strict), below 1"),
        (("replay", "gates::right"), "gates::right is an op: give a recipe"),
        (("explain", ""), "'' names no graph and no code"),
    ],
)
def test_what_names_nothing_is_said_in_a_sentence(project, arguments, says):
    project.write("gates.py", OPS.format(op=""))
    (project.folder / "folder.py").mkdir()
    (project.folder / "folder").mkdir()
    (project.folder / "link.py").symlink_to("nowhere.py")
    (project.folder / "binary").write_bytes(bytes(range(128, 256)))
    ran = project.run(*arguments)
    assert ran.code == 2, ran.text
    assert says in ran.err
    assert not (project.folder / "pyproject.toml").exists()


@pytest.mark.parametrize("width", ["0", "-3", "wide", ""])
def test_a_width_that_is_none_is_the_usual_one(project, width):
    ran = project.shell("run", "--help", COLUMNS=width)
    assert (ran.code, ran.err) == (0, "")


def test_a_full_disk_under_the_version_is_2_without_a_traceback():
    command = f"{shlex.join(COMMAND)} --version > /dev/full"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "")
