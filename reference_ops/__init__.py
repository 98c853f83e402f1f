"""Reference ops: the lecture's nodes, forward and backward side by side.

Each op is a pair of neighbours, so that a reviewer compares two lines and not two files. Importing
this package registers all of them. They are checked with ``scope="forward"``: whatever a forward
accepts, its backward handles; whatever it does not support, it refuses with a ValueError.

``lecture_max`` is left out on purpose: it is an example of a backward pass that is wrong at a tie.
"""

from __future__ import annotations

from reference_ops import (
    activations,
    arithmetic,
    attention,
    convolution,
    dropout,
    elementwise,
    graphs,
    indexing,
    interpolation,
    lecture,
    linear,
    losses,
    matrices,
    networks,
    nonlinear,
    normalisation,
    pooling,
    probabilities,
    recurrent,
    reductions,
    shaping,
    trigonometric,
    words,
)

__all__ = [
    "activations",
    "arithmetic",
    "attention",
    "convolution",
    "dropout",
    "elementwise",
    "graphs",
    "indexing",
    "interpolation",
    "lecture",
    "linear",
    "losses",
    "matrices",
    "networks",
    "nonlinear",
    "normalisation",
    "pooling",
    "probabilities",
    "recurrent",
    "reductions",
    "shaping",
    "trigonometric",
    "words",
]
