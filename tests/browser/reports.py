"""Reports with everything that a page draws: real runs over right, wrong and composed ops."""

from __future__ import annotations

from functools import cache

import numpy as np
from msgspec.structs import replace

import gradcheck
from gradcheck.figures import Curve, Figures, GraphNode, Heat, Met, Spread
from gradcheck.graphs.calls import as_op
from gradcheck.results import OpResult, Report, summarise
from gradcheck.runner import run
from gradcheck.settings import Settings
from reference_ops.activations import softplus
from reference_ops.convolution import conv2d
from reference_ops.graphs import worked_example
from reference_ops.linear import matmul
from reference_ops.reductions import max as largest
from tests.reporters import samples

RIGHT = (softplus, conv2d, matmul, largest, worked_example)


class Affine:
    """Its gradient of W has a sign and a factor too much."""

    def forward(self, x, W, b):
        self.x, self.W = x, W
        return x @ W.T + b

    def backward(self, dz):
        return dz @ self.W, -2 * dz.T @ self.x, dz.sum(axis=0)


squash = gradcheck.op(np.tanh, lambda dz, x: (1 - np.tanh(x)) * dz, "x[...]", name="squash")


def score(x, W, b, u):
    """A graph in which one node is wrong."""
    z = W @ x + b
    h = squash(z)
    return u @ h


@cache
def real() -> Report:
    """Three wrong ops, one of them a graph, and five right ones."""
    affine = gradcheck.op(Affine, "x[n d], W[k d], b[k]")
    composed = gradcheck.graph("x[d], W[k d], b[k], u[k]")(score)
    ops = [as_op(o) for o in (*RIGHT, affine, squash, composed)]
    made = run(ops, Settings(profile="fast"))
    return replace(made, results=[replace(r, target=r.op) for r in made.results])


def many(count: int) -> Report:
    """The right ops of `real` under other names, and one wrong op in each hundred."""
    sorts: dict[bool, list[OpResult]] = {True: [], False: []}
    for result in real().results:
        sorts[result.verdict == "pass"].append(result)
    results = []
    for k in range(count):
        among = sorts[k % 100 != 50]
        result = among[k % len(among)]
        results.append(replace(result, op=f"{result.op}_{k}"))
    return replace(real(), results=results, summary=summarise(results, 0, 1.0), planned=count)


def drawn(text: str) -> Figures:
    """Figures with a text of a user's wherever there is one."""
    nodes = [
        GraphNode(
            name=text,
            op=text if k else "",
            parents=(0, 0) if k else (),
            shape=(2, 3),
            value=text,
            gradient=text,
            verdict=("spoilt", "wrong")[k],
            result=bool(k),
        )
        for k in range(2)
    ]
    steps, errors = (0.5, 0.125, 0.03), (1e-3, 0.0, "nan")
    return Figures(
        curve=Curve(
            input=text,
            entry=(0, 1),
            steps=steps,
            slopes=errors,
            truncation=(1e-3, 1e-4, 0.0),
            roundoff=(1e-16, 1e-15, 1e-14),
            value=0.0,
            bound=1e-9,
            backward=1.0,
            chosen=(0.5, 0.125),
        ),
        heat=Heat(
            input=text,
            shape=(2, 40),
            rows=2,
            columns=2,
            errors=(0.0, 1e-30, 2.0, "inf"),
            wrong=(2, 3),
            block=(1, 20),
        ),
        spread=Spread(errors={"zero": 3, "-9": 1, "inf": 1}, limits={"-12": 4, "50": 1}),
        met=[Met(shapes=text, regime=text, layout=text, dtype=text, cases=2)],
        code=f"def backward(dz):\n    {text}",
        code_line=3,
        graph=nodes,
        path=[text, text],
    )


def hostile() -> Report:
    """Hostile texts in findings and in figures, of ops that failed and of ops that passed."""
    base = samples.hostile()
    results = list(base.results)
    for k, text in enumerate(samples.HOSTILE):
        results[k] = replace(results[k], figures=drawn(text))
        warning = samples.finding(severity="warning", message=text, diagnosis=text)
        results.append(samples.op(text, figures=drawn(text), findings=[warning], target=text))
    return replace(base, results=results, summary=summarise(results, len(base.errors), 1.0))
