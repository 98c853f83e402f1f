"""The expressions of GitHub's workflows, as far as ours use them; anything else is an error.

Strings, names with dots, ``==``, ``!=``, ``&&``, ``||``, ``!``, brackets and the functions of a
job's state. GitHub gives an empty text for a name that it does not know; here it is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Value = str | bool
STATES = ("always", "success", "failure", "cancelled")
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<sign>==|!=|&&|\|\||!|\(|\))"
    r"|(?P<name>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*))"
)
_FIELD = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class Unknown(AssertionError):
    """A file uses something that is not emulated here."""


def fill(text: str, contexts: Mapping[str, Any]) -> str:
    """A text with the values of its ``${{ }}``."""
    return _FIELD.sub(lambda field: shown(evaluate(field[1], contexts)), text)


def holds(condition: str, contexts: Mapping[str, Any]) -> bool:
    """An ``if:``. Without a function of state it also wants that nothing has failed."""
    asks = re.search(rf"\b({'|'.join(STATES)})\s*\(", condition)
    bare = _FIELD.fullmatch(condition.strip())
    met = truth(evaluate(bare[1] if bare else condition, contexts))
    return met and (asks is not None or contexts["state"] == "success")


def evaluate(text: str, contexts: Mapping[str, Any]) -> Value:
    """The value of one expression.

    Raises
    ------
    Unknown
        What it says is no expression, or none that is known here.
    """
    reading = _Reading(_tokens(text), contexts, text)
    value = reading.either()
    if reading.left:
        raise Unknown(f"{text!r}: what is {reading.left[0]!r} doing there?")
    return value


def truth(value: Value) -> bool:
    """Any text but the empty one is true, "false" too."""
    return bool(value)


def shown(value: Value) -> str:
    """As it stands in a text."""
    return value if isinstance(value, str) else str(value).lower()


def _tokens(text: str) -> list[str]:
    found, at = list[str](), 0
    while text[at:].strip():
        token = _TOKEN.match(text, at)
        if token is None:
            raise Unknown(f"{text!r}: cannot read {text[at:]!r}")
        found.append(token[0].strip())
        at = token.end()
    return found


class _Reading:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[str], contexts: Mapping[str, Any], text: str) -> None:
        self.left, self._contexts, self._text = tokens, contexts, text

    def either(self) -> Value:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value if truth(value) else other
        return value

    def _both(self) -> Value:
        value = self._equal()
        while self._take("&&"):
            other = self._equal()
            value = other if truth(value) else value
        return value

    def _equal(self) -> Value:
        value = self._one()
        for sign in ("==", "!="):
            if self._take(sign):
                other = self._one()
                if not isinstance(value, str) or not isinstance(other, str):
                    raise Unknown(f"{self._text!r}: compares what is no text")
                return (value.lower() == other.lower()) == (sign == "==")  # GitHub ignores case
        return value

    def _one(self) -> Value:
        if self._take("!"):
            return not truth(self._one())
        if self._take("("):
            value = self.either()
            self._demand(")")
            return value
        if not self.left:
            raise Unknown(f"{self._text!r}: ends too early")
        token = self.left.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        return self._state(token) if self._take("(") else self._look_up(token)

    def _state(self, function: str) -> bool:
        self._demand(")")
        if function not in STATES:
            raise Unknown(f"{self._text!r}: no function {function} is known")
        return function in ("always", self._contexts["state"])

    def _look_up(self, name: str) -> Value:
        place: Any = self._contexts
        parts = name.split(".")
        for k, part in enumerate(parts):
            if not isinstance(place, Mapping) or part not in place:
                if k == 3 and parts[0] == "steps":
                    return ""  # an output that a step has not written
                raise Unknown(f"{self._text!r}: nothing is named {name}")
            place = place[part]
        if not isinstance(place, str):
            raise Unknown(f"{self._text!r}: {name} is no text")
        return place

    def _take(self, sign: str) -> bool:
        taken = bool(self.left) and self.left[0] == sign
        if taken:
            self.left.pop(0)
        return taken

    def _demand(self, sign: str) -> None:
        if not self._take(sign):
            raise Unknown(f"{self._text!r}: {sign} is missing")
