"""What is said of a code: a record, and how its example is completed."""

from __future__ import annotations

from typing import Literal

from gradcheck.records import Record

NOT_JUDGED = "not-judged"
"""The code of a verdict that could not be reached: of an op as a whole, and of no finding."""


class Code(Record, frozen=True, kw_only=True):
    """One kind of finding, explained."""

    name: str
    """As it stands in `Finding.code`, in JSON and in waivers."""
    headline: str
    """A few words, as a report's title has them."""
    check: str
    """The check that finds it."""
    severity: Literal["fail", "not judged", "warning", "note"]
    """How grave it usually is."""
    what: str
    """What was found."""
    why: str
    """Why it matters, and how it comes about."""
    fix: str
    """What to do."""
    example: str
    """A file that `gradcheck run` takes: ``wrong`` is found with this code, ``right`` passes."""
    options: str = ""
    """What `gradcheck run` has to be given to look for it."""
    needs: str = ""
    """The package that the example imports besides, where it may not be there."""


class Likely(Record, frozen=True, kw_only=True):
    """One mistake that explains a wrong gradient, as it stands in `Finding.likely`."""

    name: str
    what: str
    fix: str


def example(body: str) -> str:
    """A whole file: the imports that the body needs, and the body."""
    body = body.strip()
    imports = "import gradcheck\n" + ("import numpy as np\n" if "np." in body else "")
    imports += "import torch\n" if "torch." in body else ""
    gap = "\n\n" if body.startswith(DEFINES) else "\n"
    return f"{imports}{gap}{body}\n"


DEFINES = ("def ", "class ", "@")
"""Two empty lines come before what begins so."""
