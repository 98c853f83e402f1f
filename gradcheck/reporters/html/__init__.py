"""A report as one HTML file that fetches nothing, and can be read without scripts and styles."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, Template
from markupsafe import Markup

from gradcheck.plain import visible
from gradcheck.reporters.html.page import context, health
from gradcheck.results import Report


def render(report: Report) -> str:
    """The page.

    Everything of a user's is escaped, what cannot be seen is written out, and a policy in the page
    itself lets no script run but its own.
    """
    css, js = _part("report.css"), _part("report.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(css)}'; "
        f"script-src '{_digest(js)}'; base-uri 'none'; form-action 'none'"
    )
    parts = {"css": Markup(css), "js": Markup(js), "policy": policy, "health": health}
    return _template().render(**context(report), **parts)


@cache
def _template() -> Template:
    kept = Environment(autoescape=True, finalize=_finalize, trim_blocks=True, lstrip_blocks=True)
    return kept.from_string(_part("page.html.j2"))


def _finalize(value: object) -> object:
    """Text of a user's with what cannot be seen written out; markup is ours."""
    return visible(value) if type(value) is str else value


def _part(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
