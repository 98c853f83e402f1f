"""A case that gives nothing to compare: why it is refused, or what there is to say of it."""

from __future__ import annotations

from gradcheck import finite
from gradcheck.arrays import all_finite, is_real
from gradcheck.attributes import guessed_numbers
from gradcheck.checks import contract
from gradcheck.evaluation import Evaluator, OtherOutputs, UserCodeRaised
from gradcheck.foreign import advice_of
from gradcheck.model import Case, Op, Outputs, Recipe
from gradcheck.plain import told
from gradcheck.results import Finding, Severity


def raised(op: Op, recipe: Recipe, error: UserCodeRaised, scope: str, empty: bool) -> Finding:
    """Forward or backward raised: a fail where the case is declared, less where it was made up.

    Parameters
    ----------
    op, recipe
        The op and its case.
    error : UserCodeRaised
        What was raised, with the user's own frames.
    scope : str
        How grave an error beyond the declaration is: "declared" or "forward".
    empty : bool
        Forward's outputs have no entries there.
    """
    if isinstance(error, OtherOutputs):
        return contract.noted("output-count", error.summary)
    hint = _advice(error) if error.where == "forward" else ""
    severity: Severity = "fail"
    if error.where == "backward" and _made_up(op, recipe, scope, empty):
        quiet = bool(recipe.beyond) and scope == "declared"
        severity = "note" if quiet else "warning"
        hint = f"; forward accepts this ({recipe.note}), but nobody declared it"
    message = f"{error.where} raises {error.summary}{hint}"
    return contract.noted(f"{error.where}-raised", message, severity, error.frames())


def invalid(op: Op, case: Case) -> str:
    """Why the op's own ``valid`` refuses a case, or empty."""
    if op.options.valid is None:
        return ""
    try:
        accepted = bool(op.options.valid(*case.primals, **case.attributes))
    except Exception as error:
        return f"valid() raises {type(error).__name__}: {told(error)}"
    return "" if accepted else "valid() refuses it"


def outputs(evaluator: Evaluator, case: Case, made: Outputs) -> str | Finding | None:
    """Why outputs are refused, or the finding that they are; None where they can be used."""
    recipe = case.recipe
    if not any(map(is_real, made)):
        kinds = ", ".join(str(o.dtype) for o in made) or "an empty tuple"
        message = f"forward returns no real output, but {kinds}: nothing to differentiate"
        # a sum over nothing may be an integer
        return message if recipe.beyond else contract.noted("no-real-output", message)
    if all_finite(made):
        return None
    return finite.refusal(evaluator, case, made, refusable=recipe.refusable) or finite.not_finite()


def _advice(error: UserCodeRaised) -> str:
    if advice := advice_of(error.error):
        return f"; {advice}"
    return (
        "; these inputs are declared: narrow the domain in the signature, or give "
        "valid=lambda ...: ... for a relation between inputs"
    )


def _made_up(op: Op, recipe: Recipe, scope: str, empty: bool) -> bool:
    """Nobody asked for this case."""
    chosen = recipe.attributes
    refusable = recipe.refusable and not any(chosen.values()) and scope == "declared"
    guessed = guessed_numbers(op.attributes, chosen) > 0
    return bool(recipe.beyond) or refusable or guessed or (empty and recipe.refusable)
