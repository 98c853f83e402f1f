"""Two small engines, right ones: of numbers in the manner of micrograd, and of arrays."""

from __future__ import annotations

import math

import numpy as np


class Engine:
    """A tape: nodes with parents, each with the function that carries a gradient to it."""

    def __init__(self, data, parents=(), wants=True):
        self.data, self.parents, self.wants, self.grad = data, parents, wants, None

    def made(self, data, *parents):
        return type(self)(data, parents)

    def lift(self, other):
        return other if isinstance(other, Engine) else type(self)(self.plain(other), wants=False)

    def plain(self, other):
        return other

    def detach(self):
        return type(self)(self.data)

    def __add__(self, other):
        other = self.lift(other)
        return self.made(self.data + other.data, (self, lambda g: g), (other, lambda g: g))

    def __sub__(self, other):
        other = self.lift(other)
        return self.made(self.data - other.data, (self, lambda g: g), (other, lambda g: -g))

    def __mul__(self, other):
        other = self.lift(other)
        a, b = self.data, other.data
        return self.made(a * b, (self, lambda g: g * b), (other, lambda g: g * a))

    def __truediv__(self, other):
        other = self.lift(other)
        a, b = self.data, other.data
        return self.made(a / b, (self, lambda g: g / b), (other, lambda g: -g * a / (b * b)))

    def order(self):
        found, seen, waiting = [], set(), [(self, False)]
        while waiting:
            node, left = waiting.pop()
            if left:
                found.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                waiting.append((node, True))
                waiting += [(parent, False) for parent, _ in node.parents]
        return found[::-1]

    def take(self, g):
        if self.wants:
            self.grad = g if self.grad is None else self.grad + g

    def walk(self, upstream):
        order = self.order()
        for node in order:
            if node.parents:
                node.grad = None
        self.take(upstream)
        for node in order:
            for parent, local in node.parents:
                parent.take(local(node.grad))


class Value(Engine):
    """A number; backward takes no upstream gradient."""

    def backward(self):
        self.walk(1.0)

    def tanh(self):
        t = math.tanh(self.data)
        return self.made(t, (self, lambda g: g * (1 - t * t)))

    def exp(self):
        e = math.exp(self.data)
        return self.made(e, (self, lambda g: g * e))

    def relu(self):
        on = self.data > 0
        return self.made(self.data * on, (self, lambda g: g * on))

    def log(self):
        a = self.data
        return self.made(math.log(a), (self, lambda g: g / a))

    def __pow__(self, power):
        power, a = self.lift(power), self.data
        y = a**power.data
        slope = y * math.log(a)
        b = power.data
        return self.made(y, (self, lambda g: g * b * a ** (b - 1)), (power, lambda g: g * slope))

    def wrong_tanh(self):
        t = math.tanh(self.data)
        return self.made(t, (self, lambda g: g * (1 - t)))


class Tensor(Engine):
    """An array; backward takes an upstream gradient."""

    def plain(self, other):
        return np.asarray(other, self.data.dtype)

    def take(self, g):
        if self.wants:
            super().take(self.fit(g))

    def fit(self, g):
        """What was stretched in forward is summed; a copy, so that nobody shares it."""
        g = g.sum(axis=tuple(range(g.ndim - self.data.ndim)))
        ones = tuple(k for k, n in enumerate(self.data.shape) if n == 1)
        return np.array(g.sum(axis=ones, keepdims=True)).reshape(self.data.shape)

    def backward(self, upstream):
        self.walk(upstream)

    def __matmul__(self, other):
        a, b = self.data, other.data
        return self.made(a @ b, (self, lambda g: g @ b.T), (other, lambda g: a.T @ g))

    def exp(self):
        e = np.exp(self.data)
        return self.made(e, (self, lambda g: g * e))

    def tanh(self):
        t = np.tanh(self.data)
        return self.made(t, (self, lambda g: g * (1 - t * t)))

    def sqrt(self):
        r = np.sqrt(self.data)
        return self.made(r, (self, lambda g: g / (2 * r)))

    def relu(self):
        on = self.data > 0
        return self.made(self.data * on, (self, lambda g: g * on))

    def sum(self, axis=None, keepdims=False):
        shape = self.data.shape

        def back(g):
            g = g if keepdims or axis is None else np.expand_dims(g, axis)
            return np.broadcast_to(g, shape)

        return self.made(self.data.sum(axis=axis, keepdims=keepdims), (self, back))

    def mean(self, axis=None):
        """Wrong along an axis: divides by the number of all entries."""
        shape, count = self.data.shape, self.data.size

        def back(g):
            return np.broadcast_to(g if axis is None else np.expand_dims(g, axis), shape) / count

        return self.made(self.data.mean(axis=axis), (self, back))


def softplus(t):
    """A function of the module, no method."""
    a = t.data
    return t.made(np.logaddexp(0, a), (t, lambda g: g / (1 + np.exp(-a))))


def of_numbers(kind=Value, **options):
    import gradcheck

    return gradcheck.tape(
        leaf=kind,
        value=lambda v: v.data,
        backward=lambda v: v.backward(),
        grad=lambda v: v.grad,
        scalar=True,
        **options,
    )


def of_arrays(kind=Tensor, **options):
    import gradcheck

    return gradcheck.tape(
        leaf=kind,
        value=lambda t: t.data,
        backward=lambda t, cotangent: t.backward(cotangent),
        grad=lambda t: t.grad,
        **options,
    )


def constant(array):
    """An array that needs no gradient."""
    return Tensor(array, wants=False)
