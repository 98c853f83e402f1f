"""What the pages need beside Sphinx: formulas without a network, and settings from the code.

Formulas become MathML, which browsers draw themselves. ``{settings}`` reads what the package says
of its settings, so that the page cannot fall behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from docutils import nodes
from docutils.statemachine import StringList
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

from gradcheck.cli.commands import Running
from gradcheck.settings import ENVIRONMENT_PREFIX, Settings


def inline_math(writer: Any, node: nodes.math) -> None:
    """A formula inside a line."""
    writer.body.append(convert(node.astext(), display="inline"))
    raise nodes.SkipNode


def block_math(writer: Any, node: nodes.math_block) -> None:
    """A formula of its own."""
    writer.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>\n')
    raise nodes.SkipNode


class Made(SphinxDirective):
    """Markdown that is made from the package, parsed in its place."""

    def parsed(self, lines: Iterator[str], source: str) -> list[nodes.Node]:
        """The nodes of some lines."""
        made = nodes.container()
        self.state.nested_parse(StringList(list(lines), source), self.content_offset, made)
        return list(made.children)


class SettingsList(Made):
    """Each setting with its meaning, its default, its option and its environment variable."""

    def run(self) -> list[nodes.Node]:
        return self.parsed(_settings(), "gradcheck/settings.py")


def _settings() -> Iterator[str]:
    said = ModuleAnalyzer.for_module("gradcheck.settings").find_attr_docs()
    options = {name.replace("_", "-") for name in Running.__dataclass_fields__} | {"report"}
    for field in msgspec.structs.fields(Settings):
        key, lines = field.encode_name, said.get(("Settings", field.name), [])
        ways = [f"`--{key}`"] if key in options else []
        ways += [f"`{ENVIRONMENT_PREFIX}{key.upper().replace('-', '_')}`"]
        yield f"`{key}`"
        text = " ".join(" ".join(lines).split()).replace("``", "`") or _MEANINGS[key]
        yield f": {text}{'' if text.endswith('.') else '.'}"
        yield f"  Default: {_shown(field.default)}. Also {' and '.join(ways)}."
        yield ""


_MEANINGS = {
    "seed": "The seed of all cases: the same seed gives the same report.",
    "profile": "Cases per op: `fast` 25, `dev` 50, `ci` 100, `thorough` 1,000.",
    "dtypes": "The precisions in which ops are judged.",
}
"""Of settings whose names say nearly all."""


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{v}"' for v in value) + "]`"
    return f"`{msgspec.json.encode(value).decode()}`"  # as TOML has it


_COLON = "\ue000"
"""In place of a colon, while a docstring passes through napoleon."""


def hide(app: Sphinx, what: str, *rest: Any) -> None:
    """A field's docstring is prose: a colon in it names no type, a bar no substitution."""
    lines: list[str] = rest[-1]
    if what == "attribute":
        lines[:] = [line.replace("|", r"\|").replace(":", _COLON) for line in lines]


def show(app: Sphinx, what: str, *rest: Any) -> None:
    """The counterpart of `hide`."""
    lines: list[str] = rest[-1]
    lines[:] = [line.replace(_COLON, ":") for line in lines]


def unsigned(app: Sphinx, what: str, name: str, thing: Any, *rest: Any) -> tuple[str, None] | None:
    """A record is read, not made: its fields say all of its constructor."""
    record = isinstance(thing, type) and issubclass(thing, msgspec.Struct)
    return ("", None) if record else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    app.add_directive("settings", SettingsList)
    app.connect("autodoc-process-docstring", hide, priority=400)  # napoleon has 500
    app.connect("autodoc-process-docstring", show, priority=600)
    app.connect("autodoc-process-signature", unsigned)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
