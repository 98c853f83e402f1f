"""The line of bars in a failure: what it shows, and where it has to say less."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gradcheck
from gradcheck.figures import Curve, Figures
from gradcheck.plain import ascii_only
from gradcheck.records import num
from gradcheck.reporters import sparkline, text
from gradcheck.results import Finding, OpResult, Worst

STEPS = tuple(4.0**-k for k in range(17))


def curve(*, backward: float = 3.0, bound: float = 1e-12, chosen: tuple[float, ...] = ()) -> Curve:
    """Truncation h^2 / 10 and round-off 1e-16 / h around a slope of 1."""
    return Curve(
        input="x",
        entry=(0,),
        steps=STEPS,
        slopes=tuple(1.0 + h * h / 10 + 1e-16 / h for h in STEPS),
        truncation=tuple(h * h / 10 for h in STEPS),
        roundoff=tuple(1e-16 / h for h in STEPS),
        value=1.0,
        bound=num(bound),
        backward=num(backward),
        chosen=chosen,
    )


def drawn(**changes: object) -> tuple[str, str]:
    """The bars of the steps, and the whole in two lines."""
    first, second = sparkline.lines(curve(**changes), 76)  # type: ignore[arg-type]
    return first[: len(STEPS)], f"{first}\n{second}"


def test_the_error_falls_and_rises_and_backward_stays_away():
    bars, whole = drawn(chosen=STEPS[4:6])
    heights = [sparkline.BARS.index(bar) for bar in bars]
    best = heights.index(min(heights))
    assert heights[: best + 1] == sorted(heights[: best + 1], reverse=True)
    assert heights[best:] == sorted(heights[best:])
    assert 4 < best < 12
    assert len(set(heights)) >= 6
    assert "  █ backward  h = 1 to 2e-10, log scale\n" in whole
    assert whole.splitlines()[1] == "    ▲▲ combined: off by 1e-12 at most, backward by 2"


def test_a_nearly_right_backward_is_a_low_bar():
    """The bars can tell the two apart: an error of 1e-9 is among the lower bars."""
    _, whole = drawn(backward=1.0 + 1e-9)
    low = whole.partition(" backward")[0][-1]
    assert sparkline.BARS.index(low) < 3
    assert "backward by 1e-09" in whole


@pytest.mark.parametrize(
    ("chosen", "second"),
    [
        ((), "combined"),
        ((STEPS[3],), "   ▲ used: "),
        ((STEPS[2] * 1.1, STEPS[5] / 1.1), "  ▲  ▲ combined: "),
        ((1e9,), "▲ used: "),
    ],
)
def test_marks_stand_below_the_steps_that_were_used(chosen, second):
    _, whole = drawn(chosen=chosen)
    line = whole.splitlines()[1]
    if chosen:
        assert line.startswith(second)
    else:
        assert sparkline.MARK not in line


@pytest.mark.parametrize("backward", [math.nan, math.inf, -math.inf])
def test_a_backward_that_is_not_finite(backward):
    _, whole = drawn(backward=backward)
    assert "█ backward" in whole
    assert whole.endswith(f"backward is {num(backward)}")


def test_what_is_below_the_bound_is_not_told_apart():
    bars, _ = drawn(bound=1e-6)
    assert bars.count("▁") > drawn()[0].count("▁")
    assert "▁" * 6 in bars


def test_an_exact_difference_has_the_lowest_bars_only():
    exact = Curve(
        input="x", entry=(), steps=STEPS[:3], slopes=(1.0,) * 3, truncation=(0.0,) * 3,
        roundoff=(0.0,) * 3, value=1.0, bound=0.0, backward=2.0,
    )  # fmt: skip
    assert sparkline.lines(exact, 76)[0].startswith("▁▁▁  █ backward")
    assert sparkline.bars([0.0, 0.0, 1.0], 0.0) == ["▁", "▁", "█"]
    assert sparkline.bars([0.0, math.inf], 0.0) == ["▁", "█"]


@pytest.mark.parametrize("bound", [math.inf, math.nan])
def test_no_bars_where_the_difference_itself_is_unknown(bound):
    assert sparkline.lines(curve(bound=bound), 76) == []


@pytest.mark.parametrize("room", [36, 46, 58])
def test_a_narrow_page_has_the_same_in_more_lines(room):
    lines = sparkline.lines(curve(chosen=STEPS[4:6]), room)
    assert max(map(len, lines)) <= room
    said = " ".join(lines)
    for part in ("█ backward", "▲▲", "log scale", "h = 1 to 2e-10", "off by 1e-12", "by 2"):
        assert part in said


def test_in_ascii_the_bars_stay_eight():
    plain = ascii_only(sparkline.BARS + sparkline.MARK)
    assert plain.isascii()
    assert len(plain) == len(set(plain)) == 9


def finding(entry: tuple[int, ...]) -> Finding:
    numbers = Worst(
        input="x", entry=entry, backward=3.0, finite_difference=1.0, bound=1e-12,
        relative_error=0.67, limit=1e-12,
    )  # fmt: skip
    return Finding(
        code="wrong-gradient", check="values", severity="fail", message="", input="x",
        numbers=numbers, diagnosis="a guess",
    )  # fmt: skip


def test_only_the_finding_that_the_curve_is_of_has_it_after_its_numbers():
    result = OpResult(op="m::f", kind="", verdict="fail", figures=Figures(curve=curve()))
    with_it, without = (text.finding(result, finding(entry)) for entry in ((0,), (1,)))
    order = [with_it.index(w) for w in ("relative error", sparkline.LABEL, "a guess")]
    assert order == sorted(order)
    assert sparkline.LABEL not in without


def test_a_real_failure_has_it_and_its_words_agree_with_the_numbers():
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(np.sin, lambda dz, x: 2 * dz * np.cos(x), np.array([0.25, 0.5]))
    said, result = str(caught.value), caught.value.result
    assert sparkline.LABEL in said
    numbers = result.findings[0].numbers
    away = abs(float(numbers.backward) - float(numbers.finite_difference))
    assert f"backward by {away:.2g}" in said
    bars = said.partition(sparkline.LABEL)[2].split()[0]
    assert bars[0] > min(bars) < bars[-1]
