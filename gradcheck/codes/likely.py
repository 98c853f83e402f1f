"""The mistakes that the diagnosis names, as they stand in `Finding.likely`."""

from __future__ import annotations

from gradcheck.codes.record import Likely

MISTAKES = (
    Likely(
        name="sign",
        what="The gradient is times -1, whole or along lines of an axis.",
        fix="Look for a subtraction in forward, or a minus that was dropped.",
    ),
    Likely(
        name="factor",
        what="The gradient is a number times the right one.",
        fix="Look for a 2 of a square, a 1/2 of a loss, or a term that was counted twice.",
    ),
    Likely(
        name="size-factor",
        what="The gradient is right but for the size of an axis: n times, or 1/n of it.",
        fix="A mean needs its 1/n in backward, a sum has none; look which size it is.",
    ),
    Likely(
        name="transpose",
        what="The right numbers stand with axes swapped.",
        fix="Transpose; a reshape to the right shape only hides it.",
    ),
    Likely(
        name="permutation",
        what="The right numbers stand in another order: reversed, shifted or shuffled.",
        fix="Apply the inverse of what forward did to the order; it is not the same order again.",
    ),
    Likely(
        name="unbroadcast",
        what=(
            "The gradient of an input that was broadcast is not summed over the axes it was spread "
            "along, or is summed over others."
        ),
        fix="Sum over exactly the axes that the input lacks, and those where it has size 1.",
    ),
    Likely(
        name="upstream-dropped",
        what="The upstream gradient, or its share in one term, is missing.",
        fix="Multiply every term by the upstream gradient (dz).",
    ),
    Likely(
        name="upstream-twice",
        what="The upstream gradient is in the result twice.",
        fix="Multiply by it once: a helper may have done it before.",
    ),
    Likely(
        name="upstream-collapsed",
        what="One number, a sum or mean of the upstream gradient, is used for all of it.",
        fix="Use it entry by entry; a test with a single output, or with ones, does not see this.",
    ),
    Likely(
        name="overwritten",
        what="One of several contributions is kept where they have to be added up.",
        fix="Use += at branches and np.add.at for repeated indices.",
    ),
    Likely(
        name="some-entries",
        what="Only some entries are wrong: a row, a border, a sign of x, what an index points at.",
        fix="Look at the slice, mask or branch that singles these entries out.",
    ),
    Likely(
        name="ties",
        what="It is wrong only where values are equal.",
        fix="Give the gradient to one of them or split it: nothing may be lost or counted twice.",
    ),
    Likely(
        name="constant-term",
        what="A mean or sum over an axis is not subtracted, or something is added to every entry.",
        fix="Differentiate the statistic as well: x - x.mean() has a second term.",
    ),
    Likely(
        name="lost-term",
        what=(
            "One term of a function of single entries is missing or too much, or lacks one of its "
            "factors."
        ),
        fix="Use the product rule: each factor of forward adds a term, with all the others in it.",
    ),
    Likely(
        name="missing-factor",
        what=(
            "An input, the output, an attribute or a local derivative is forgotten, or multiplied "
            "once too often."
        ),
        fix="Derive it again by the chain rule; the diagnosis says which factor.",
    ),
    Likely(
        name="other-input",
        what="It is the gradient of another input.",
        fix="Return the gradients in the order of forward's inputs.",
    ),
    Likely(
        name="stale-value",
        what="It is right for another value of the input than forward was called with.",
        fix="Keep a copy in forward: what was kept has been changed before backward reads it.",
    ),
    Likely(
        name="attribute",
        what="It is wrong for some values of an attribute only (attribute/sign: and how).",
        fix="Let backward use the attribute as forward does: an axis, a flag, a stride.",
    ),
    Likely(
        name="dtype",
        what="It is wrong in one dtype only (dtype/sign: and how).",
        fix="Look for a constant, a cast or an epsilon that is too small for that dtype.",
    ),
    Likely(
        name="values",
        what="It is wrong only for special values, such as zeros, ties or large numbers.",
        fix="Look at what the formula does there: 0 / 0, an overflow, a comparison.",
    ),
    Likely(
        name="sizes",
        what="It is wrong only for some sizes, such as 1.",
        fix="Look for a squeeze, a broadcast that became possible, or a divisor of n - 1.",
    ),
    Likely(
        name="not-finite",
        what="The gradient holds NaN or infinity.",
        fix="Look for a division by zero, or a 0 times infinity that np.where does not prevent.",
    ),
    Likely(
        name="zero",
        what="The gradient is zero everywhere, and the derivative is not.",
        fix="Look for a result that is computed and not returned, or an integer array.",
    ),
    Likely(
        name="nearly",
        what="All entries are off by less than 1 %.",
        fix="Look for an epsilon that forward has and backward has not, or an approximation.",
    ),
    Likely(
        name="flat-forward",
        what="Forward does not move and backward does: a straight-through or surrogate gradient.",
        fix="Name the function that it is the gradient of: differentiates=np.tanh.",
    ),
)
