"""Ops by name: `register`, `op`, and what a target holds."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck.errors import TargetError
from gradcheck.model import Op
from gradcheck.registry import MARK, RegisteredFunction
from gradcheck.results import OpResult
from gradcheck.runner import run_one
from gradcheck.settings import Settings
from gradcheck.targets import load

V = np.array([0.5, -1.25, 2.0, 0.75])

GATES = """
import gradcheck
import numpy as np


@gradcheck.register("x[n], k[]")
def scaled(x, k):
    return x * k


@scaled.def_vjp
def _(dz, x, k):
    return k * dz, np.sum(x * dz)


@gradcheck.register("x[n], y[n]")
class Product:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dz):
        return [self.x * dz, self.y * dz]


def square_fwd(x):
    return x * x


def square_bwd(dz, x):
    return 2 * x * dz


squared = gradcheck.op(square_fwd, square_bwd, "x[n]")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in; what is imported from it is forgotten again."""
    before, path = set(sys.modules), list(sys.path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]
    sys.path[:] = path


def verdicts(ops: list[Op]) -> dict[str, OpResult]:
    return {op.name: run_one(op, Settings(max_cases=15)) for op in ops}


def module_from(source: str, name: str, file: str) -> ModuleType:
    """A module as if ``source`` stood in ``file``."""
    module = ModuleType(name)
    exec(compile(source, file, "exec"), vars(module))
    return module


# -- what registering gives ---------------------------------------------------------------------


def test_a_registered_function_stays_a_function():
    @gradcheck.register("x[n]")
    def doubled_at_first(x):
        """Twice x."""
        return 2 * x

    assert isinstance(doubled_at_first, RegisteredFunction)
    assert doubled_at_first.__name__ == "doubled_at_first"
    assert doubled_at_first.__doc__ == "Twice x."
    assert np.array_equal(doubled_at_first(V), 2 * V)

    @doubled_at_first.def_vjp
    def backward(dz, x):
        return (2 * dz,)

    assert backward(V, V)[0][0] == 1.0
    assert np.array_equal(doubled_at_first(x=V), 2 * V)
    op = getattr(doubled_at_first, MARK)
    assert op.id == f"{__name__}::doubled_at_first"
    assert op.source.file.endswith("test_registry.py")
    assert op.source.line > op.source.forward_line > 0


def test_a_registered_class_stays_a_class():
    @gradcheck.register("x[n]")
    class Doubled:
        def forward(self, x):
            return 2 * x

        def backward(self, dz):
            return (2 * dz,)

    assert isinstance(Doubled, type)
    assert np.array_equal(Doubled().forward(V), 2 * V)
    assert isinstance(getattr(Doubled, MARK), Op)


def test_register_without_parentheses():
    class Doubled:
        def forward(self, x):
            return 2 * x

        def backward(self, dz):
            return (2 * dz,)

    with pytest.raises(gradcheck.UsageError, match="'x' has no shape"):
        gradcheck.register(Doubled)
    Doubled.forward.__annotations__["x"] = float
    assert gradcheck.register(Doubled) is Doubled
    assert gradcheck.check(Doubled, max_cases=15).verdict == "pass"


def test_register_with_an_example():
    @gradcheck.register(example=(V, 2.0))
    def scaled(x, k):
        return x * k

    @scaled.def_vjp
    def _(dz, x, k):
        return k * dz, np.sum(dz)

    with pytest.raises(gradcheck.GradientError, match="gradient of k"):
        gradcheck.check(scaled, max_cases=15)


def test_register_with_another_name_and_options():
    @gradcheck.register("x[n]", name="twice", dtypes="float32", scope="forward", strict=True)
    def doubled_and_renamed(x):
        return 2 * x

    @doubled_and_renamed.def_vjp
    def _(dz, x):
        return (2 * dz,)

    op = getattr(doubled_and_renamed, MARK)
    assert op.name == "twice"
    assert (op.options.dtypes, op.options.scope, op.options.strict) == (
        ("float32",),
        "forward",
        True,
    )
    assert gradcheck.check(doubled_and_renamed, max_cases=15).dtypes == ["float32"]


def test_vjp_of_a_registered_function():
    @gradcheck.register("x[n]")
    def doubled_later(x):
        return 2 * x

    with pytest.raises(gradcheck.UsageError, match="has no backward pass"):
        doubled_later.vjp(V)

    @doubled_later.def_vjp
    def _(dz, x):
        return (2 * dz,)

    output, pullback = doubled_later.vjp(V)
    assert np.array_equal(output, 2 * V)
    assert np.array_equal(pullback(V)[0], 2 * V)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scop": "forward"}, "'scope'"),
        ({"dtype": "float32"}, "'dtypes'"),
        ({"scope": "everything"}, "'declared' or 'forward'"),
        ({"max_cases": 3}, "unknown option 'max_cases'"),
    ],
)
def test_options_that_do_not_exist(options, says):
    def doubled(x):
        return 2 * x

    with pytest.raises(gradcheck.UsageError, match=says):
        gradcheck.register("x[n]", **options)(doubled).def_vjp(lambda dz, x: 2 * dz)


def test_op_knows_its_module():
    op = gradcheck.op(lambda x: 2 * x, lambda dz, x: 2 * dz, "x[n]", name="doubled")
    assert op.id == f"{__name__}::doubled"


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ("affine_forward", "affine"),
        ("affine_fwd", "affine"),
        ("forward_affine", "affine"),
        ("fwd_affine", "affine"),
        ("conv_naive_forward", "conv"),
        ("affine", "affine"),
        ("_forward", "_forward"),
    ],
)
def test_names(forward, expected):
    def function(x):
        return x

    function.__name__ = forward
    assert gradcheck.op(function, lambda dz, x: dz, "x[n]").name == expected


# -- the same id twice --------------------------------------------------------------------------

CELL = """
import gradcheck

@gradcheck.register("x[n]")
class Scaled:
    def forward(self, x):
        return {factor} * x

    def backward(self, dz):
        return ({factor} * dz,)
"""


def test_the_same_place_again_replaces():
    """A notebook cell, or a module loaded again."""
    file = "/somewhere/gates_a.py"
    first = module_from(CELL.format(factor=2), "gates_a", file)
    second = module_from(CELL.format(factor=3), "gates_a", file)
    assert getattr(first.Scaled, MARK).id == getattr(second.Scaled, MARK).id == "gates_a::Scaled"
    assert gradcheck.check(second.Scaled, max_cases=15).verdict == "pass"
    assert second.Scaled().forward(1.0) == 3.0


def test_two_places_clash():
    module_from(CELL.format(factor=2), "gates_b", "/somewhere/gates_b.py")
    with pytest.raises(gradcheck.UsageError) as caught:
        module_from(CELL.format(factor=2), "gates_b", "/elsewhere/gates_b.py")
    text = str(caught.value)
    assert "two ops are called gates_b::Scaled" in text
    assert "/somewhere/gates_b.py:9" in text
    assert "/elsewhere/gates_b.py:9" in text


def test_two_places_in_one_file_clash():
    """Two functions that were given one name: neither is silently forgotten."""

    @gradcheck.register("x[n]", name="shared_name")
    class First:
        def forward(self, x):
            return 2 * x

        def backward(self, dz):
            return (2 * dz,)

    class Second(First):
        def forward(self, x):
            return 3 * x

        def backward(self, dz):
            return (3 * dz,)

    with pytest.raises(gradcheck.UsageError, match="shared_name"):
        gradcheck.register("x[n]", name="shared_name")(Second)


def test_modules_have_names_of_their_own():
    one = module_from(CELL.format(factor=2), "gates_c", "/somewhere/gates_c.py")
    two = module_from(CELL.format(factor=2), "gates_d", "/somewhere/gates_d.py")
    assert getattr(one.Scaled, MARK).id != getattr(two.Scaled, MARK).id


def test_a_notebook_cell_that_was_changed_and_run_again():
    """Jupyter gives every version of a cell a file name of its own."""
    module_from(CELL.format(factor=2), "__main__", "/tmp/ipykernel_7/1234.py")
    again = module_from(CELL.format(factor=3), "__main__", "/tmp/ipykernel_7/5678.py")
    assert again.Scaled().forward(1.0) == 3.0
    assert gradcheck.check(again.Scaled, max_cases=15).verdict == "pass"


def test_the_same_place_from_another_folder(folder, monkeypatch):
    """Reloaded after a change of folder, a file is still the same file."""
    (folder / "gates_e.py").write_text(CELL.format(factor=2))
    load("gates_e.py")
    (folder / "deeper").mkdir()
    monkeypatch.chdir(folder / "deeper")
    module = importlib.reload(sys.modules["gates_e"])
    assert gradcheck.check(module.Scaled, max_cases=15).verdict == "pass"


# -- targets ------------------------------------------------------------------------------------


def test_the_ops_of_a_file(folder):
    (folder / "gates_f.py").write_text(GATES)
    ops = load("gates_f.py")
    assert [op.name for op in ops] == ["scaled", "Product", "squared"]
    assert [op.target for op in ops] == [
        "gates_f.py::scaled",
        "gates_f.py::Product",
        "gates_f.py::squared",
    ]
    assert {n: r.verdict for n, r in verdicts(ops).items()} == {
        "scaled": "pass",
        "Product": "fail",
        "squared": "pass",
    }


def test_one_op_of_a_file(folder):
    (folder / "gates_g.py").write_text(GATES)
    assert [op.name for op in load("gates_g.py::Product")] == ["Product"]
    assert [op.name for op in load("gates_g::scaled")] == ["scaled"]


def test_ids_do_not_depend_on_how_a_file_is_named(folder):
    (folder / "gates_h.py").write_text(GATES)
    ids = [op.id for op in load("gates_h.py")]
    assert ids == [op.id for op in load(str(folder / "gates_h.py"))]
    assert ids == [op.id for op in load("gates_h")]
    assert ids == ["gates_h::scaled", "gates_h::Product", "gates_h::squared"]


def test_a_file_is_imported_once(folder):
    (folder / "gates_i.py").write_text(
        "from pathlib import Path\nPath('count').write_text(Path('count').read_text() + 'x')\n"
    )
    (folder / "count").write_text("")
    load("gates_i.py")
    load("gates_i.py")
    load("./gates_i.py")
    assert (folder / "count").read_text() == "x"


def test_a_package_and_its_modules(folder):
    package = folder / "gate_shop"
    package.mkdir()
    (package / "__init__.py").write_text("from gate_shop import counter\n")
    (package / "counter.py").write_text(GATES)
    assert [op.id for op in load("gate_shop")] == [
        "gate_shop.counter::scaled",
        "gate_shop.counter::Product",
        "gate_shop.counter::squared",
    ]
    assert [op.name for op in load("gate_shop/counter.py::scaled")] == ["scaled"]
    assert len(load("gate_shop.counter")) == 3


def test_imported_ops_belong_to_their_own_module(folder):
    (folder / "gates_j.py").write_text(GATES)
    (folder / "uses_gates_j.py").write_text(
        "import gradcheck\nfrom gates_j import Product, scaled, squared\n"
        'own = gradcheck.op(lambda x: 2 * x, lambda dz, x: 2 * dz, "x[n]")\n'
    )
    assert [op.name for op in load("uses_gates_j.py")] == ["own"]


def test_an_alias_is_no_other_op(folder):
    (folder / "gates_k.py").write_text(GATES + "\nsame = squared\nagain = scaled\n")
    assert len(load("gates_k.py")) == 3


NAMED = (
    GATES
    + """
held = gradcheck.op(square_fwd, square_bwd, "x[n]", name="my square")
strict = gradcheck.op(held, strict=True)
renamed = gradcheck.op(squared, name="another")
again = held
"""
)


def test_an_op_is_called_what_name_says_and_not_what_holds_it(folder):
    (folder / "gates_t.py").write_text(NAMED)
    found = {op.name: op for op in load("gates_t.py")}
    assert list(found) == ["scaled", "Product", "squared", "my square", "strict", "another"]
    assert found["my square"].id == "gates_t::my square"
    assert found["my square"].target == "gates_t.py::my square"
    assert [op.name for op in load("gates_t.py::my square")] == ["my square"]
    assert [op.name for op in load("gates_t.py::held")] == ["my square"]
    held = sys.modules["gates_t"].held
    assert gradcheck.check(held, max_cases=10).op == found["my square"].id


def test_two_ops_that_are_given_one_name(folder):
    twice = '\nfirst = gradcheck.op(squared, name="a")\nsecond = gradcheck.op(squared, name="a")\n'
    (folder / "gates_u.py").write_text(GATES + twice)
    with pytest.raises(gradcheck.UsageError, match="two ops are called 'a'"):
        load("gates_u.py")


def test_subclasses_are_not_their_registered_parents(folder):
    (folder / "gates_l.py").write_text(GATES + "\nclass Child(Product):\n    pass\n")
    assert [op.name for op in load("gates_l.py")] == ["scaled", "Product", "squared"]


def test_a_file_without_ops(folder):
    (folder / "gates_m.py").write_text("x = 1\n")
    assert load("gates_m.py") == []


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("gates_n.py::Prodct", "Did you mean 'Product'?"),
        ("gates_n.py::nothing_like_it", "Known: Product, scaled, squared."),
        ("gate_n.py", "Did you mean 'gates_n.py'?"),
        ("no_such_module_anywhere", "there is no module 'no_such_module_anywhere'"),
        ("no/such/file.py", "there is no file 'no/such/file.py'"),
    ],
)
def test_targets_that_do_not_exist(folder, target, says):
    (folder / "gates_n.py").write_text(GATES)
    with pytest.raises(TargetError) as caught:
        load(target)
    assert says in str(caught.value)


def test_a_module_that_is_a_file(folder):
    """``gradcheck run deeper.gates_o`` for deeper/gates_o.py is one letter off."""
    (folder / "gates_o.py").write_text(GATES)
    assert len(load("gates_o")) == 3


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import no_such_library_of_mine\n", "No module named 'no_such_library_of_mine'"),
        ("x = 1\ny = x / 0\n", "ZeroDivisionError: division by zero"),
        ("def f(:\n", "SyntaxError"),
        ("raise SystemExit(3)\n", "SystemExit"),
        (
            'import gradcheck\n@gradcheck.register("x[n")\nclass A:\n'
            "    def forward(self, x): return x\n    def backward(self, dz): return dz\n",
            "cannot read 'x[n'",
        ),
    ],
)
def test_files_that_cannot_be_imported(folder, source, says):
    """One sentence with the user's own line; the next load tries again."""
    (folder / "gates_p.py").write_text(source)
    with pytest.raises(TargetError) as caught:
        load("gates_p.py")
    text = str(caught.value)
    assert says in text
    assert "gates_p.py" in text
    assert "Traceback" not in text
    assert "gates_p" not in sys.modules


def test_the_line_that_could_not_be_imported(folder):
    (folder / "gates_q.py").write_text("x = 1\n\ny = x / 0\n")
    with pytest.raises(TargetError, match=r"gates_q\.py:3"):
        load("gates_q.py")


def test_a_registered_function_without_backward_in_a_file(folder):
    (folder / "gates_r.py").write_text(
        'import gradcheck\n\n@gradcheck.register("x[n]")\ndef lonely(x):\n    return x\n'
    )
    with pytest.raises(gradcheck.UsageError, match=r"@lonely\.def_vjp"):
        load("gates_r.py")


def test_two_ops_of_one_name_in_a_file(folder):
    (folder / "gates_s.py").write_text(
        "import gradcheck\n"
        'one = gradcheck.op(lambda x: x, lambda dz, x: dz, "x[n]")\n'
        '@gradcheck.register("x[n]", name="one")\nclass Other:\n'
        "    def forward(self, x): return x\n    def backward(self, dz): return dz\n"
    )
    with pytest.raises(gradcheck.UsageError, match="two ops are called 'one'"):
        load("gates_s.py")


def test_the_reference_ops_load():
    ops = load("reference_ops")
    assert len({op.id for op in ops}) == len(ops) > 20


def test_unknown_attributes_of_the_package() -> None:
    with pytest.raises(AttributeError, match="chek"):
        _ = gradcheck.chek  # type: ignore[attr-defined]


def test_every_public_name_is_there():
    found: dict[str, Any] = {name: getattr(gradcheck, name) for name in gradcheck.__all__}
    assert {"check", "check_params", "op", "register", "Report", "GradientError"} <= set(found)
    assert set(dir(gradcheck)) == set(gradcheck.__all__)
