"""From what a user names to ops: ``my_gates.py``, ``my_gates.py::affine``, ``package.module``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from gradcheck import entries
from gradcheck.errors import TargetError, UsageError, did_you_mean
from gradcheck.graphs.tracing import GraphFunction
from gradcheck.model import Op
from gradcheck.plain import told
from gradcheck.reading import odd
from gradcheck.registry import MARK, RegisteredFunction
from gradcheck.tapes.held import held_by

added: list[str] = []
"""Folders put in front of ``sys.path`` for a target's imports; a child does so in its turn."""


class NotThere(TargetError):
    """The target names a file, a module or an op that does not exist: a slip, not a fault."""


def load(target: str, root: Path | None = None) -> list[Op]:
    """The ops of a target, in the order in which their module defines them.

    Parameters
    ----------
    target : str
        A file, a module, or ``entry:name`` (`entries`), with ``::name`` for one op of it, or
        ``::attribute``, where ``name=`` calls the op of an attribute something else.
    root : Path, optional
        The folder that the target is relative to, instead of the current one.

    Raises
    ------
    NotThere
        There is no such file, module or op.
    TargetError
        The file or module raises while it is imported.
    UsageError
        It holds two ops of one name, or a function registered without a backward pass.
    """
    if target.startswith(entries.PREFIX):
        return [op for found in _offered(target) for op in load(found)]
    path, _, name = target.partition("::")
    if not path:
        raise NotThere(f"the target {target!r} names no file and no module")
    module = import_target(path, root)
    if root is not None and names_file(path):
        path = shown(root / path)
    ops = ops_in(module, path)
    if not name:
        return ops
    chosen = [op for op in ops if op.name == name]
    if not chosen and (held := named_ops(module, path).get(name)) is not None:
        return [held]
    if not chosen:
        known = [op.name for op in ops]
        raise NotThere(f"{path} has no op {name!r}.{did_you_mean(name, known)}")
    return chosen


def _offered(target: str) -> list[str]:
    found = entries.resolved(target)
    if not found:
        name = target.partition("::")[0]
        raise NotThere(
            f"no installed package offers {name!r} (an entry point of the group {entries.GROUP})."
            f"{did_you_mean(name, entries.known())}"
        )
    return found


def shown(path: Path) -> str:
    """A path as one types it: from the current folder where it lies below."""
    resolved, here = path.resolve(), Path.cwd()
    return str(resolved.relative_to(here) if resolved.is_relative_to(here) else resolved)


def import_target(path: str, root: Path | None = None) -> ModuleType:
    """Import a file, or a module or package by its name or folder.

    Raises
    ------
    NotThere, TargetError
        As `load`.
    """
    folder = root or Path.cwd()
    written = folder / path
    if (names_file(path) or os.sep in path) and written.exists() and (kind := odd(written)):
        raise NotThere(f"{path!r} is {kind}: name a regular file of Python code, or a module")
    if names_file(path) or (folder / path).is_file():
        return _import_file(folder / path, path)
    if os.sep in path:
        path, folder = _package(folder / path, path)
        return _import_module(path, folder)
    return _import_module(path, folder, again=root is None)


def names_file(path: str) -> bool:
    """A target that means a file, whether it exists or not."""
    return path.endswith(".py")


def _package(folder: Path, given: str) -> tuple[str, Path]:
    """A package's dotted name, and the folder that it is imported from."""
    if not folder.exists():
        near = [p.name for p in folder.parent.glob("*")] if folder.parent.is_dir() else []
        raise NotThere(f"there is no file or folder {given!r}.{did_you_mean(folder.name, near)}")
    if not (folder / "__init__.py").is_file():
        raise NotThere(f"{given!r} is a folder and no package: name its files, as {given}/*.py")
    return _module_name(folder.resolve())


def _import_module(name: str, folder: Path, *, again: bool = True) -> ModuleType:
    _importable_from(folder, again=again)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            hint = f"; is it a file? {name}.py" if (folder / (name + ".py")).is_file() else ""
            raise NotThere(f"there is no module {name!r} here{hint}") from None
        raise TargetError(import_failed(name, error)) from None
    except (SystemExit, Exception) as error:
        raise TargetError(import_failed(name, error)) from None


def _importable_from(folder: Path, *, again: bool = True) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
        if again:
            added.append(str(folder))


def _import_file(path: Path, given: str) -> ModuleType:
    if not path.is_file():
        if path.is_dir() or path.is_symlink():
            kind = "a folder" if path.is_dir() else "a link to nothing"
            raise NotThere(f"{given!r} is {kind}, not a file of Python code")
        near = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise NotThere(f"there is no file {given!r}.{did_you_mean(path.name, near)}")
    resolved = path.resolve()
    if (loaded := _loaded(resolved)) is not None:
        return loaded
    name, root = _module_name(resolved)
    if root != resolved.parent:
        return _import_module(name, root)  # a package's module, with its package
    _importable_from(root)
    if name in sys.modules or name in sys.stdlib_module_names:
        name = f"{root.name}.{name}"  # two files of one name, or a file named as a library is
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise NotThere(f"{given} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise TargetError(import_failed(given, error)) from None
    return module


def _loaded(path: Path) -> ModuleType | None:
    """The module that was imported from this file already."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or os.path.basename(file) != path.name:
            continue
        if Path(file).resolve() == path and module.__name__ != "__main__":
            return module
    return None


def _module_name(path: Path) -> tuple[str, Path]:
    """A file's or package's dotted name from the first folder that is no package."""
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(p for p in parts if p != "__init__"), folder


def import_failed(path: str, error: BaseException) -> str:
    """One sentence and the user's own line, not our traceback."""
    where = _place(error)
    if isinstance(error, UsageError):
        return f"{where or path}: {told(error)}"
    problem = f"{path} cannot be imported: {type(error).__name__}: {told(error)}"
    if not where or isinstance(error, SyntaxError):  # which names its own line
        return problem
    return f"{problem} (at {where})"


def _place(error: BaseException) -> str:
    """File and line of the user's frame that raised."""
    own, frames = ("<frozen", os.path.dirname(__file__)), traceback.extract_tb(error.__traceback__)
    theirs = [f for f in frames if "importlib" not in f.filename and not f.filename.startswith(own)]
    last = theirs[-1] if theirs else None
    return f"{shown(Path(last.filename))}:{last.lineno}" if last else ""


def ops_in(module: ModuleType, target: str) -> list[Op]:
    """Ops defined in a module; a package's own, then those of the modules that it imports.

    Raises
    ------
    UsageError
        A registered function lacks its backward pass, or two ops have one name.
    """
    found = {op.id: op for op in named_ops(module, target).values()}
    for part in _parts(module):
        place = shown(Path(str(part.__file__))) if os.sep in target else part.__name__
        for op in ops_in(part, place):
            found.setdefault(op.id, op)
    return list(found.values())


def _parts(module: ModuleType) -> list[ModuleType]:
    """The modules that a package lists in ``__all__``, else those that are imported.

    What somebody else imported from it meanwhile must not change what is checked.
    """
    if not hasattr(module, "__path__"):
        return []
    inside = module.__name__ + "."
    names = getattr(module, "__all__", None) or list(vars(module))
    things = [getattr(module, n, None) for n in names]
    return [t for t in things if isinstance(t, ModuleType) and t.__name__.startswith(inside)]


def named_ops(module: ModuleType, target: str) -> dict[str, Op]:
    """A module's own ops by the attribute that holds them; an alias of an op is no other op.

    An op is called what its attribute is called, unless ``name=`` says otherwise. Ops of a tape, a
    list or a dict come after those, under ``attribute.name``.
    """
    found: dict[str, Op] = {}
    sources: dict[str, Any] = {}
    seen: set[int] = set()
    for attribute, called, thing in _bound(module):
        op = op_of(thing)
        if op is None or id(op) in seen or not _belongs(thing, op, module):
            continue
        seen.add(id(op))
        name = called if isinstance(thing, Op) and not op.named else op.name
        if name in sources:
            places = f"{sources[name]} and {op.source}"
            raise UsageError(f"two ops are called {name!r}: {places}; give one name=")
        sources[name] = op.source
        home = op.module or module.__name__
        found[attribute] = replace(op, name=name, module=home, target=f"{target}::{name}")
    return found


def _bound(module: ModuleType) -> Iterator[tuple[str, str, Any]]:
    """What may be an op: its attribute, what that calls it, the thing itself."""
    bound = list(vars(module).items())
    yield from ((attribute, attribute, thing) for attribute, thing in bound)
    for attribute, thing in bound:
        for called, op in held_by(attribute, thing).items():
            yield f"{attribute}.{called}", called, op


def op_of(thing: Any) -> Op | None:
    """The op behind a module's attribute, if it is one.

    Asks for the type alone: lazy proxies in test modules import or raise when ``isinstance`` looks
    at their ``__class__``.
    """
    kind = type(thing)
    if issubclass(kind, Op):
        return thing  # type: ignore[no-any-return]
    if issubclass(kind, RegisteredFunction):
        return thing.__gradcheck_op__  # type: ignore[no-any-return]
    if issubclass(kind, GraphFunction):
        return thing.made  # type: ignore[no-any-return]
    if issubclass(kind, type):
        own = type.__getattribute__(thing, "__dict__").get(MARK)
        return own if isinstance(own, Op) else None
    return None


def _belongs(thing: Any, op: Op, module: ModuleType) -> bool:
    """Defined here, not imported from elsewhere; a package may re-export its own modules' ops."""
    home = op.module if isinstance(thing, Op) else getattr(thing, "__module__", op.module)
    return home == module.__name__ or str(home).startswith(module.__name__ + ".") or not home
