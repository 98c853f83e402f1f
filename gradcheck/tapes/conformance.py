"""The engine as an op: 2 x on its own tape, and beside it what the checks of an engine found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.foreign import Foreign, Remark
from gradcheck.guards import TimeLimit, quiet, within_limit
from gradcheck.model import Op, Pullback
from gradcheck.plain import told
from gradcheck.results import Severity
from gradcheck.tapes import probes
from gradcheck.tapes.laboratory import Laboratory
from gradcheck.tapes.probes import Probe

SECONDS = 10
"""For what is said of an engine when it is named."""


def _has_leaves(lab: Laboratory) -> bool:
    return lab.recorded is not None


def _has_constants(lab: Laboratory) -> bool:
    return lab.recorded is not None and lab.recorded.constant is not None


def _has_shapes(lab: Laboratory) -> bool:
    return lab.recorded is None or not lab.recorded.scalar


PROBES = (
    Probe(code="engine-same-leaf", what="one leaf twice", look=probes.same_leaf, sums=True),
    Probe(code="engine-diamond", what="a diamond", look=probes.diamond, sums=True),
    Probe(
        code="engine-unequal-depths",
        what="paths of unequal depth",
        look=probes.unequal_depths,
        sums=True,
    ),
    Probe(code="engine-many-uses", what="a node used many times", look=probes.many_uses, sums=True),
    Probe(
        code="engine-prefilled",
        what="gradients that are there before",
        look=probes.prefilled,
        sums=True,
        applies=_has_leaves,
        missing="gradients that are there before (vjp= keeps none)",
    ),
    Probe(code="engine-twice", what="backward twice", look=probes.twice, sums=True),
    Probe(
        code="engine-detached",
        what="detached parts",
        look=probes.detached,
        applies=lambda lab: lab.detacher() is not None,
        missing="detached parts (give detach=)",
    ),
    Probe(code="engine-deep", what="a long chain", look=probes.deep),
    Probe(
        code="engine-constant",
        what="a leaf that needs no gradient",
        look=probes.constant,
        applies=_has_constants,
        missing="a leaf that needs no gradient (give constant=)",
    ),
    Probe(
        code="engine-broadcast",
        what="broadcasting",
        look=probes.broadcast,
        applies=_has_shapes,
        missing="broadcasting (its values are numbers)",
    ),
    Probe(
        code="engine-value-changed",
        what="values after backward",
        look=probes.value_changed,
        applies=_has_leaves,
        missing="values after backward (vjp= has arrays only)",
    ),
)
UNABLE = Probe(code="engine-not-checked", what="", look=lambda lab: "")


class Checked:
    """What the checks found in an engine: run once, told at every case."""

    def __init__(self, lab: Laboratory) -> None:
        self._lab = lab
        self._found: list[Remark] | None = None

    def remarks(self) -> list[Remark]:
        if self._found is None:
            self._found = []
            self._look(self._found)
        return self._found

    def _look(self, found: list[Remark]) -> None:
        if _without_gradient(self._lab):
            return  # which is said of the engine's own gradient
        summed = True
        for probe in PROBES:
            if not probe.applies(self._lab) or (probe.sums and not summed):
                continue
            try:
                message = probe.look(self._lab)
            except TimeLimit:
                found.append(_said(probe, f"{probe.what}: backward does not end", "fail"))
                raise
            except Exception as error:
                raised = f"{probe.what}: not looked at, {type(error).__name__}: {told(error)}"
                found.append(_said(UNABLE, raised, "warning"))
                continue
            if message:
                found.append(_said(probe, message, "fail"))
                summed &= not probe.sums


def _without_gradient(lab: Laboratory) -> bool:
    """Not even 2 x gives x a gradient: of larger graphs there is no more to say."""
    try:
        return lab.gradients(lab.host, [lab.x])[0] is None
    except Exception:
        return False  # told at the engine's own cases, or by the checks


def _said(probe: Probe, message: str, severity: Severity) -> Remark:
    return Remark(probe.code, message, severity)


def engine_op(made: Op, lab: Laboratory) -> Op:
    """The op with what its checks find; its assumptions say which there are."""

    def forward(x: Any) -> Any:
        return lab.library.run(lab.host, [np.array(x)], {})

    def vjp(x: Any) -> tuple[Any, Pullback]:
        return lab.library.vjp(lab.host, [np.array(x)], (True,), {})

    checked = Checked(lab)
    return replace(
        made,
        forward=forward,
        vjp=vjp,
        kind="engine of a tape library",
        foreign=Foreign(framework="a tape library", remarks=checked.remarks),
        assumptions=(*made.assumptions, *_sentences(lab)),
    )


def _sentences(lab: Laboratory) -> list[str]:
    known = [p for p in PROBES if p.applies(lab)]
    said = [f"the engine by {len(known)} graphs: {', '.join(p.what for p in known)}"]
    left_out = [p.missing for p in PROBES if p not in known]
    if left_out:
        said.append(f"not looked at: {', '.join(left_out)}")
    nothing: list[str] = []
    return [*said, *within_limit(lambda: _habits(lab), SECONDS, nothing)]


def _habits(lab: Laboratory) -> list[str]:
    """What engines do differently, and may."""
    said = []
    with quiet():
        try:
            habit = probes.second_backward(lab)[1]
            said += [f"a second backward of the same output {habit}"] * bool(habit)
            if lab.recorded is not None:
                habit = probes.second_graph(lab)[1]
                said += [f"backward of a second graph {habit} the gradient of a leaf"] * bool(habit)
        except Exception:
            return said  # found again, and told, when the engine is checked
    return said
