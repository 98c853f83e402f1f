"""The derivative along a line from a ladder of steps, with a bound that holds even where one is hard to have.

No single step is right for every function, so every step of a geometric ladder is tried:

1. *Extrapolate.* D(h) = (phi(x+h) - phi(x-h)) / 2h = phi' + c2 h^2 + c4 h^4 + ...; each column of the
   table removes one power (Richardson 1911, Ridders 1982).
2. *Measure the noise* of phi where the steps are so small that nothing else is left
   (difference tables: Hamming 1971, More & Wild 2011). Each entry of the table then has a bound,
   truncation + round-off.
3. *Select* (Lepski 1990): from the finest step to the coarsest, trust a step only while its interval
   meets the intervals of all finer steps; keep the tightest one trusted.
4. *Doubt.* A kink near x takes the steps beyond it away; a kink at x yields the hull of the
   one-sided slopes (Clarke 1983); a jump, or anything narrower than the finest step, yields no conclusion.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.estimate import Estimate, Float, Line, Samples

KAPPA = 6.0
"""Standard deviations of noise in a bound. With SAFE = 2: no false alarm in 16,200 checks; (1.5, 1) had 4 %."""
SAFE = 2.0
"""Times the truncation estimate. Generous is cheap: 8 times larger constants cost a factor 4-6 in sharpness."""
COLUMNS = 4
"""Extrapolations of each D(h): orders 4, 6, 8, 10. Beyond that rounding leaves nothing to gain."""
EXTENSIONS = 2
"""How often half a ladder of finer steps may be added."""
FINE = 4
"""Gaps between steps, at the fine end, that count as the fine end."""

JUMP, EDGE = "jump or spike", "domain edge"


@dataclass(frozen=True, slots=True)
class _Ladder:
    """Slopes of phi at the usable steps, coarsest first; every array is (L,)."""

    ratio: float
    step: Float
    central: Float
    right: Float
    left: Float
    size: Float
    """sum_j |cotangent_j (y_j(x+h) - y_j(x-h))| / 2h: the central slope without cancellation."""
    rounding: Float
    """Standard deviation of phi if every output is off by half an ulp."""
    flat: float
    limit: float
    quantum: float
    """Size of a rounding staircase, 0 where there is none."""

    def __len__(self) -> int:
        return len(self.step)

    def from_step(self, first: int) -> _Ladder:
        """Forget the steps coarser than number `first`."""
        names = ("step", "central", "right", "left", "size", "rounding")
        return replace(self, **{name: getattr(self, name)[first:] for name in names})


def estimate(line: Line, *, stretch: float = 1.0, scale: float | None = None) -> Estimate:
    """Estimate the derivative along `line` at its point.

    Parameters
    ----------
    line
        Where phi = cotangent . y can be sampled.
    stretch
        Factor on all steps. A second estimate with, say, 1.37 meets other roundings.
    scale
        Size of x that the steps are taken relative to; the power of two nearest max(|x|, 1) unless given.

    Returns
    -------
    Estimate
        Resolved, or with the reason why not and an infinite bound. NaN and infinite samples are taken
        as steps that left the domain; they and all coarser steps are ignored.
    """
    steps, ratio, smallest = _first_steps(line, stretch, scale)
    more = len(steps) // 2
    with np.errstate(all="ignore"):
        samples = line.sample(steps)
        ladder = _slopes(line, samples, ratio)
        result = _conclude(ladder)
        for _ in range(EXTENSIONS):
            finer = steps[-1] / ratio ** np.arange(1.0, more + 1)
            finer = finer[finer >= smallest]
            if len(finer)<2 or not _needs_finer(line, ladder, result, steps[-1]):
                break
            steps = finer
            samples = _joined(samples, line.sample(finer))
            ladder = _slopes(line, samples, ratio)
            result = _conclude(ladder)
    return replace(result, evaluations=2 * len(samples.up))


def _first_steps(line: Line, stretch: float, scale: float | None) -> tuple[Float, float, float]:
    """Steps from the coarsest to the finest, their ratio, and the smallest step allowed: 32 ulp of x."""
    coarsest, ratio, count = (0.25, 4.0, 20) if line.eps < 1e-10 else (1.0, 2.0, 18)
    size = line.size if math.isfinite(line.size) else 1.0
    if scale is None:
        scale = 2.0 ** min(round(math.log2(max(size, 1.0))), 1000)
    ulp = line.eps * 2.0 ** math.floor(math.log2(max(size, line.tiny)))
    finest = max(scale * coarsest / ratio ** (count - 1), 32 * ulp) * stretch
    return finest * ratio ** np.arange(count - 1.0, -1, -1), ratio, 32 * ulp


def _joined(coarse: Samples, fine: Samples) -> Samples:
    return Samples(
        up=np.concatenate([coarse.up, fine.up]),
        down=np.concatenate([coarse.down, fine.down]),
        above=np.concatenate([coarse.above, fine.above]),
        below=np.concatenate([coarse.below, fine.below]),
    )


def _needs_finer(line: Line, ladder: _Ladder, result: Estimate, finest: float) -> bool:
    """Whether finer steps may tell more: unresolved, still truncation, or coarse beside |x|."""
    if result.kink and result.resolved:
        return False
    if not result.resolved or finest > 2.0**-7 * max(line.size, line.typical) > 0.0:
        return True
    # A gap of the central slopes, times h, falls like h^3 while it is truncation; noise stays level.
    gaps = np.abs(np.diff(ladder.central[-FINE - 1 :])) * ladder.step[-FINE:][-len(ladder) + 1 :]
    return bool(gaps[-2:].max() < gaps[:-2].max(initial=0.0) / ladder.ratio**4)


def _slopes(line: Line, samples: Samples, ratio: float) -> _Ladder:
    """Contract the outputs to slopes of phi; drop every step that left the domain and all coarser ones."""
    weight, here = line.cotangent, line.here
    right = ((samples.above - here) * weight).sum(axis=1) / samples.up
    left = ((here - samples.below) * weight).sum(axis=1) / samples.down
    usable = np.isfinite(right) & np.isfinite(left)
    first = int(np.flatnonzero(~usable)[-1]) + 1 if not usable.all() else 0
    above, below = samples.above[first:], samples.below[first:]
    step = (samples.up + samples.down)[first:] / 2
    moves = (above - below) * weight
    touched = ((above != here) | (below != here)).any(axis=0)
    # Results below the smallest normal number carry its absolute error.
    values = np.where(touched, np.maximum(np.maximum(np.abs(above), np.abs(below)), line.tiny), 0.0)
    rounding = 0.5 * line.eps * _norm(weight * values)
    unit = float(np.abs(weight[touched]).sum()) * max(1.0, line.size)
    return _Ladder(
        ratio=ratio,
        step=step,
        central=moves.sum(axis=1) / (2 * step),
        right=right[first:],
        left=left[first:],
        size=np.abs(moves).sum(axis=1) / (2 * step),
        rounding=rounding,
        flat=float(0.5 * line.eps * _norm(weight * np.where(touched, 0.0, here)) / step[0]) if len(step) else 0.0,
        limit = max(2.0**17 * rounding[-1], 2.0**12 * line.eps * unit) if len(step) else 0.0,
        quantum=_staircase(np.abs(moves.sum(axis=1)), 2.0**17 * rounding, 2.0**12 * line.eps * unit),
    )


def _norm(terms: Float) -> Float:
    """Root of the sum of squares along the last axis, without overflow."""
    peak = np.abs(terms).max(axis=-1, initial=0.0)
    return np.asarray(peak * np.sqrt(((terms.T / np.where(peak > 0, peak, 1.0)) ** 2).sum(axis=0)))


def _staircase(moves: Float, by_value: Float, by_unit: float) -> float:
    """Half the first move of phi, where it is flat at the finest step and that move is a rounding quantum.

    Outputs that do not change at all are no evidence of a zero slope: the function may be a staircase
    of roundings. A first move below 2^16 ulp of the outputs, or below 2^12 ulp of an intermediate value
    of size max(|x|, 1), is taken for one stair.
    """
    moved = np.flatnonzero(moves)
    if not moved.size or moved[-1] == len(moves) - 1:
        return 0.0
    last = moved[-1]
    return 0.5 * float(moves[last]) if moves[last] <= max(by_value[last], by_unit) else 0.0


@functools.cache
def _noise_weights(ratio: float) -> tuple[Float, Float]:
    """Noise of the Richardson table, per unit of (standard deviation of phi) / h.

    D(h) has the standard deviation 1/sqrt(2) in that unit; column j is a known combination of
    D(h), D(ratio h), ..., D(ratio^j h). First array: of an entry of column j; second: of the gap between
    two neighbours in column j.
    """
    combination = np.ones(1)
    entries, gaps = [], []
    for column in range(COLUMNS + 1):
        if column:
            gain = 1 / (ratio ** (2 * column) - 1)
            combination = np.convolve(combination, [1 + gain, -gain])
        for weights, collected in ((combination, entries), (np.convolve(combination, [1, -1]), gaps)):
            noise = weights * ratio ** -np.arange(float(len(weights)))
            collected.append(math.sqrt(float((noise**2).sum()) / 2))
    return np.array(entries), np.array(gaps)


def _richardson(ladder: _Ladder) -> Float:
    """T[0, k] = D(h_k), T[j, k] = T[j-1, k] + (T[j-1, k] - T[j-1, k-1]) / ((h_{k-j} / h_k)^2 - 1).

    Column j (Richardson 1911; as a table Ridders 1982) is of order 2j + 2; NaN where it is not defined.
    """
    table = np.full((COLUMNS + 1, len(ladder)), np.nan)
    table[0] = ladder.central
    for j in range(1, min(COLUMNS + 1, len(ladder))):
        fine, coarse = table[j - 1, j:], table[j - 1, j - 1 : -1]
        table[j, j:] = fine + (fine - coarse) / ((ladder.step[:-j] / ladder.step[j:]) ** 2 - 1)
    return table


@dataclass(frozen=True, slots=True)
class _Levels:
    """The tightest entry of the Richardson table at each step, with the two parts of its bound."""

    value: Float
    truncation: Float
    roundoff: Float

    @property
    def bound(self) -> Float:
        return self.truncation + self.roundoff


def _levels(ladder: _Ladder, table: Float, noise: Float) -> _Levels:
    """Bound every entry of the table and keep the tightest one of each step.

    Truncation is SAFE * max(|T_jk - T_j-1,k|, |T_jk - T_j,k-1| / (ratio - 1)): the second difference is
    the error itself if T converges only like h (as at a jump of phi'') and more for any higher order.
    Round-off is KAPPA * noise * weight_j / h.
    """
    gained = np.abs(np.diff(table, axis=0))
    moved = np.full_like(gained, np.nan)
    moved[:, 1:] = np.abs(np.diff(table[1:], axis=1)) / (ladder.ratio - 1)
    truncation = SAFE * np.maximum(gained, moved)
    weights = _noise_weights(ladder.ratio)[0][1:, None]
    worst = np.maximum.accumulate(noise[::-1])[::-1]
    roundoff = KAPPA * (worst * weights / ladder.step + ladder.flat)
    bound = truncation + roundoff
    best = np.where(np.isfinite(bound), bound, np.inf).argmin(axis=0), np.arange(len(ladder))
    usable = np.isfinite(bound[best])
    return _Levels(table[1:][best], np.where(usable, truncation[best], np.inf), roundoff[best])


def _select(levels: _Levels, first: int = 0) -> int:
    """The tightest step among those whose interval meets all finer intervals (Lepski 1990)."""
    bound = levels.bound.copy()
    bound[:first] = np.inf
    low = np.where(np.isinf(bound), -np.inf, levels.value - bound)
    high = np.where(np.isinf(bound), np.inf, levels.value + bound)
    highest_low = np.maximum.accumulate(low[::-1])[::-1]
    lowest_high = np.minimum.accumulate(high[::-1])[::-1]
    return int(np.where(highest_low <= lowest_high, bound, np.inf).argmin())


def _noise_of_gaps(ladder: _Ladder, table: Float) -> Float:
    """|T_jk - T_j,k-1| of the columns 0..3 as a noise of phi: noise plus whatever truncation is left."""
    gap_weights = _noise_weights(ladder.ratio)[1][:4, None]
    return np.asarray(np.abs(np.diff(table[:4], axis=1)) * ladder.step[1:] / gap_weights)


def _conclude(ladder: _Ladder) -> Estimate:
    """Value, bound, hull and doubts from one ladder of slopes."""
    if len(ladder) < 3:
        return Estimate(value=np.nan, bound=np.inf, reason=EDGE)
    table = _richardson(ladder)
    gaps = _noise_of_gaps(ladder, table)
    fine = gaps[:, -min(FINE, len(ladder) - 1) :]
    measured = max(float(np.fmin.reduce(_norm(fine)) / math.sqrt(fine.shape[1])), ladder.quantum)
    growth = np.maximum(1.0, np.nan_to_num(ladder.rounding / ladder.rounding[-1], nan=1.0))
    noise = np.maximum(ladder.rounding, measured)
    levels = _levels(ladder, table, noise)
    chosen = _select(levels)
    if not np.isfinite(levels.bound[chosen]):
        return Estimate(value=np.nan, bound=np.inf, reason=EDGE)
    noise = np.maximum(noise, _scatter(ladder, table[2], levels, chosen))
    levels = _levels(ladder, table, noise)
    chosen = _select(levels)

    kink = _kink(ladder, noise)
    if kink.away:
        chosen = _select(levels, kink.away)
    nearby = np.fmin.reduce(gaps[:4, chosen - 2 :])
    nearby = np.lib.stride_tricks.sliding_window_view(nearby, min(4, len(nearby))).max(axis=1)
    quiet = max(float(np.fmin.reduce(nearby)), float(ladder.rounding.max()))
    structure = measured > 50 * quiet and chosen < len(ladder) - 6
    unresolved = kink.unclear or (structure and not kink.at_point) or _jumps(ladder, measured)
    weights = _noise_weights(ladder.ratio)[0]
    return Estimate(
        value=float(levels.value[chosen]),
        bound=math.inf if unresolved else float(levels.bound[chosen]),
        truncation=float(levels.truncation[chosen]),
        roundoff=float(levels.roundoff[chosen]),
        step=float(ladder.step[chosen]),
        scale=max(abs(float(levels.value[chosen])), float(ladder.size[chosen])),
        low=kink.low,
        high=kink.high,
        kink=kink.at_point,
        reason=JUMP if unresolved else "",
        fine_values=tuple(levels.value[-FINE:].tolist()),
        fine_noise=tuple((KAPPA * ladder.rounding * weights[2] / ladder.step)[-FINE:].tolist()),
    )


def _scatter(ladder: _Ladder, column: Float, levels: _Levels, chosen: int) -> float:
    """Noise as the scatter, around the chosen value, of the second column at the steps just finer."""
    finer = slice(chosen + 1, chosen + 1 + FINE)
    off = (column[finer] - levels.value[chosen]) * ladder.step[finer]
    if not off.size:
        return 0.0
    return float(_norm(off) / math.sqrt(off.size) / _noise_weights(ladder.ratio)[0][2])


def _never_settles(ladder: _Ladder, measured: float) -> bool:
    rho, h = ladder.ratio, ladder.step
    gap = ladder.right - ladder.left
    threshold = np.maximum(2 * KAPPA * ladder.rounding * math.sqrt(6), 12 * measured) / h
    ratio = gap[1:] / gap[:-1]
    grows = (ratio > 0.75 * rho) & (ratio < 1.35 * rho) & (np.abs(gap[1:]) > threshold[1:])
    run = grows[3:] & grows[2:-1] & grows[1:-2] & grows[:-3]
    if not run.any():
        return False
    end = int(np.flatnonzero(run)[-1]) + 4
    down = np.abs(gap[end + 1 :]) < 0.5 * abs(gap[end])
    return not (down[1:] & down[:-1]).any()


def _jumps(ladder, measured):
    R, low, up = 5, ladder.ratio**.25, np.inf
    if len(ladder) <= R+1: return False
    threshold = np.minimum(ladder.limit, np.maximum(2 * KAPPA * ladder.rounding * math.sqrt(6), 12 * measured))/ladder.step
    for slope in (ladder.right - ladder.left, np.diff(ladder.right), np.diff(ladder.left)):
        ratio = slope[1:] / slope[:-1]
        grows = (ratio > low) & (ratio < up) & (np.abs(slope[1:]) > threshold[-len(slope)+1:])
        run = np.lib.stride_tricks.sliding_window_view(grows, R).all(axis=1)
        if run.any():
            end = int(np.flatnonzero(run)[-1]) + R
            down = np.abs(slope[end + 1 :]) < 0.5 * abs(slope[end])
            if not (down[1:] & down[:-1]).any(): return True
    return False


def _diverges(ladder: _Ladder) -> bool:
    for slope in (ladder.right[-7:], ladder.left[-7:]):
        if len(slope) == 7 and (slope[1:]/slope[:-1] > ladder.ratio**0.25).all() and abs(slope[0]*ladder.step[-7]) > ladder.limit:
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Kink:
    low: float = math.inf
    high: float = -math.inf
    at_point: bool = False
    away: int = 0
    unclear: bool = False


def _kink(ladder: _Ladder, noise: Float) -> _Kink:
    rho, h = ladder.ratio, ladder.step
    gap = ladder.right - ladder.left
    jump = (rho * gap[1:] - gap[:-1]) / (rho - 1)
    spread = 2 * np.abs(np.diff(jump))
    jump = np.abs(jump[:-1])
    per_noise = KAPPA * math.sqrt(6 * (rho**4 + 1)) / (rho - 1) / h[:-2]
    big = jump > 1e-9 * ladder.size.max()
    blur = noise[:-2] * per_noise
    flags = (jump > blur + spread) & big
    pairs = flags[1:] & flags[:-1]
    sure = np.flatnonzero(np.append(pairs, False) | np.append(False, pairs))
    hint = np.flatnonzero((jump > ladder.rounding[:-2] * per_noise + spread) & big)
    if sure.size:
        last = int(sure[-1])
        index = np.arange(len(jump))
        sees = (index > last) & (blur <= 0.25 * jump[last])
        quiet = sees & (jump <= blur + spread)
        far = np.flatnonzero(quiet & (index >= last + 1 + math.ceil(math.log(9, rho))))
        if len(far) >= 2:
            return _Kink(away=int(far[0]))
    levels = sure if sure.size else hint
    if not levels.size:
        return _Kink()
    ends = []
    for slope in (ladder.right, ladder.left):
        value = (rho * slope[1:] - slope[:-1]) / (rho - 1)
        b = SAFE * np.abs(np.diff(slope)) / (rho - 1) + KAPPA * ladder.rounding[:-1] * 2 * rho / h[:-1]
        k = levels[b[levels].argmin()]
        ends.append((value[k], b[k]))
    if max(b for _, b in ends) >= 0.5 * jump[levels].max():
        return _Kink(at_point=bool(sure.size), unclear=bool(sure.size))
    low, high = float(min(v - b for v, b in ends)), float(max(v + b for v, b in ends))
    width = high - low
    k = int(levels[-1])
    blur = KAPPA * ladder.rounding[k:] * 1.5 / h[k:]
    visible = blur < 0.1 * width
    unclear = False
    for slope in (ladder.right[k:], ladder.left[k:]):
        outside = (slope < low - blur - 0.02 * width) | (slope > high + blur + 0.02 * width)
        unclear |= bool((outside & visible).any())
    return _Kink(low, high, bool(sure.size), 0, unclear and bool(sure.size))
