"""Looks for gates in a project's sources, without importing any: for ``gradcheck init``."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FILES = 3000
"""Sources that are read; in a larger tree the user names the targets."""
FOLDERS = 10_000
"""Folders that are looked into."""
BYTES = 1_000_000
"""A longer file is no source that a person wrote."""
SKIPPED = {"node_modules", "site-packages", "build", "dist", "__pycache__"}
MARKERS = {"register", "op", "graph"}
"""Names of gradcheck that make an op."""
PAIRS = (("_forward", "_backward"), ("_fwd", "_bwd"), ("_forward", "_grad"))
"""How a forward and its backward are called."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A gate that gradcheck does not know of yet."""

    file: str
    line: int
    call: str
    """The call that checks it: ``gradcheck.check(affine_forward, affine_backward, x, w)``."""


@dataclass(slots=True)
class Scan:
    """What was found, in the order of paths."""

    gates: list[str] = field(default_factory=list)
    """Files, relative to the root, that make ops when they are imported."""
    tests: list[str] = field(default_factory=list)
    """The same, of test modules: pytest collects them by itself."""
    candidates: list[Candidate] = field(default_factory=list)
    files: int = 0
    cut: bool = False
    """There are more files than are read."""


def scan(root: Path) -> Scan:
    """Read the sources below a folder; what cannot be read or parsed is passed over."""
    found = Scan()
    for path in _sources(root):
        if path is None or found.files == FILES:
            found.cut = True
            break
        found.files += 1
        if (tree := _parsed(path)) is None:
            continue
        name = path.relative_to(root).as_posix()
        if _makes_ops(tree):
            (found.tests if _is_test(path) else found.gates).append(name)
        elif not _is_test(path):
            found.candidates += _candidates(tree, name)
    return found


def _sources(root: Path) -> Iterator[Path | None]:
    """Python files in a fixed order, without hidden folders and virtual environments.

    None where there are too many folders.
    """
    for count, (folder, below, names) in enumerate(os.walk(root)):
        if count == FOLDERS:
            yield None
        below[:] = sorted(d for d in below if d not in SKIPPED and not d.startswith("."))
        if "pyvenv.cfg" in names and Path(folder) != root:
            below.clear()
            continue
        yield from (Path(folder, n) for n in sorted(names) if n.endswith(".py"))


def _parsed(path: Path) -> ast.Module | None:
    try:
        if not path.is_file() or path.stat().st_size > BYTES:
            return None
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_test(path: Path) -> bool:
    return path.name.startswith("test_") or path.stem.endswith("_test") or path.stem == "conftest"


def _makes_ops(tree: ast.Module) -> bool:
    """A decorator or a call at the top of the module that makes an op."""
    modules, names = _imported(tree)
    return any(
        isinstance(called, ast.Call) and _marks(called.func, modules, names)
        for statement in _top(tree)
        for called in _called(statement)
    )


def _called(statement: ast.stmt) -> Iterator[ast.expr]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield from statement.decorator_list
    elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        yield statement.value


def _top(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run on import, those inside of ``if`` and ``for`` too."""
    pending = list(tree.body)
    while pending:
        statement = pending.pop(0)
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            pending += [s for s in ast.iter_child_nodes(statement) if isinstance(s, ast.stmt)]


def _imported(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The names that stand for gradcheck, and for what it makes ops with."""
    modules: set[str] = set()
    names: set[str] = set()
    for statement in _top(tree):
        if isinstance(statement, ast.Import):
            modules |= {a.asname or a.name for a in statement.names if a.name == "gradcheck"}
        elif isinstance(statement, ast.ImportFrom) and statement.module == "gradcheck":
            names |= {a.asname or a.name for a in statement.names if a.name in MARKERS}
    return modules, names


def _marks(function: ast.expr, modules: set[str], names: set[str]) -> bool:
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.value.id in modules and function.attr in MARKERS
    return isinstance(function, ast.Name) and function.id in names


def _candidates(tree: ast.Module, file: str) -> Iterator[Candidate]:
    """Pairs by their names, and classes with a forward and a backward."""
    functions = {s.name: s for s in tree.body if isinstance(s, ast.FunctionDef)}
    for name, function in functions.items():
        for forward, backward in PAIRS:
            other = name.removesuffix(forward) + backward
            if name.endswith(forward) and other in functions:
                call = _check([name, other, *_arguments(function)])
                yield Candidate(file, function.lineno, call)
                break
    for made in tree.body:
        if isinstance(made, ast.ClassDef):
            methods = {s.name: s for s in made.body if isinstance(s, ast.FunctionDef)}
            if {"forward", "backward"} <= methods.keys():
                call = _check([made.name, *_arguments(methods["forward"])[1:]])
                yield Candidate(file, made.lineno, call)


def _arguments(function: ast.FunctionDef) -> list[str]:
    """The parameters that have to be given."""
    every = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    return every[: len(every) - len(function.args.defaults)]


def _check(arguments: list[str]) -> str:
    return f"gradcheck.check({', '.join(arguments)})"
