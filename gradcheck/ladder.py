"""The derivative along a line, with a bound, from a ladder of steps: no single step suits all.

1. *Extrapolate.* D(h) = (phi(x+h) - phi(x-h)) / 2h = phi' + c2 h^2 + c4 h^4 + ...; each row of a
   table removes one power of h (Richardson 1911, Ridders 1982).
2. *Measure the noise* of phi where the steps are so small that little else is left (difference
   tables: Hamming 1971, More & Wild 2011). Each entry now has a bound: truncation + round-off.
3. *Select* (Lepski 1990): from the finest step to the coarsest, trust a step only while its
   interval meets the intervals of all finer steps; take the tightest of those. So steps that
   reach a pole, a kink or a jump beside x are left out without a word.
4. *Doubt.* A kink at x yields the hull of the one-sided slopes (Clarke 1983); a jump, or anything
   finer than the finest step, yields a reason and no bound.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.estimate import Estimate, Float, Line, Samples

# Bound = SAFE * truncation estimate + KAPPA * standard deviation of the noise. Generous is cheap:
# doubling both costs a factor 2 in sharpness; (1, 1.5) leaves 4 % of all right gradients outside.
SAFE, KAPPA = 2.0, 6.0
ROWS = 4  # extrapolations of each D(h), of orders 4 to 10; more would only add noise
FINE = 4  # gaps between neighbouring steps that make up the fine end, where noise is measured
EDGE = "domain edge"  # forward refuses a side at every step
EXTENSIONS = 2  # how often half a ladder of finer steps may be added


@dataclass(frozen=True, slots=True)
class _Ladder:
    """Slopes of phi at the usable steps, from the coarsest to the finest; arrays are (L,)."""

    ratio: float  # of a step to the next finer one
    step: Float
    central: Float
    sides: Float  # (2, L), to the right and to the left
    size: Float  # sum_j |cotangent_j (y_j(x+h) - y_j(x-h))| / 2h: central without cancellation
    rounding: Float  # a-priori noise: deviation of phi if each output that moves is off by 1/2 ulp
    growth: Float  # of other noise, with phi: not at all, like phi, or (inside u^2) like its root
    grain: Float  # a move of phi up to this size may be one rounding somewhere inside forward
    flat: float  # the slope that outputs which never move may hide below 1/2 ulp


def estimate(line: Line, *, stretch: float = 1.0, scale: float | None = None) -> Estimate:
    """Estimate the derivative of phi = cotangent . y along a line, at its point.

    Parameters
    ----------
    line
        Where to sample y. Steps that meet NaN or infinity are ignored, with all coarser ones.
    stretch
        Factor on all steps: a second estimate with, say, 1.37 meets other roundings.
    scale
        Size of x that the steps are relative to; by default the power of two nearest max(|x|, 1).

    Returns
    -------
    Estimate
        Resolved; or with a reason and an infinite bound.
    """
    with np.errstate(all="ignore"):
        steps, ratio, smallest = _first_steps(line, stretch, scale)
        more = np.arange(1.0, len(steps) // 2 + 1)
        samples = line.sample(steps)
        for extension in range(EXTENSIONS + 1):
            ladder = _slopes(line, samples, ratio)
            result = _conclude(ladder)
            finer = np.array([h for h in steps[-1] / ratio**more if h >= smallest])
            if extension == EXTENSIONS or len(finer) < 2 or not _needs_finer(line, ladder, result):
                break
            steps = np.concatenate([steps, finer])
            both = zip(astuple(samples), astuple(line.sample(finer)), strict=True)
            samples = Samples(*(np.concatenate(pair) for pair in both))
    return replace(result, evaluations=2 * len(steps))


def _first_steps(line: Line, stretch: float, scale: float | None) -> tuple[Float, float, float]:
    """Return the steps, coarsest first, their ratio, and the smallest step allowed: 32 ulp of x."""
    # Where a smooth function of size 1 is known best depends on which powers of 4 are taken: odd
    # ones (2^-7, 2^-9) are half as far from its noise as even ones, at the same truncation.
    coarsest, ratio, count = (0.5, 4.0, 20) if line.eps < 1e-10 else (1.0, 2.0, 18)
    size = min(1e300, line.size)  # 1e300 also in place of NaN
    if scale is None:
        scale = 2.0 ** round(math.log2(max(size, 1.0)))
    smallest = 32 * line.eps * 2.0 ** math.floor(math.log2(max(size, line.tiny)))
    finest = max(stretch * scale * coarsest / ratio ** (count - 1), smallest * max(stretch, 1.0))
    return finest * ratio ** np.arange(count - 1.0, -1.0, -1.0), ratio, smallest


def _needs_finer(line: Line, ladder: _Ladder, result: Estimate) -> bool:
    """Tell if finer steps may help: no result, too coarse beside |x|, or truncation to the end."""
    # h times a gap of the central slopes falls like h^3 while it is truncation; noise stays level.
    gaps = (np.abs(np.diff(ladder.central)) * ladder.step[1:])[-FINE:]
    falling = bool((gaps[1:] < gaps[:-1] / ladder.ratio**2).all())
    nearest = 2.0**-7 * max(line.size, line.typical)
    return bool(result.reason) or (not result.kink and (falling or ladder.step[-1] > nearest > 0))


def _slopes(line: Line, samples: Samples, ratio: float) -> _Ladder:
    """Contract outputs to slopes of phi, at the steps finer than any that left the domain."""
    weight, here = line.cotangent, line.here
    steps = np.stack([samples.up, samples.down])
    sides = (np.stack([samples.above - here, here - samples.below]) * weight).sum(axis=2) / steps
    refused = np.flatnonzero(~np.isfinite(sides).all(axis=0))
    usable = slice(int(refused[-1]) + 1 if refused.size else 0, None)
    above, below, step = samples.above[usable], samples.below[usable], steps[:, usable].mean(axis=0)
    moves = (above - below) * weight
    moved = ((above != here) | (below != here)).any(axis=0)
    # Below the smallest normal number the error stays that of the smallest normal number.
    values = np.maximum(np.maximum(np.abs(above), np.abs(below)), line.tiny)
    central, size = moves.sum(axis=1) / (2 * step), np.abs(moves).sum(axis=1) / (2 * step)
    own = _norm(np.where(moved, weight * values, 0.0))  # may have cancelled: then x phi' is left
    rounding = 0.5 * line.eps * np.hypot(own, np.nan_to_num(line.size * size, posinf=0.0))
    # Up to 2^16 ulp of the outputs, or 2^12 ulp of a size max(|x|, 1) inside (as was measured).
    unit = line.eps * max(line.size, 1.0) * np.abs(weight[moved]).sum()
    grain = np.maximum(2.0**17 * rounding, 2.0**12 * unit)
    growth = np.sqrt(np.maximum(1.0, own / own[-1:].max(initial=1e-300)))
    least = 0.0 if moved.any() else max(line.size, 1.0)  # of a term inside, where nothing moves
    still = np.where(moved, 0.0, weight * np.maximum(np.abs(here), least))
    flat = float(0.5 * line.eps * _norm(still) / step.max(initial=0.0))
    return _Ladder(ratio, step, central, sides[:, usable], size, rounding, growth, grain, flat)


def _norm(terms: Float) -> Float:
    """Root of the sum of squares along the last axis, scaled so that no square overflows."""
    peak = float(np.fmax.reduce(np.abs(terms), axis=None, initial=0.0)) or 1.0
    return np.asarray(peak * np.linalg.norm(terms / peak, axis=-1))


def _richardson(central: Float, step: Float) -> Float:
    """T[0, k] = D(h_k), T[j, k] = T[j-1, k] + (T[j-1, k] - T[j-1, k-1]) / ((h_{k-j} / h_k)^2 - 1).

    Row j is Richardson's estimate of order 2j + 2, arranged as by Ridders; NaN for k < j. For a
    `central` of shape (n, L) it is n tables at once.
    """
    table = np.full((ROWS + 1, *central.shape), np.nan)
    table[0] = central
    for j in range(1, min(ROWS + 1, len(step))):
        fine, coarse = table[j - 1, ..., j:], table[j - 1, ..., j - 1 : -1]
        table[j, ..., j:] = fine + (fine - coarse) / ((step[:-j] / step[j:]) ** 2 - 1)
    return table


def _measured_noise(ladder: _Ladder, gaps: Float) -> float:
    """Noise of phi at the fine end: the smallest over the rows, as each has truncation on top.

    Outputs that do not change at fine steps are no evidence of a zero slope: where the first move
    of phi is small enough to be one rounding, phi is a staircase with a noise of half that stair.
    """
    fine = gaps[:, -FINE:]
    noise = float(np.fmin.reduce(_norm(fine))) / math.sqrt(fine.shape[1])
    moves = np.abs(ladder.central) * 2 * ladder.step
    last = int(np.flatnonzero(moves)[-1]) if moves.any() else -1
    stair = 0 <= last < len(moves) - 1 and moves[last] <= ladder.grain[last]
    return max(noise, 0.5 * float(moves[last])) if stair else noise


def _tightest(ladder: _Ladder, table: Float, noise: Float) -> tuple[Float, Float, Float]:
    """At each step the tightest entry of the table: its value, its bound, and the round-off in it.

    The rest of it is truncation, SAFE max(|T_jk - T_j-1,k|, |T_jk - T_j,k-1| / (ratio - 1)). The
    second is the error itself if T converges like h only (phi'' jumps), and more if T is faster.
    """
    gained = np.abs(np.diff(table, axis=0))
    shifted = np.full_like(gained, np.nan)
    shifted[:, 1:] = np.abs(np.diff(table[1:], axis=1)) / (ladder.ratio - 1)
    truncation = SAFE * np.maximum(gained, shifted)
    roundoff = KAPPA * (noise[1:] + ladder.flat)
    bound = np.nan_to_num(truncation + roundoff, nan=np.inf)
    best = bound.argmin(axis=0), np.arange(table.shape[1])
    return table[1:][best], bound[best], roundoff[best]


def _select(value: Float, bound: Float) -> int:
    """Lepski's choice: the tightest of the steps whose interval meets all finer intervals."""
    low, high = (value - bound)[::-1], (value + bound)[::-1]
    meets = np.maximum.accumulate(low) <= np.minimum.accumulate(high)
    return int(np.where(meets[::-1], bound, np.inf).argmin())


def _conclude(ladder: _Ladder) -> Estimate:
    """Turn slopes into a value, its bound, and the doubts about it."""
    if len(ladder.step) < 3:
        return Estimate(value=math.nan, bound=math.inf, reason=EDGE)
    step = ladder.step
    table = _richardson(ladder.central, step)
    # Noise of each entry if phi has noise 1 and so D(h) has 1 / (sqrt(2) h): the table is linear
    # in D, so the table of a diagonal matrix gives the weight of every D in every entry.
    unit = np.sqrt((_richardson(np.diag(step[-1] / step), step) ** 2).sum(axis=1) / 2) / step[-1]
    gaps = np.abs(np.diff(table)) / unit[:, 1:]
    measured = _measured_noise(ladder, gaps)
    noise = np.maximum(ladder.rounding, measured * ladder.growth)
    value, bound, _ = _tightest(ladder, table, noise * unit)
    chosen = _select(value, bound)
    # A second look at the noise: the scatter around the chosen value at the steps just finer.
    off = ((table[2] - value[chosen]) / unit[2])[chosen + 1 :][:FINE]
    noise = np.maximum(noise, _norm(off) / math.sqrt(max(len(off), 1)))
    value, bound, roundoff = _tightest(ladder, table, noise * unit)
    chosen = _select(value, bound)
    kink = _find_kink(ladder, noise)
    structured = not kink.at_point and _structured(ladder, gaps[0, chosen:], measured)
    overflow = not np.isfinite(bound[chosen] + ladder.size[chosen])
    doubtful = kink.unclear or structured or overflow or _jumps(ladder, measured)
    return Estimate(
        value=float(value[chosen]),
        bound=math.inf if doubtful else float(bound[chosen]),
        truncation=float(bound[chosen] - roundoff[chosen]),
        roundoff=float(roundoff[chosen]),
        step=float(step[chosen]),
        scale=float(np.maximum(np.abs(value), ladder.size)[chosen]),
        low=kink.low,
        high=kink.high,
        kink=kink.at_point,
        reason="jump or spike" if doubtful else "",
        fine_values=tuple(value[-FINE:].tolist()),
        fine_noise=tuple((KAPPA * ladder.rounding * unit[2])[-FINE:].tolist()),
    )


def _structured(ladder: _Ladder, gaps: Float, measured: float) -> bool:
    """Tell if the fine end is 50 times louder than the gaps before it: no noise, but structure."""
    if len(gaps) <= 2 * FINE:
        return False
    calm = np.lib.stride_tricks.sliding_window_view(gaps, FINE).max(axis=1)
    calm = calm[calm > 0].min(initial=np.inf)  # a run of equal slopes measures nothing
    return measured > 50 * max(float(calm), float(ladder.rounding.max()))


def _jumps(ladder: _Ladder, measured: float) -> bool:
    """Tell if phi jumps, has an infinite slope, or varies on a scale below the finest step.

    The difference of the one-sided slopes, and the changes of each, fall like h where phi is
    smooth. Here one grows, like h^(-1/4) or faster, over five gaps, and never comes down again.
    """
    noise = 2 * KAPPA * np.maximum(math.sqrt(6) * ladder.rounding, measured)
    visible = np.minimum(ladder.grain, noise) / ladder.step
    for change in (ladder.sides[0] - ladder.sides[1], *np.diff(ladder.sides)):
        grows = change[1:] / change[:-1] > ladder.ratio**0.25
        grows &= np.abs(change[1:]) > visible[1 - len(change) :]
        ends = np.flatnonzero(np.convolve(grows, np.ones(5))[4 : len(grows)] == 5) + 5
        for end in ends[-1:]:
            fallen = np.abs(change[end + 1 :]) < 0.5 * abs(change[end])
            if not (fallen[1:] & fallen[:-1]).any():
                return True
    return False


@dataclass(frozen=True, slots=True)
class _Kink:
    """What the one-sided slopes say. A hull without `at_point`: a kink at x is not excluded."""

    low: float = math.inf
    high: float = -math.inf
    at_point: bool = False
    unclear: bool = False


def _find_kink(ladder: _Ladder, noise: Float) -> _Kink:
    """Tell if the slope jumps at x, and between what.

    With S = right - left slope, J = (ratio S(h/ratio) - S(h)) / (ratio - 1) is O(h^3) if phi is
    smooth, and the jump of the slope if there is a kink at x, or one beside x at less than h/9.
    Finer steps that could show that jump, and do not, prove that the kink is beside x.
    """
    ratio, apart = ladder.ratio, ladder.sides[0] - ladder.sides[1]
    signed = (ratio * apart[1:] - apart[:-1]) / (ratio - 1)
    jump, drift = np.abs(signed[:-1]), 2 * np.abs(np.diff(signed))
    blur = KAPPA * math.sqrt(6 * (ratio**4 + 1)) / (ratio - 1) / ladder.step[:-2]
    shows = jump > noise[:-2] * blur + drift
    twice = shows[1:] & shows[:-1]  # once may be an inflection of S
    sure = np.flatnonzero(np.append(twice, False) | np.append(False, twice))
    at = sure if sure.size else np.flatnonzero(jump > ladder.rounding[:-2] * blur + drift)
    if not at.size:
        return _Kink()
    clear = ~shows & (noise[:-2] * blur <= 0.25 * jump[at[-1]])
    beside = clear[at[-1] + 1 + math.ceil(math.log(9, ratio)) :].sum() >= 2
    return _Kink() if beside else _hull(ladder, at, jump[at].max(), sure=bool(sure.size))


def _hull(ladder: _Ladder, at: NDArray[np.intp], jump: float, *, sure: bool) -> _Kink:
    """Hull of the one-sided derivatives (Clarke 1983), each extrapolated where it is tightest.

    Unclear if one is not known to half the jump, or if finer one-sided slopes leave the hull.
    """
    blur = KAPPA * ladder.rounding / ladder.step
    change = np.diff(ladder.sides) / (ladder.ratio - 1)
    error = SAFE * np.abs(change) + 2 * ladder.ratio * blur[:-1]
    tightest = [0, 1], at[error[:, at].argmin(axis=1)]
    ends, margin = (ladder.sides[:, 1:] + change)[tightest], error[tightest]
    if margin.max() >= 0.5 * jump:
        return _Kink(at_point=sure, unclear=sure)
    low, high = float((ends - margin).min()), float((ends + margin).max())
    visible = 15 * blur < high - low
    outside = np.maximum(low - ladder.sides, ladder.sides - high) > 1.5 * blur + 0.02 * (high - low)
    return _Kink(low, high, sure, unclear=sure and bool((visible & outside)[:, at[-1] :].any()))
