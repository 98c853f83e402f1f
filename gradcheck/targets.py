"""From what a user names to ops: ``my_gates.py``, ``my_gates.py::affine``, ``package.module``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from gradcheck.errors import TargetError, UsageError, did_you_mean
from gradcheck.model import Op
from gradcheck.registry import MARK, RegisteredFunction


def load(target: str) -> list[Op]:
    """The ops of a target, in the order in which their module defines them.

    Raises
    ------
    TargetError
        The file or module does not exist, raises while it is imported, or has no op of that name.
    """
    path, _, name = target.partition("::")
    module = import_target(path)
    ops = ops_in(module, path)
    if not name:
        return ops
    chosen = [op for op in ops if op.name == name]
    if not chosen:
        known = [op.name for op in ops]
        raise TargetError(f"{path} has no op {name!r}.{did_you_mean(name, known)}")
    return chosen


def import_target(path: str) -> ModuleType:
    """Import a file or a module by its name."""
    if path.endswith(".py") or os.sep in path or Path(path).is_file():
        return _import_file(Path(path))
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (path == error.name or path.startswith(error.name + ".")):
            hint = f"; is it a file? {path}.py" if Path(path + ".py").is_file() else ""
            raise TargetError(f"there is no module {path!r} here{hint}") from None
        raise TargetError(_import_failed(path, error)) from None
    except (UsageError, SystemExit, Exception) as error:
        raise TargetError(_import_failed(path, error)) from None


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise TargetError(f"there is no file {str(path)!r}.{did_you_mean(path.name, near)}")
    resolved = path.resolve()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and Path(file).resolve() == resolved and module.__name__ != "__main__":
            return module
    name, root = _module_name(resolved)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise TargetError(_import_failed(str(path), error)) from None
    return module


def _module_name(path: Path) -> tuple[str, Path]:
    """A file's dotted name from the first folder that is no package."""
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts), folder


def _import_failed(path: str, error: BaseException) -> str:
    """One sentence and the user's own line, not our traceback."""
    if isinstance(error, UsageError):
        return f"{path}: {error}"
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if "importlib" not in f.filename and not f.filename.startswith(os.path.dirname(__file__))
    ]
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{path} cannot be imported: {type(error).__name__}: {error}{where}"


def ops_in(module: ModuleType, target: str) -> list[Op]:
    """Ops defined in a module (or re-exported by a package), by the name they have there.

    Raises
    ------
    UsageError
        A registered function lacks its backward pass.
    """
    found: dict[int, Op] = {}
    for name, thing in list(vars(module).items()):
        op = op_of(thing)
        if op is None or id(op) in found or not _belongs(thing, op, module):
            continue
        own = name if isinstance(thing, Op) else op.name
        module_name = op.module or module.__name__
        found[id(op)] = replace(op, name=own, module=module_name, target=f"{target}::{own}")
    if found or not hasattr(module, "__path__"):
        return list(found.values())
    ops: list[Op] = []
    for thing in vars(module).values():
        inside = isinstance(thing, ModuleType) and thing.__name__.startswith(module.__name__ + ".")
        if inside:
            ops += [replace(op, target=f"{target}::{op.name}") for op in ops_in(thing, target)]
    return ops


def op_of(thing: Any) -> Op | None:
    """The op behind a module's attribute, if it is one."""
    if isinstance(thing, Op):
        return thing
    if isinstance(thing, RegisteredFunction):
        return thing.__gradcheck_op__
    if isinstance(thing, type):
        own = thing.__dict__.get(MARK)
        return own if isinstance(own, Op) else None
    return None


def _belongs(thing: Any, op: Op, module: ModuleType) -> bool:
    """Defined here, not imported from elsewhere; a package may re-export its own modules' ops."""
    home = op.module if isinstance(thing, Op) else getattr(thing, "__module__", op.module)
    return home == module.__name__ or str(home).startswith(module.__name__ + ".") or not home
