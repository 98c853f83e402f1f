"""Imports point downwards, and files stay small enough to read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "gradcheck"
LEVELS = [  # from the top; a module may import its own level and those below
    {"__main__", "cli", "pytest_plugin", "plugin", "api", "torch_shim"},
    {"reporters", "policy", "files", "outputs", "stream", "waivers", "changes"},
    {"runner", "tally", "vacuity", "audit", "trial", "gathering", "teaching", "explain", "selftest"}
    | {"equivalence", "health", "series", "cost", "history", "describing", "random_graphs"}
    | {"wishes", "explained", "folding", "drawing", "svg", "illustrating", "seen", "shrinking"}
    | {"preparing", "execution", "fatal", "repeating", "unusable"},
    {
        "registry",
        "catalogue",
        "options",
        "targets",
        "entries",
        "adapters",
        "frameworks",
        "tapes",
        "graphs",
        "probe",
        "narrowing",
        "asking",
        "corners",
        "cases",
        "recalling",
        "smaller",
    }
    | {"templates", "beyond"}
    | {"engine", "checks", "mutants"},
    {
        "settings",
        "editions",
        "signatures",
        "examples",
        "attributes",
        "domains",
        "cotangents",
        "covering",
    },
    {"judging", "screening", "judged", "opinions", "precision", "backward_noise", "finite"},
    {"differences", "ladder", "fit", "edge", "kinks", "compare", "moves", "jacobian", "diagnosis"}
    | {"point", "batching", "structure", "probing", "compressed", "claims", "streaming"}
    | {"quotients", "draws"},
    {"model", "node", "results", "scores", "estimate", "arrays", "evaluation", "guards", "errors"}
    | {"environment", "constants", "floats", "refusals", "records", "figures", "codes", "layout"}
    | {"plain", "reading", "foreign", "signed", "forking", "aligning", "answer"},
]
RESULTS_ONLY = {"reporters", "policy", "files", "outputs", "stream", "waivers", "changes"}
"""Rooms that see results and errors, never an op."""
PLAIN = {
    "results",
    "records",
    "figures",
    "scores",
    "codes",
    "layout",
    "plain",
    "reading",
    "errors",
    "settings",
}
"""Rooms of plain data, which they see."""
SHOWN = ("results", "reporters")
"""The one arrow upwards, inside a function: a result shows itself in a notebook."""
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def level(name: str) -> int:
    return next(k for k, names in enumerate(LEVELS) if name in names)


def imports(path: Path) -> set[str]:
    """Rooms of gradcheck that a file imports, whether at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
            if node.module == "gradcheck":
                modules = [f"gradcheck.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            modules = [a.name for a in node.names]
        found |= {m.split(".")[1] for m in modules if m.startswith("gradcheck.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path):
    own = room(path)
    if own == "__init__":
        return  # the lazy front door names everything and imports nothing
    assert own in set().union(*LEVELS), f"{own} has no level: add it to LEVELS"
    for other in imports(path) - {own}:
        lower = level(other) >= level(own) or (own, other) == SHOWN
        assert lower, f"{own} imports {other}, which is above it"
        if own in RESULTS_ONLY:
            assert other in {*PLAIN, *RESULTS_ONLY}, f"{own} sees {other}"


def test_the_rule_catches_an_import_that_points_upwards(tmp_path):
    planted = tmp_path / "planted.py"
    planted.write_text("def f():\n    from gradcheck.cli import main\n")
    assert imports(planted) == {"cli"}
    assert level("cli") < level("compare")


def test_gradcheck_never_imports_the_reference_ops():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("reference_ops")


def test_reference_ops_use_public_names_only():
    import gradcheck

    for path in (ROOT / "reference_ops").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gradcheck"):
                assert node.module == "gradcheck"
                assert {a.name for a in node.names} <= set(gradcheck.__all__)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_and_functions_stay_readable(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node, clean=False) or ""
            body = node.end_lineno - node.lineno + 1 - len(docstring.splitlines())
            assert body <= 40, f"{node.name} has {body} lines"
            every = node.args.posonlyargs + node.args.args
            arguments = [a for a in every if a.arg not in ("self", "cls")]
            assert len(arguments) <= 5, f"{node.name} takes {len(arguments)} parameters"


def test_importing_gradcheck_imports_nothing_heavy():
    import subprocess
    import sys

    heavy = "('numpy', 'hypothesis', 'rich')"
    code = f"import sys, gradcheck; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
