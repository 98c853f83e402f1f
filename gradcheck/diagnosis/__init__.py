"""Which mistake explains a wrong gradient? Evidence in words, or silence.

`evidence` says what is known, `mistakes` and `upstream` list what backward would return had a
simple mistake been made, `places` describes which entries are wrong, `scope` in which cases, and
`rules` is the table that puts them in order. A rule that fits by chance is worse than none.
"""

from __future__ import annotations

from gradcheck.diagnosis.evidence import Diagnosis, Evidence, Probe, Table, Tried, View
from gradcheck.diagnosis.places import at_tie
from gradcheck.diagnosis.rules import explain
from gradcheck.diagnosis.shapes import wrong_shape

__all__ = [
    "Diagnosis",
    "Evidence",
    "Probe",
    "Table",
    "Tried",
    "View",
    "at_tie",
    "explain",
    "wrong_shape",
]
